#!/bin/sh
# A bark: bark.sh NAME PAUSE
set -eu
. "$(dirname "$0")/say.sh"
progress 0.5 "taking breath"
sleep "$2"
echo "$1: woof"
result '{"sound":"woof"}'
