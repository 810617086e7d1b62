#!/usr/bin/env bash
# The journal at its limit with `journal-full = oldest`: a pair with a dead collector is given more than its journals hold.
# Both keep to the limit, and once the collector lives its file proves each record there or stated as lost.  Loopback only.
# Then `refuse` with a sink that lives: nothing is refused.
# usage: tests/full.sh BUILD-FOLDER
set -uo pipefail
build=${1:?usage: tests/full.sh BUILD-FOLDER}
dir=$(mktemp -d)
net=127.$((64 + $$ / 256 % 128)).$(($$ % 256))
records=800000 limit=64
pids=()
failed=0
clean() {
    [ "$failed" -eq 0 ] || tail -n 20 "$dir"/err*
    kill -9 "${pids[@]}" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$dir" /dev/shm/evrep-full-$$-*
}
trap clean EXIT
until_true() { # NAME COMMAND...: within 60 s
    local name=$1
    shift
    for _ in $(seq 600); do
        if "$@"; then
            echo "ok      $name"
            return
        fi
        read -rt 0.1 <> <(:)
    done
    echo "FAILED  $name"
    failed=1
}
start() { # NODE
    local n=$1 o=$((1 - $1))
    mkdir -p "$dir/n$n"
    cat >"$dir/c$n" <<C
node = $n
cluster-id = 7
hostname = "fw1"
state-dir = "$dir/n$n"
control-socket = "$dir/s$n"
journal-limit-mib = $limit
journal-full = oldest
peer {
  key-file = "$dir/key"
  link "control" { local = "$net.1$n:5900" remote = "$net.1$o:5900" }
}
redundancy-group "1" { priority = $((200 - n * 100)) }
source "dp" { type = ring ring = "evrep-full-$$-$n" }
sink "siem" { type = syslog framing = newline format = standard address = "$net.99:6010" window = 8192 }
C
    "$build/tests/evload" "evrep-full-$$-$n" "$n"
    "$build/bin/evrepd" -c "$dir/c$n" 2>>"$dir/err$n" &
    pids+=($!)
    evrepd[n]=$!
}
ctl() { "$build/bin/evrepctl" -s "$dir/s$1" --json "${@:2}"; }
holds() { ctl 0 watermark 2>/dev/null | python3 -c "import json, sys; w = json.load(sys.stdin); sys.exit(not ($1))" 2>/dev/null; }
own='[g for s in w["streams"] if s["origin"] == 0 for g in s["segments"]]'
session() { holds 'w["session"]["state"] == "up" and w["epoch"] != 0'; }
replicated() { holds "sum(g['produced'] for g in $own) > $records and all(g['produced'] == g['replicated'] for g in $own)"; }
fits() { # NODE: within an eighth of its limit
    [ "$(du -sm --apparent-size "$dir/n$1/journal" | cut -f1)" -le $((limit + limit / 8)) ]
}
delivered() { holds 'w["waiting"] == 0 and w["held"] == 0'; }
balance() { holds 'all(c["balance"] == "ok" for c in w["counters"].values())'; }
# One line a second at most, however many are given up: what all of them say is what the counter says.
said() {
    python3 - "$dir/err0" "$(ctl 0 watermark | python3 -c 'import json, re, sys; print(re.search(r"(\d+) records were given up", str(json.load(sys.stdin)["news"]))[1])')" <<'P' 2>"$dir/err-said"
import datetime, re, sys
lines = re.findall(r"^(\S+)Z \S+ journal: its limit \S+ is reached: (\d+) records are given up", open(sys.argv[1]).read(), re.M)
times = [datetime.datetime.fromisoformat(t) for t, _ in lines]
assert all((b - a).total_seconds() > 0.9 for a, b in zip(times, times[1:])), lines
assert sum(int(n) for _, n in lines) == int(sys.argv[2]), (lines, sys.argv[2])
P
}
counted() { balance && holds 'w["counters"]["policy_deny"]["gap"] > 0 and "were given up" in str(w["news"])'; }

"$build/bin/evrepctl" keygen "$dir/key" >/dev/null
start 0
start 1
until_true "a session" session
"$build/tests/evload" "evrep-full-$$-0" 0 1 "$records" >/dev/null &
load=$!
pids+=("$load")
until_true "the ring goes on beyond the limit, and the peer has it all" replicated
wait "$load"
until_true "the journal of the origin keeps to its limit" fits 0
until_true "so does its copy at the peer" fits 1
until_true "the counters balance, and count what was given up" counted
until_true "the log says how many, and not more often than once a second" said
kill -9 "${evrepd[0]}"
wait "${evrepd[0]}" 2>/dev/null
start 0
until_true "a session after a restart" session
until_true "the counters balance once the backlog is counted" balance
python3 - "$net.99" "$dir/got" <<'P' &
import socket, sys
s = socket.create_server((sys.argv[1], 6010))
with open(sys.argv[2], "wb") as f:
    while True:
        c = s.accept()[0]
        while data := c.recv(1 << 20):
            f.write(data)
            f.flush()
P
pids+=($!)
until_true "what is left is delivered" delivered
until_true "the counters balance at the end" balance
"$build/bin/evrepctl" --json audit "$dir/got" >"$dir/audit" || { echo "FAILED  audit"; failed=1; }
lost=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["covered"])' "$dir/audit")
echo "        of $records records $lost were given up, by $(grep -c GAP_LOST "$dir/got") statements"
[ "${lost:-0}" -gt 100000 ] && [ "$lost" -lt $((records * 3 / 4)) ] || { echo "FAILED  so many as did not fit"; failed=1; }
grep -q 'GAP_LOST.*reason="journal-limit"' "$dir/got" || { echo "FAILED  the reason is said"; failed=1; }
[ "$failed" -eq 0 ] || cat "$dir/audit"

# `journal-full = refuse`: what is delivered makes room, though its epoch is open; one node, whose limit is a tenth of what it is given.
mkdir "$dir/n2"
cat >"$dir/c2" <<C
node = 0
hostname = "fw1"
state-dir = "$dir/n2"
control-socket = "$dir/s2"
journal-limit-mib = 16
redundancy-group "1" { priority = 100 }
source "dp" { type = ring ring = "evrep-full-$$-2" }
sink "local" { type = file path = "$dir/local" window = 8192 }
C
"$build/tests/evload" "evrep-full-$$-2" 0
"$build/bin/evrepd" -c "$dir/c2" 2>"$dir/err2" &
pids+=($!)
until_true "a node alone" test -S "$dir/s2"
"$build/tests/evload" "evrep-full-$$-2" 0 1 800000 >/dev/null &
pids+=($!)
arrived() { [ "$(wc -l <"$dir/local")" -gt 800000 ]; }
until_true "a limit that holds a tenth of the records stops none" arrived
[ "$failed" -eq 0 ]
