#!/bin/sh
# The lines, words and bytes of a file: count.sh FILE [PAUSE]
set -eu
. "$(dirname "$0")/feed.sh"

[ $# -ge 1 ] || fail 64 "usage: count.sh FILE [PAUSE]"
pause=${2:-0}
open_file "$1"

echo "counting $file, $size bytes"
feed "$pause" | wc >"$work/counts"
all_was_read
read -r lines words bytes <"$work/counts"
echo "$lines lines, $words words, $bytes bytes"
result "{\"lines\":$lines,\"words\":$words,\"bytes\":$bytes}"
