#!/bin/sh
# A worker: asks a Heeler service for jobs, and runs a command for each.
#
#     worker.sh URL OPERATION COMMAND [ARGUMENT...]
#
# The command reads the job as JSON from its standard input. What it prints is
# the result of the job, and another exit code than 0 is a failure. It is told
# to stop when the job is cancelled, or when its lease is over.
#
# WORKER_NAME    how this worker calls itself; the name of the machine by default
# WORKER_AUTH    the token that `[auth]` of the service asks for, if it does
# WORKER_BEAT    seconds between signs of life: a third of the lease, by default 10
#
# Needs curl and jq.
set -u
[ $# -ge 3 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2; }
url=${1%/} operation=$2
shift 2
name=${WORKER_NAME:-$(uname -n)}
beat=${WORKER_BEAT:-10}
folder=$(mktemp -d)
work='' polling='' stopping=''
trap 'rm -rf "$folder"' EXIT
# After the job at hand. Nobody is to ask for another one any more.
trap 'stopping=yes; [ -n "$work" ] || { kill $polling; exit 0; }' TERM INT

say() { echo "$name: $*" >&2; }

# ask METHOD PATH MEDIA ANSWER: the body is read from the standard input, the
# answer written to a file, and its status printed; 000 if there was none. Always
# in a subshell, which becomes curl.
ask() {
    if [ -n "${WORKER_AUTH:-}" ]; then set -- "$@" "Authorization: Bearer $WORKER_AUTH"; else set -- "$@" "Accept: application/json"; fi
    exec curl -s --max-time 60 -X "$1" -H "Content-Type: $3" -H "$5" -o "$4" -w '%{http_code}' --data-binary @- "$url$2"
}

report() { ask PATCH "$path" application/merge-patch+json "$folder/$1"; }

# Signs of life until the work is over. Who is told to stop, or is no longer
# believed, stops.
heartbeat() {
    silent=0
    while sleep "$beat"; do
        status=$(printf '{"token": "%s"}' "$token" | report beat)
        case $status in
        200)
            silent=0
            [ "$(jq -r .canceled "$folder/beat")" = true ] || continue
            : >"$folder/canceled"
            ;;
        4*) say "the job is no longer ours: $(cat "$folder/beat")" ;;
        *)
            # The lease is three beats long.
            silent=$((silent + 1))
            [ "$silent" -ge 3 ] || continue
            say "the service is away: $status"
            ;;
        esac
        kill "$1"
        return
    done
}

# The end, until it is heard: as often as that takes, it counts once.
end() {
    pause=1
    while :; do
        status=$(report end <"$folder/said")
        case $status in
        200) say "$path $(jq -r .phase "$folder/said")"; return ;;
        4*) say "the end of $path is refused: $(cat "$folder/end")"; return ;;
        esac
        say "cannot say how $path ended: $status"
        sleep "$pause"
        [ "$pause" -ge 30 ] || pause=$((pause * 2))
    done
}

run() {
    rm -f "$folder/canceled"
    "$@" <"$folder/job" >"$folder/out" 2>"$folder/err" &
    work=$!
    heartbeat "$work" &
    beating=$!
    # A signal ends the first wait, and not the work.
    wait "$work"
    code=$?
    while kill -0 "$work" 2>/dev/null; do
        wait "$work"
        code=$?
    done
    kill "$beating" 2>/dev/null
    wait "$beating" 2>/dev/null
    if [ "$code" -eq 0 ]; then
        if jq -e -s 'length == 1' "$folder/out" >/dev/null 2>&1; then kind=--slurpfile; else kind=--rawfile; fi
        jq -n --arg token "$token" "$kind" out "$folder/out" \
            '{$token, phase: "succeeded", result: (if $out | type == "array" then $out[0] else $out | rtrimstr("\n") end)}'
    elif [ -e "$folder/canceled" ]; then
        jq -n --arg token "$token" '{$token, phase: "canceled"}'
    else
        jq -n --arg token "$token" --arg code "$code" --arg line "$(tail -n 1 "$folder/err")" \
            '{$token, phase: "failed", error: {reason: "Exit\($code)", message: $line}}'
    fi >"$folder/said"
    end
    work=''
}

pause=1
while [ -z "$stopping" ]; do
    jq -n --arg worker "$name" '{$worker, max: 1, wait: "30s"}' >"$folder/wanted"
    # In the background, so that a signal is heard at once.
    ask POST "/v1/operations/$operation/leases" application/json "$folder/leases" \
        <"$folder/wanted" >"$folder/status" &
    polling=$!
    wait "$polling"
    polling=''
    status=$(cat "$folder/status")
    case $status in
    200) pause=1 ;;
    429 | 5* | 000)
        say "the service is away: $status"
        sleep "$pause"
        [ "$pause" -ge 30 ] || pause=$((pause * 2))
        continue
        ;;
    *) say "$status $(cat "$folder/leases")"; exit 1 ;;
    esac
    jq -e '.items[0].job' "$folder/leases" >"$folder/job" || continue
    token=$(jq -r '.items[0].token' "$folder/leases")
    path=$(jq -r '._links.self.href' "$folder/job")
    run "$@"
done
