# What the operations of this folder share; read by them, not run by itself.
#
# An operation tells Heeler how far it is, and what it found, by writing lines
# of JSON to the file that HEELER_EVENTS names. What it writes to standard
# output or standard error is the job's log. Without Heeler, the lines of JSON
# go to standard error, so that a script can be tried by hand.

events=${HEELER_EVENTS:-/dev/stderr}
parts=20
chunk=65536

# Ends with exit code $1, saying $2 in the log.
fail() {
    code=$1
    shift
    echo "$*" >&2
    exit "$code"
}

# Says that $1 of $parts is done. Only numbers are put into the JSON: other
# text would have to be escaped first.
progress() {
    percent=$(($1 * 100 / parts))
    printf '{"progress":{"fraction":%d.%02d,"message":"%d of %d bytes"}}\n' \
        $((percent / 100)) $((percent % 100)) "$2" "$size" >>"$events"
}

# Says what came of it; $1 is JSON.
result() {
    printf '{"result":%s}\n' "$1" >>"$events"
}

# Sees to it that $1 is a file that can be read, and learns its size.
open_file() {
    file=$1
    [ -f "$file" ] || fail 66 "there is no file $file"
    [ -r "$file" ] || fail 66 "$file cannot be read"
    size=$(wc -c <"$file") || fail 74 "$file cannot be read"
    size=$((size + 0))
    # Small enough that a small file has several parts, too.
    [ "$size" -gt 1048576 ] || chunk=1024
    work=$(mktemp -d) || fail 73 "no temporary folder"
    trap 'rm -rf "$work"' EXIT
    trap 'exit 143' TERM
    trap 'exit 130' INT
}

# Writes the file to standard output in $parts parts, saying after each one how
# far it is, and resting for $1 seconds.
feed() {
    part=0
    chunks=$(((size + chunk - 1) / chunk))
    fed=0
    while [ "$part" -lt "$parts" ]; do
        part=$((part + 1))
        upto=$((chunks * part / parts))
        if [ "$upto" -gt "$fed" ]; then
            dd if="$file" bs="$chunk" skip="$fed" count=$((upto - fed)) 2>"$work/dd" || {
                cat "$work/dd" >&2
                # A pipe tells only how its last program ended.
                : >"$work/failed"
                return
            }
            fed=$upto
        fi
        bytes=$((fed * chunk))
        [ "$bytes" -le "$size" ] || bytes=$size
        progress "$part" "$bytes"
        sleep "$1"
    done
}

# Ends if not all of the file was read.
all_was_read() {
    [ ! -e "$work/failed" ] || fail 74 "$file could not be read to its end"
}
