#!/bin/sh
# Two steps, each of which shows: perform.sh PAUSE
set -eu
. "$(dirname "$0")/say.sh"
progress 0 command
sleep "$1"
kernel=$(uname -s)
progress 0.5 notify
sleep "$1"
echo "performed on $kernel" >>outbox
result "{\"command\":\"$kernel\",\"notified\":true}"
