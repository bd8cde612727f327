#!/bin/sh
# Sends a bark: send.sh ADDRESS. The outbox is a file: no mail leaves an example.
set -eu
. "$(dirname "$0")/say.sh"
case $1 in
*@*) ;;
*)
    echo "$1 is no address" >&2
    exit 65
    ;;
esac
echo "to $1: woof" >>outbox
result '{"sent":1}'
