#!/bin/sh
# Goes through the two small APIs of heeler.toml with curl:
#
#     sh walkthrough.sh http://127.0.0.1:7117
#
# It stops at the first answer that is not what it says.
set -eu
heeler=${1:-http://127.0.0.1:7117}
answer=$(mktemp)
head=$(mktemp)
trap 'rm -f "$answer" "$head"' EXIT

# ask STATUS METHOD PATH [curl arguments...]: asks, shows, and checks the status.
ask() {
    want=$1 method=$2 path=$3
    shift 3
    echo
    echo "> $method $path"
    got=$(curl -sS -o "$answer" -D "$head" -w '%{http_code}' -X "$method" "$@" "$heeler$path")
    echo "< $got"
    if [ "$got" != "$want" ]; then
        echo "expected $want" >&2
        cat "$answer" >&2
        exit 1
    fi
}

# field NAME: a header field of the last answer.
field() {
    tr -d '\r' <"$head" | sed -n "s/^$1: //Ip"
}

json='Content-Type: application/json'

# Users: an ordinary collection, where the front end always had it.
ask 201 PUT /api/v1/users/ada -H "$json" -d '{"name": "Ada"}'
ask 200 GET /api/v1/users
ask 200 GET /api/v1/users/ada
tag=$(field etag)

# A change names what it is a change of, and can ask for work.
ask 428 PATCH /api/v1/users/ada -H "$json" -d '{"name": "Ada L."}'
ask 200 PATCH /api/v1/users/ada -H "$json" -H "If-Match: $tag" -H 'Prefer: wait=20' \
    -d '{"processing": {"operation": "transcode", "input": {"preset": "720p"}}}'
cat "$answer"
echo
ask 412 PATCH /api/v1/users/ada -H "$json" -H "If-Match: $tag" -d '{"name": "Ada L."}'

# Tasks: a list, and the form that adds to it.
ask 201 PUT /v1/tasks/main -H "$json" -d '{}'
ask 200 GET /newTaskForm
cat "$answer"
echo
ask 202 POST /mostRecentTasks -d '_operation=transcode&preset=1080p'
echo "  at $(field location)"
ask 200 GET /mostRecentTasks
ask 200 GET /users/ada/mostRecentTasks

# Dogs: barks of several kinds.
ask 201 PUT /v1/dogs/1 -H "$json" -d '{"name": "Rex", "email": "rex@example.com"}'
ask 405 POST /v1/dogs/1/ -H "$json" -d '{"action": "bark"}'
ask 200 POST /v1/dogs/1/emails
ask 202 POST /v1/dogs/1/barks
bark=$(field location)
ask 200 GET "$bark"
ask 303 POST /v1/dogs/1/counted
ask 200 GET "$(field location)"
ask 201 POST /v1/dogs/1/records
ask 200 GET /v1/dogs/1/bark
ask 405 DELETE /v1/dogs/1/bark

# Orders: the work follows from the document.
ask 201 PUT /order/123 -H "$json" -d '{"item": "bone", "pause": 30}'
ask 200 POST /order/123/canceled -H "$json" -d true
ask 200 GET /order/123/canceled
ask 201 PUT /order/124 -H "$json" -H 'Prefer: wait=20' -d '{"item": "ball"}'
ask 200 GET /order/124/shipped
ask 403 PATCH /order/124 -H "$json" -d '{"canceled": true}'
cat "$answer"
echo

echo
echo "all is as it should be"
