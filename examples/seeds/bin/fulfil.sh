#!/bin/sh
# Packs and ships an order: fulfil.sh ORDER PAUSE
set -eu
. "$(dirname "$0")/say.sh"
progress 0.1 packing
sleep "$2"
progress 0.9 shipping
echo "shipped $1"
