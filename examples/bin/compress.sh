#!/bin/sh
# A compressed copy of a file: compress.sh FILE TARGET [LEVEL [PAUSE]]
#
# The copy appears under its name when it is complete, and replaces the one
# before: doing it twice is doing it once.
set -eu
. "$(dirname "$0")/feed.sh"

[ $# -ge 2 ] || fail 64 "usage: compress.sh FILE TARGET [LEVEL [PAUSE]]"
target=$2
level=${3:-6}
pause=${4:-0}
open_file "$1"
mkdir -p "$(dirname "$target")"
unfinished=$target.$$.unfinished
trap 'rm -rf "$work" "$unfinished"' EXIT

echo "compressing $file, $size bytes, to $target"
feed "$pause" | gzip -c "-$level" >"$unfinished"
all_was_read
packed=$(($(wc -c <"$unfinished") + 0))
mv -f "$unfinished" "$target"
saved=0
[ "$size" -eq 0 ] || saved=$(((size - packed) * 100 / size))
echo "$packed bytes, $saved % saved"
result "{\"bytes\":$size,\"compressed\":$packed,\"savedPercent\":$saved}"
