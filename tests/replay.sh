#!/usr/bin/env bash
# What a sink has confirmed is sent again on demand, marked: from a settled segment that the journal keeps, to a file
# and to JetStream.  Loopback only.  usage: tests/replay.sh BUILD-FOLDER
set -uo pipefail
build=${1:?usage: tests/replay.sh BUILD-FOLDER}
dir=$(mktemp -d)
ring=evrep-replay-$$
port=$((20000 + $$ % 20000))
url=nats://127.0.0.1:$port
pids=()
failed=0
clean() {
    kill -9 "${pids[@]}" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$dir" /dev/shm/"$ring"*
}
trap clean EXIT
until_true() { # NAME COMMAND...: within 15 s
    local name=$1
    shift
    for _ in $(seq 300); do
        if "$@"; then
            echo "ok      $name"
            return
        fi
        read -rt 0.05 <> <(:)
    done
    echo "FAILED  $name"
    failed=1
}
ctl() { "$build/bin/evrepctl" -s "$dir/evrep.sock" "$@"; }
start() {
    "$build/bin/evrepd" -c "$dir/evrepd.conf" 2>>"$dir/err" &
    pids+=($!)
    evrepd=$!
}
generate() { # MILLISECONDS
    timeout --preserve-status "$1" "$build/tests/evgen" "$ring" 0 1 2000 >/dev/null
}
stream() { "$build/tests/jsstream" "$url" dump RTFLOW 'rtflow.*' >"$dir/bus.log"; }
audit() { # FILE FIELD
    "$build/bin/evrepctl" --json audit "$1" | sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p" | head -1
}
both_have() { # RECORDS at the least
    stream && [ "$(wc -l <"$dir/out.log")" -ge "$1" ] && [ "$(wc -l <"$dir/bus.log")" -eq "$(wc -l <"$dir/out.log")" ]
}
settled() { grep -q "segment 0/$epoch is settled" "$dir/err"; }
all_again() { # FILE: every record of the first epoch a second time, marked
    [ "$(grep -c "evrep-epoch=\"$epoch\".*in-doubt=\"1\"" "$1")" -eq "$records" ]
}
bus_again() { stream && all_again "$dir/bus.log"; }

cat >"$dir/evrepd.conf" <<C
node = 0
hostname = "fw1"
state-dir = "$dir/state"
control-socket = "$dir/evrep.sock"
journal-keep-mib = 16
redundancy-group "1" { priority = 100 }
source "dp" { type = ring ring = "$ring" }
sink "local" { type = file path = "$dir/out.log" }
sink "bus" { type = jetstream url = "$url" stream = "RTFLOW" subject = "rtflow" }
C
mkdir "$dir/state"
nats-server -a 127.0.0.1 -p "$port" -js -sd "$dir/nats" 2>/dev/null &
pids+=($!)
"$build/tests/jsstream" "$url" make RTFLOW 'rtflow.*' 1
start
until_true "an epoch is open" grep -q "is open" "$dir/err"
generate 1
until_true "both sinks have the records" both_have 500
epoch=$(sed -n 's/.*epoch \([0-9]*\) is open.*/\1/p' "$dir/err" | head -1)
records=$(grep -c "evrep-epoch=\"$epoch\"" "$dir/out.log")
kill "$evrepd"
wait "$evrepd"
start
until_true "after a restart the segment is settled" settled
ctl sinks replay nothing --from "0/$epoch/1" 2>"$dir/refused"
ctl sinks replay local --from "0/$epoch" 2>>"$dir/refused"
until_true "an unknown sink is refused" grep -q "no sink nothing" "$dir/refused"
until_true "a bad position is refused" grep -q "as in a tag" "$dir/refused"
until_true "replay to bus" ctl sinks replay bus --from "0/$epoch/1"
ctl sinks replay local --from "0/$((epoch - 1))/7" >"$dir/cut"
until_true "replay to local, which says what is not held any more" \
    grep -q "^records from 0/$epoch/1, the first that the journal holds, on go out again" "$dir/cut"
until_true "so does the log" grep -q "replay from 0/$((epoch - 1))/7, .*: records from 0/$epoch/1, the first" "$dir/err"
until_true "all of it is in the file again, marked" all_again "$dir/out.log"
until_true "and in the stream" bus_again
for file in out bus; do
    [ "$(audit "$dir/$file.log" twice)" = 0 ] && [ "$(audit "$dir/$file.log" missing)" = 0 ] ||
        { echo "FAILED  audit of $file.log"; failed=1; }
done
[ "$failed" -eq 0 ] || tail -n 20 "$dir/err"
[ "$failed" -eq 0 ]
