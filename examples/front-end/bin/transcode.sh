#!/bin/sh
# Says how far it is after each frame: transcode.sh FRAMES PAUSE
set -eu
frames=$1 pause=$2
events=${HEELER_EVENTS:-/dev/stderr}

frame=0
while [ "$frame" -lt "$frames" ]; do
    sleep "$pause"
    frame=$((frame + 1))
    part=$((frame * 1000 / frames))
    printf '{"progress":{"fraction":%d.%03d,"message":"frame %d of %d"}}\n' \
        $((part / 1000)) $((part % 1000)) "$frame" "$frames" >>"$events"
done
echo "$frames frames"
printf '{"result":{"frames":%d}}\n' "$frames" >>"$events"
