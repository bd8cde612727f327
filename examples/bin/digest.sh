#!/bin/sh
# The digest of a file: digest.sh FILE ALGORITHM [PAUSE]
set -eu
. "$(dirname "$0")/feed.sh"

[ $# -ge 2 ] || fail 64 "usage: digest.sh FILE ALGORITHM [PAUSE]"
algorithm=$2
pause=${3:-0}
open_file "$1"
command -v "${algorithm}sum" >/dev/null || fail 69 "${algorithm}sum is not installed"

echo "$algorithm of $file, $size bytes"
digest=$(feed "$pause" | "${algorithm}sum")
all_was_read
digest=${digest%% *}
echo "$digest"
result "{\"algorithm\":\"$algorithm\",\"digest\":\"$digest\",\"bytes\":$size}"
