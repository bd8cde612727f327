#!/bin/sh
# Transcodes: transcode.sh PRESET PAUSE
set -eu
. "$(dirname "$0")/say.sh"
for step in 1 2 3 4; do
    progress "0.$((step * 2))" "part $step of 4"
    sleep "$2"
done
result "{\"preset\":\"$1\",\"parts\":4}"
