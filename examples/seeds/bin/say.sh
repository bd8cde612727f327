# Read by the scripts beside it: how work tells what it is about.

# How far it got, from 0 to 1, and in words.
progress() {
    printf '{"progress":{"fraction":%s,"message":"%s"}}\n' "$1" "$2" >>"$HEELER_EVENTS"
}

# What it gave, as JSON.
result() {
    printf '{"result":%s}\n' "$1" >>"$HEELER_EVENTS"
}
