#!/usr/bin/env bash
# Bad input: each gives one clear line, what can go on goes on, and nothing that was journaled is lost.
# Loopback only.  usage: tests/bad_input.sh BUILD-FOLDER
set -uo pipefail
bin=${1:?usage: tests/bad_input.sh BUILD-FOLDER}/bin
dir=$(mktemp -d)
pids=()
passed=0 failed=0
ring=evrep-bad-$$
clean() {
    for p in "${pids[@]}"; do kill -9 "$p" 2>/dev/null; done
    wait 2>/dev/null
    rm -rf "$dir" /dev/shm/"$ring"*
}
trap clean EXIT

conf() { # NODE CLUSTER KEY [EXTRA]: writes nNODE.conf
    local n=$1 o=$((1 - $1))
    mkdir -p "$dir/n$n"
    cat >"$dir/n$n.conf" <<C
node = $n
cluster-id = $2
hostname = "fw1"
state-dir = "$dir/n$n"
control-socket = "$dir/n$n.sock"
peer {
  key-file = "$3"
  link "control" { local = "127.7.0.1$n:5900" remote = "127.7.0.1$o:5900" }
}
redundancy-group "1" { priority = 100 }
source "dp" { type = ring ring = "$ring-$n" }
sink "siem" { type = syslog address = "127.7.0.99:6514" }
sink "local" { type = file path = "$dir/n$n.log" }
${4:-}
C
}
start() { # NODE [CONF]
    "$bin/evrepd" -c "$dir/${2:-n$1}.conf" 2>>"$dir/n$1.err" &
    pids+=($!)
    last=$!
}
stop() { kill -9 "$@" 2>/dev/null; wait "$@" 2>/dev/null; }
expect() { # NAME FILE TEXT: within 15 s
    local until=$((SECONDS + 15))
    while [ "$SECONDS" -lt "$until" ]; do
        if grep -q -- "$3" "$2" 2>/dev/null; then
            echo "ok      $1"
            passed=$((passed + 1))
            return
        fi
        read -rt 0.05 <> <(:)
    done
    echo "FAILED  $1: no line with \"$3\"; got: $(tail -3 "$2" 2>/dev/null)"
    failed=$((failed + 1))
}

"$bin/evrepctl" keygen "$dir/key"
"$bin/evrepctl" keygen "$dir/other"

conf 0 7 "$dir/key" "sink \"t\" { type = syslog transport = tls address = \"127.7.0.99:6515\" ca-file = \"$dir/none.pem\" }
sink \"j\" { type = jetstream url = \"nats://127.7.0.99:4222\" stream = \"S\" subject = \"s\" credentials = \"$dir/none.creds\" }"
start 0 && a=$last
expect "unreachable collector at start: says so, and runs" "$dir/n0.err" "sink siem: down"
expect "the first epoch: its line says what its record says" "$dir/n0.err" "is open (before it 0, last sequence unknown)"
expect "the file sink goes on without it" "$dir/n0.log" "EVREP_EPOCH_OPEN"

"$bin/evrepctl" -s "$dir/n0.sock" sinks >"$dir/sinks.txt"
expect "the last error of a sink, and when it was" "$dir/sinks.txt" "siem .* [0-9]* s ago: 127.7.0.99:6514: connection refused"
expect "a ca-file that is not there, though no collector is" "$dir/n0.err" "sink t: down: ca-file \"$dir/none.pem\" cannot be used: No such file or directory\$"
expect "which evrepctl sinks says" "$dir/sinks.txt" "t *tls *down .*: ca-file .* cannot be used: No such file or directory"
expect "credentials that are not there, though no server is" "$dir/n0.err" "sink j: down: credentials \"$dir/none.creds\" cannot be used: No such file or directory\$"
until=$((SECONDS + 15)) # Each attempt is an error anew; seconds lie between them.
while [ "$SECONDS" -lt "$until" ] && ! grep -q "siem .* [1-9][0-9]* s ago" "$dir/sinks.txt"; do
    read -rt 0.1 <> <(:)
    "$bin/evrepctl" -s "$dir/n0.sock" sinks >"$dir/sinks.txt"
done
expect "which becomes older" "$dir/sinks.txt" "siem .* [1-9][0-9]* s ago: "
expect "no error of one that has none" "$dir/sinks.txt" "local *file *up [ 0-9]*\$"
"$bin/evrepctl" -s "$dir/n0.sock" --json sinks >"$dir/sinks.json"
expect "its age in JSON" "$dir/sinks.json" '"lastErrorAgeSeconds": *[0-9]'

once() { # NAME FILE TEXT: in one line, not in more
    if [ "$(grep -c -- "$3" "$2")" -eq 1 ]; then
        echo "ok      $1"
        passed=$((passed + 1))
    else
        echo "FAILED  $1: \"$3\" is in $(grep -c -- "$3" "$2") lines"
        failed=$((failed + 1))
    fi
}
why() { # NAME NODE TEXT: what `evrepctl cluster` says of a link that is down, as a table and as JSON
    local until=$((SECONDS + 15)) # The last attempt may have failed otherwise; the next tells.
    while [ "$SECONDS" -lt "$until" ]; do
        "$bin/evrepctl" -s "$dir/n$2.sock" cluster >"$dir/cluster.txt"
        "$bin/evrepctl" -s "$dir/n$2.sock" --json cluster >"$dir/cluster.json"
        grep -q "down .*$3" "$dir/cluster.txt" && grep -q "$3" "$dir/cluster.json" && break
        read -rt 0.05 <> <(:)
    done
    expect "$1, in the table" "$dir/cluster.txt" "down .*$3"
    expect "$1, in JSON" "$dir/cluster.json" "\"why\":\"[^\"]*$3"
}

expect "nobody at the other end" "$dir/n0.err" "link control: cannot come up: connection refused"
why "nobody at the other end" 0 "connection refused"
conf 1 7 "$dir/other"
start 1 && b=$last
expect "d44: wrong key" "$dir/n1.err" "refused: wrong key"
expect "wrong key, at the dialler" "$dir/n0.err" "cannot come up: the peer closed when it saw our key"
why "wrong key" 1 "wrong key"
why "wrong key, at the dialler" 0 "when it saw our key"
stop "$b"
once "wrong key is said once" "$dir/n1.err" "refused: wrong key"
once "wrong key is said once at the dialler" "$dir/n0.err" "when it saw our key"
conf 1 8 "$dir/key"
start 1 && b=$last
expect "wrong cluster id" "$dir/n1.err" "refused: wrong cluster id"
expect "wrong cluster id, at the dialler" "$dir/n0.err" "refused: wrong cluster id"
stop "$b"
conf 1 7 "$dir/key"
start 1 && b=$last
expect "and the right one comes up" "$dir/n0.err" "link control: up"
stop "$b"
stop "$a"
# Two that have one node id both dial, or both listen.
for id in 0 1; do
    for n in 0 1; do
        conf $n 7 "$dir/key"
        sed -i -e "s/^node = .*/node = $id/" -e "s,^state-dir.*,state-dir = \"$dir/same$id$n\"," \
            -e "s,$ring-$n,$ring-$id$n," "$dir/n$n.conf"
        mkdir -p "$dir/same$id$n"
        : >"$dir/n$n.err"
    done
    start 0 && a=$last
    start 1 && b=$last
    for n in 0 1; do
        expect "two with node = $id, the one at .1$n" "$dir/n$n.err" \
            "refused: the same node id on both sides: the peer says that it is node $id too"
        why "two with node = $id, the one at .1$n" "$n" "the same node id on both sides"
    done
    stop "$a" "$b"
    once "two with node = $id: said once" "$dir/n0.err" "the same node id on both sides"
done
rm -f "$dir"/n?.err
# A dialler that says it is node 1 too; made by hand, as two real ones would both listen.
conf 1 7 "$dir/key"
start 1 && b=$last
expect "listening" "$dir/n1.err" "node 1 of cluster 7 is up"
python3 - <<'P' >/dev/null 2>&1
import socket
s = socket.create_connection(("127.7.0.11", 5900), source_address=("127.7.0.10", 0), timeout=5)
s.sendall(b"EVRL\x01\x00\x01\x00\x07\x00\x00\x00")
s.recv(1)
P
expect "the same node id on both sides" "$dir/n1.err" "refused: the same node id on both sides"
stop "$b"

check() { # NAME TEXT EDIT...: what --check says of a configuration to which sed did that
    local name=$1 text=$2
    shift 2
    conf 0 7 "$dir/key"
    sed -i "$@" "$dir/n0.conf"
    timeout 20 "$bin/evrepd" -c "$dir/n0.conf" --check >"$dir/check.err" 2>&1
    expect "$name" "$dir/check.err" "$text"
}
mkdir -p "$dir/folder" "$dir/n0"
mkfifo -m 600 "$dir/pipe"
install -m 600 /dev/null "$dir/empty"
c="$dir/n0.conf"
check "a good one" "n0.conf: good" -e ''
check "the line of a number" "$c:2: 'cluster-id' is 70000; it must be" -e '2s/7/70000/'
check "a number that libconfuse takes for octal" "$c:2: 'cluster-id' is \"07\"; it must be a number in decimal" -e '2s/7/07/'
check "the line of a bad host name" "$c:3: 'hostname' has a character" -e '3s/fw1/f w/'
check "the line of a word" "$c:4: 'durability' is \"paper\"" -e '3adurability = "paper"'
check "a journal's limit" "$c:3: 'journal-limit-mib' is -1" -e '2ajournal-limit-mib = -1'
check "a journal's limit that no file fits" "$c:3: 'journal-limit-mib' is 5; it must be 0, or 16 and more" -e '2ajournal-limit-mib = 5'
check "a journal's limit that two files fit" "$c:3: 'journal-limit-mib' is 15; it must be 0, or 16" -e '2ajournal-limit-mib = 15'
check "a journal's limit that three fit" "n0.conf: good" -e '2ajournal-limit-mib = 16'
check "a limit at which the oldest go" "$c:4: 'journal-full = oldest' needs a 'journal-limit-mib' of at least 64" -e '2ajournal-full = oldest' -e '2ajournal-limit-mib = 16'
check "a node without a number" "n0.conf: 'node' is missing" -e '1s/.*//'
check "a node with two" "$c:2: 'node' is given twice, first in line 1" -e '1anode = 1'
check "a peer without a key" "$c:6: 'key-file' is missing" -e '7d'
check "a key that is not there" "$c:7: 'key-file': key file .*No such file" -e '7s/key"/none"/'
check "an empty key" "$c:7: 'key-file': key file .*not a key" -e '7s,= ".*",= "'"$dir"'/empty",'
check "another key that is not there" "$c:7: 'accept-key-file': key file .*No such file" -e '7s/$/ accept-key-file = "\/none"/'
check "a key that is a folder" "$c:7: 'key-file': key file .*not a readable file" -e '7s,= ".*",= "'"$dir"'/folder",'
check "a key that is a pipe" "$c:7: 'key-file': key file .*not a readable file" -e '7s,= ".*",= "'"$dir"'/pipe",'
check "a state folder that is a file" "$c:4: 'state-dir': .* is not a folder" -e '4s,= ".*",= "'"$dir"'/empty",'
check "a state folder that is not there" "$c:4: 'state-dir': .*/none: No such file or directory: make it" -e '4s,= ".*",= "'"$dir"'/none",'
check "an end of a link that is none" "$c:8: 'local' is \"garbage\"" -e '8s/local = "[^"]*"/local = "garbage"/'
check "a remote end that is nobody" "$c:8: 'remote' is \"0.0.0.0:5900\": that is not the address of one host" -e '8s/remote = "[^"]*"/remote = "0.0.0.0:5900"/'
check "a remote end that is everybody" "$c:8: 'remote' is \"255.255.255.255:5900\": that is not" -e '8s/remote = "[^"]*"/remote = "255.255.255.255:5900"/'
check "a link between IPv4 and IPv6" "$c:8: link \"control\": one end is IPv4 and the other is IPv6" -e '8s/remote = "[^"]*"/remote = "[fd00::1]:5900"/'
check "two links at one address" "$c:9: link \"fabric\": 'remote' is that of link \"control\" too" -e '8{p;s/control/fabric/}'
check "a fence that is a folder" "$c:2: 'command': /tmp is no program: it is not a regular file" -e '1afence { command = "/tmp" }'
words=$(printf ' x%.0s' {1..31})
check "a fence of 32 words" "n0.conf: good" -e "1afence { command = \"/bin/true$words\" }"
check "a fence of 33 words" "$c:2: 'command' has 33 words; it can have 32" -e "1afence { command = \"/bin/true$words x\" }"
check "a port that is too high" "$c:8: 'remote' is .*: its port must be" -e '8s/5900" }/99999" }/'
check "a sink without a port" "$c:12: 'address' is \"1.2.3.4\": it must be" -e '12s/127.7.0.99:6514/1.2.3.4/'
check "a sink with a port that is too high" "$c:12: 'address' is .*its port" -e '12s/:6514/:99999/'
check "a sink without a name" "$c:12: a 'sink' section without a name" -e '12s/"siem"/""/'
check "a sink with a newline in its name" "$c:1[23]: 'sink' has a control character" -e '12s/siem/si\\nem/'
check "two sinks of one file" "$c:14: 'path': sinks .* both write" -e '13{p;s/"local"/"other"/}'
check "two sinks of one file by another name" "$c:14: 'path': sinks .* both write" -e '13{p;s/"local"/"other"/;s,/n0.log,/./n0.log,}'
bus() { # NAME TEXT URL [KEY]
    check "$1" "$2" -e "13s|.*|sink \"bus\" { type = jetstream url = \"$3\" stream = \"S\" subject = \"s\" ${4:-} }|"
}
bus "a server of another scheme" "$c:13: 'url' is \"http://a:1\": it has to begin with nats://" http://a:1
bus "servers of two schemes" "$c:13: 'url' is .*tls:// and nats:// in one list" nats://a:1,tls://b:1
bus "a certificate for nothing" "$c:13: 'ca-file' goes with tls://" nats://a:1 'ca-file = \"x\"'
subject() { # SUBJECT WHAT
    check "a subject: $1" "$c:13: 'subject' is \"$1\": $2" -e "13s|.*|sink \"bus\" { type = jetstream url = \"a\" stream = \"S\" subject = \"$1\" }|"
}
subject rt. "there is nothing before, behind or between its dots"
subject .rt "there is nothing before, behind or between its dots"
subject a..b "there is nothing before, behind or between its dots"
subject '$JS.API.x' "what begins with . is the server's own"
subject 'a.*' "it has wildcards, and a record goes to one subject"
subject 'a.>' "it has wildcards, and a record goes to one subject"
subject 'a b' "it has blanks"
bus "servers that are secret" "n0.conf: good" tls://a,tls://b:2 'ca-file = \"x\" server-name = \"c\"'
check "metrics nowhere" "$c:2: 'metrics' is \"nonsense\"" -e '1ametrics = "nonsense"'
check "a group that is too long" "$c:2: 'control-group' is too long" -e "1acontrol-group = \"$(printf 'g%.0s' {1..99})\""
"$bin/evrepd" -c /etc --check 2>"$dir/check.err"
expect "a folder for a configuration" "$dir/check.err" "/etc: is a folder"
for program in evrepd evdp; do # A regular file whose read fails.
    "$bin/$program" -c /sys/class/net/lo/speed --check 2>"$dir/check.err"
    expect "$program: a configuration that cannot be read" "$dir/check.err" "/sys/class/net/lo/speed: cannot be read: Invalid arg"
done
conf 0 7 "$dir/key"
sed -i "s,^control-socket.*,control-socket = \"$dir/nowhere/sock\"," "$c"
"$bin/evrepd" -c "$c" 2>"$dir/check.err"
expect "a socket in no folder" "$dir/check.err" "n0.conf:5: 'control-socket': the folder of $dir/nowhere/sock is not there: make it"
check "the same" "$c:5: 'control-socket': the folder of" -e "5s,= .*,= \"$dir/nowhere/sock\","
check "a socket in the place of something else" "$c:5: 'control-socket': $dir/empty is something else than a socket: remove it" -e "5s,= .*,= \"$dir/empty\","
check "a group that there is not" "$c:2: 'control-group' is \"nobodys\": there is no such group" -e '1acontrol-group = "nobodys"'
# As a disk that was full leaves it, or an editor that died: libconfuse takes the end of a file for a }.
check "cut off within a section" "$c:13: the { in this line is never closed" -e '13s/ }$//'
check "cut off within one of two levels" "$c:8: the { in this line is never closed" -e '8s/}//' -e '9,$d'
check "cut off within a string" "$c:13: the string that begins in this line never ends" -e '13s/path = .*/path = "\/x/'
check "cut off within a comment" "$c:13: the comment that begins in this line never ends" -e '13s/$/ \/* x/'
printf 'ring = "r"\nnode = 0\nzone "a" { }\nzone "b" {\n' >"$dir/evdp.conf"
"$bin/evdp" -c "$dir/evdp.conf" --check 2>"$dir/check.err"
expect "evdp: cut off within a section" "$dir/check.err" "evdp.conf:4: the { in this line is never closed"
check "a facility that there is not: all are named" "$c:12: 'facility' is \"x\"; it must be one of kern, .*local6, local7\$" -e '12s/address/facility = x address/'
check "a file that rotation writes too" "$c:14: 'path': sink \"other\" writes .*n0.log.1, and that is a name of older files of sink \"local\"" -e '13{p;s/"local"/"other"/;s,n0.log,n0.log.1,}'
check "the same, the other way" "$c:14: 'path': sink \"local\" writes .*n0.log.1, and that is a name of older files of sink \"other\"" -e '13{s,n0.log,./n0.log.1,;p;s/"local"/"other"/;s,n0.log.1,n0.log,}'
check "a name that no rotation gives" "n0.conf: good" -e '13{p;s/"local"/"other"/;s,n0.log,n0.log.01,}'
conf 0 7 "$dir/key" 'colour = "red"'
"$bin/evrepd" -c "$dir/n0.conf" --check 2>"$dir/check.err"
expect "unknown key, with file and line" "$dir/check.err" "n0.conf:[0-9]*: no such option 'colour'"
conf 0 7 "$dir/key" 'sink "bytes" { type = file path = "/x" format = binary }'
"$bin/evrepd" -c "$dir/n0.conf" --check 2>"$dir/check.err"
expect "a file of binary records" "$dir/check.err" "n0.conf:[0-9]*: 'format' of a file is one of lines"
conf 0 7 "$dir/key" 'sink "x" { type = file path = "/x" address = "10.0.0.1:601" }'
"$bin/evrepd" -c "$dir/n0.conf" --check 2>"$dir/check.err"
expect "a key of another kind of sink" "$dir/check.err" "n0.conf:[0-9]*: 'address' is nothing that a sink of type file has"
while IFS='|' read -r what keys words; do
    conf 0 7 "$dir/key" "sink \"x\" { type = syslog $keys }"
    "$bin/evrepd" -c "$dir/n0.conf" --check 2>"$dir/check.err"
    expect "floating source: $what" "$dir/check.err" "$words"
done <<'END'
a name|address = "10.0.0.1:601" source = "host"|'source' is "host"; it has to be an IPv4 or IPv6 address
a collector by name|address = "siem:601" source = "10.0.0.9"|'address' is "siem:601": its address must be an IPv4
of TLS|transport = tls address = "10.0.0.1:6514" source = "10.0.0.9"|'source' is nothing that a sink of tls has
to another family|address = "10.0.0.1:601" source = "fd00::9"|'source' is an IPv6 address and 'address' an IPv4 one: give both of one kind
to another family, the other way|address = "[fd00::1]:601" source = "10.0.0.9"|'source' is an IPv4 address and 'address' an IPv6 one
with an interface|address = "[fe80::1%eth0]:601" source = "fe80::9"|'address' is "\[fe80::1%eth0\]:601": with 'source' it is a plain
with a filter|address = "10.0.0.1:601" source = "10.0.0.9" categories = { "policy" }|'source' goes with all records only
END
conf 0 7 "$dir/key" 'sink "x" { type = syslog transport = tls address = "a:6514" cert-file = "/c" }'
"$bin/evrepd" -c "$dir/n0.conf" --check 2>"$dir/check.err"
expect "a certificate without its key" "$dir/check.err" "'cert-file' and 'key-file' go together"
conf 0 7 "$dir/key" 'sink "x" { type = file path = "/x" categories = { "policy", "colour" } }'
"$bin/evrepd" -c "$dir/n0.conf" --check 2>"$dir/check.err"
expect "d37: a category that there is not" "$dir/check.err" "'categories' is \"colour\"; it must be one of session, policy"
conf 0 7 "$dir/key" 'sink "x" { type = syslog address = "a:514" format = structurd }'
"$bin/evrepd" -c "$dir/n0.conf" --check 2>"$dir/check.err"
expect "d37: a format that there is not" "$dir/check.err" "'format' is \"structurd\"; it must be one of rfc5424, structured"
conf 0 7 "$dir/key" 'sink "x" { type = syslog address = "a:514" severity = loud }'
"$bin/evrepd" -c "$dir/n0.conf" --check 2>"$dir/check.err"
expect "d37: a severity that there is not" "$dir/check.err" "'severity' is \"loud\"; it must be one of error, warning"
conf 0 7 "$dir/key" 'sink "x" { type = syslog address = "a:514" facility = local9 }'
"$bin/evrepd" -c "$dir/n0.conf" --check 2>"$dir/check.err"
expect "d37: a facility that there is not" "$dir/check.err" "'facility' is \"local9\"; it must be one of kern, user"
conf 0 7 "$dir/key" 'sink "x" { type = file path = "/x" categories = { } }'
"$bin/evrepd" -c "$dir/n0.conf" --check 2>"$dir/check.err"
expect "no category at all" "$dir/check.err" "'categories' is empty: nothing would pass"
conf 0 7 "$dir/key" 'source "b" { type = ring ring = "other" }'
"$bin/evrepd" -c "$dir/n0.conf" --check 2>"$dir/check.err"
expect "two rings" "$dir/check.err" "n0.conf:[0-9]*: a second source of type ring"
conf 0 7 "$dir/key" "source \"a\" { type = event-stream socket = \"$dir/s\" }
source \"b\" { type = event-stream socket = \"$dir/s\" }"
"$bin/evrepd" -c "$dir/n0.conf" --check 2>"$dir/check.err"
expect "two sources of one socket" "$dir/check.err" "read the same .*: each record would be there twice"
conf 0 7 "$dir/key" "source \"a\" { type = event-stream socket = \"$dir/s\" }
source \"b\" { type = event-stream socket = \"$dir/./../$(basename "$dir")/s\" }"
"$bin/evrepd" -c "$dir/n0.conf" --check 2>"$dir/check.err"
expect "two sources of one socket, written otherwise" "$dir/check.err" "read the same .*: each record would be there twice"
for socket in "$dir/n0.sock" "$dir/./n0.sock"; do
    conf 0 7 "$dir/key" "source \"a\" { type = event-stream socket = \"$socket\" }"
    for how in --check ""; do # shellcheck disable=SC2086
        timeout 20 "$bin/evrepd" -c "$c" $how 2>"$dir/check.err"
        expect "a source's socket that is the control socket $how" "$dir/check.err" "'socket' is the 'control-socket' too, .*: give it a path of its own"
    done
done
conf 0 7 "$dir/key" "source \"a\" { type = bpf-ringbuf pin = \"/x/y\" interfaces = { \"a\" }
interfaces = { \"b\" } }"
"$bin/evrepd" -c "$c" --check 2>"$dir/check.err"
expect "a list that is given twice" "$dir/check.err" "n0.conf:15: 'interfaces' is given twice, first in line 14"
printf 'z 1 trust\nq 2 what\n' >"$dir/names"
mkfifo "$dir/fifo"
while IFS='|' read -r what file words; do # As a start does: neither finds out when it is too late.
    conf 0 7 "$dir/key" "source \"a\" { type = event-stream socket = \"$dir/s\" names = \"$file\" }"
    for how in --check ""; do # shellcheck disable=SC2086
        timeout 20 "$bin/evrepd" -c "$c" $how 2>"$dir/check.err"
        expect "name tables: $what $how" "$dir/check.err" "source a: name tables $file: $words"
    done
done <<END
that are not there|$dir/nowhere|No such file
of a folder|$dir/folder|is no regular file
of a FIFO|$dir/fifo|is no regular file
END
names() { # NAME TEXT: what is said of that file
    printf %b "$2" >"$dir/names"
    conf 0 7 "$dir/key" "source \"a\" { type = event-stream socket = \"$dir/s\" names = \"$dir/names\" }"
    "$bin/evrepd" -c "$c" --check >"$dir/check.err" 2>&1
    expect "name tables: $1" "$dir/check.err" "$3"
}
names "a line that is none" 'z 1 trust\nq 2 what\n' "source a: name tables $dir/names:2: not a line \`z|p|i|a|f ID NAME\`"
names "a line that is none behind others" '\xef\xbb\xbfz 1 trust\r\n\r\n# z\nz x\n' "names:4: not a line"
names "as a Windows editor leaves them" '\xef\xbb\xbf# Zones\r\nz 1 trust\r\n\r\n \t\r\np 7 web\r\n' "n0.conf: good"
names "none" '' "n0.conf: good"
names "too many" "$(seq -f 'z %.0f a\n' 1 9000 | tr -d '\n' | head -c 200000)" "is too large"
names "too many that are short" "$(seq -f 'z %.0f\n' 1 8193 | tr -d '\n')" "names: has too many names"
rm -f /dev/shm/"$ring-0"*
conf 0 7 "$dir/key" 'source "a" { type = event-stream ring = "x" socket = "/s" }'
"$bin/evrepd" -c "$dir/n0.conf" --check 2>"$dir/check.err"
expect "a key of another type of source" "$dir/check.err" "'ring' is nothing that a source of type event-stream has"
conf 0 7 "$dir/key"
chmod 644 "$dir/key"
"$bin/evrepd" -c "$dir/n0.conf" 2>"$dir/mode.err"
expect "key that others can read" "$dir/mode.err" "others can read it"
chmod 600 "$dir/key"
if [ "$(id -u)" -eq 0 ]; then
    chown 12345 "$dir/key"
    "$bin/evrepd" -c "$dir/n0.conf" --check 2>"$dir/owner.err"
    expect "key of another user" "$dir/owner.err" "key file $dir/key: it is of another user"
    chown 0 "$dir/key"
fi

rm -f "/dev/shm/$ring-0"
head -c 4096 /dev/zero >"/dev/shm/$ring-0"
"$bin/evrepd" -c "$dir/n0.conf" 2>"$dir/ring.err"
expect "a ring that is none" "$dir/ring.err" "too small to be a ring"
truncate -s 40000000 "/dev/shm/$ring-0"
"$bin/evrepd" -c "$dir/n0.conf" 2>"$dir/ring.err"
expect "a ring of another version" "$dir/ring.err" "of another version"
rm -f "/dev/shm/$ring-0"

conf 0 7 "$dir/key"
: >"$dir/n0.err"
start 0 && a=$last
expect "it runs" "$dir/n0.err" "node 0 of cluster 7 is up"
ln -sf /sys/class/net/lo/speed "$dir/n0.conf"
kill -HUP "$a"
expect "SIGHUP, and the configuration cannot be read" "$dir/n0.err" "n0.conf: cannot be read: Invalid argument; the ones that are in force stay"
rm "$dir/n0.conf"
conf 0 7 "$dir/key"
kill -HUP "$a"
expect "and it lives, and reads the next one" "$dir/n0.err" "keys: $dir/key is used"
truncate -s 0 "/dev/shm/$ring-0"
expect "another process cuts the ring off" "$dir/n0.err" "ring $ring-0: another process cut its file off; stop both sides and remove it"
"$bin/evrepctl" -s "$dir/n0.sock" watermark >"$dir/cut.txt" 2>&1
expect "and answers" "$dir/cut.txt" "node 0 of cluster 7"
once "which is said once" "$dir/n0.err" "another process cut its file off"
stop "$a"
rm -f "/dev/shm/$ring-0"

before=$(ls "$dir"/n0/journal/r-* | wc -l)
for f in "$dir"/n0/journal/meta-*; do printf 'torn' >>"$f"; done
for f in "$dir"/n0/journal/r-*; do printf 'torn tail' >>"$f"; done
: >"$dir/n0.err"
start 0 && a=$last
expect "torn tails are cut off, the records are there" "$dir/n0.err" "holds 1 to 1"
expect "and it runs" "$dir/n0.err" "node 0 of cluster 7 is up"
"$bin/evrepd" -c "$dir/n0.conf" 2>"$dir/second.err"
expect "a second evrepd on one journal" "$dir/second.err" "is another evrepd running"
"$bin/evrepctl" -s "$dir/none.sock" watermark 2>"$dir/none.err"
[ $? -eq 3 ] && passed=$((passed + 1)) || { failed=$((failed + 1)); echo "FAILED  exit code without a daemon"; }
kill -STOP "$a"
"$bin/evrepctl" -s "$dir/n0.sock" watermark 2>"$dir/stopped.err"
rc=$?
kill -CONT "$a"
expect "a daemon that stands still" "$dir/stopped.err" "no answer of the daemon at"
[ "$rc" -eq 3 ] && passed=$((passed + 1)) || { failed=$((failed + 1)); echo "FAILED  its exit code: $rc"; }
refused() { # NAME RC TEXT ARGUMENTS...: what evrepctl says of them
    local name=$1 rc=$2 text=$3
    "$bin/evrepctl" -s "$dir/n0.sock" "${@:4}" >"$dir/refused.txt" 2>&1
    [ $? -eq "$rc" ] || { failed=$((failed + 1)); echo "FAILED  $name: another exit code"; }
    expect "$name" "$dir/refused.txt" "$text"
    once "$name: in one line" "$dir/refused.txt" ''
}
refused "an argument that is longer than a request" 2 "sinks: its arguments are too long, by [0-9]* bytes" sinks replay "$(printf 'n%.0s' {1..9000})" --from 0/1/1
refused "an argument that is not UTF-8" 2 "sinks: argument 2 is not UTF-8" sinks replay $'\xff' --from 0/1/1
refused "a sequence that wraps" 2 '"0/1/4294967297" is not ORIGIN/EPOCH/SEQUENCE' sinks replay local --from 0/1/4294967297
refused "a sink that there is not" 1 "no sink nowhere" sinks replay nowhere --from 0/1/1
"$bin/evrepctl" keygen "$dir/key" 2>"$dir/keygen.err"
expect "keygen never overwrites" "$dir/keygen.err" "never overwritten"
# A journal that has lost its marks, and one that a later evrepd wrote.
stop "$a"
rm -f "$dir"/n0/journal/meta-* "/dev/shm/$ring-0"
: >"$dir/n0.err"
start 0 && a=$last
expect "records without marks are in doubt" "$dir/n0.err" "marks are gone; what may be at a collector already"
expect "and it is not called empty" "$dir/n0.err" "journal: does not say which epochs were opened"
expect "and it goes on" "$dir/n0.err" "is open (before it"
stop "$a"
for meta in "$dir"/n0/journal/meta-*; do printf 2 | dd of="$meta" bs=1 seek=6 conv=notrunc status=none; done
cp -r "$dir/n0/journal" "$dir/later"
"$bin/evrepd" -c "$dir/n0.conf" 2>"$dir/version.err"
expect "a journal of another version" "$dir/version.err" "journal: meta-[0-9a-f]* is of another version, and nothing was touched"
if diff -r "$dir/n0/journal" "$dir/later" >"$dir/version.diff"; then
    passed=$((passed + 1))
else
    failed=$((failed + 1))
    echo "FAILED  a journal of another version was changed: $(cat "$dir/version.diff")"
fi
cat >"$dir/evdp.conf" <<C
ring = "$ring-x"
node = 0
zone "a" { }
zone "b" { }
wire "w" { left = "no-such-if0" right = "no-such-if1" left-zone = "a" right-zone = "b" }
C
"$bin/evdp" -c "$dir/evdp.conf" 2>"$dir/evdp.err"
expect "an interface that does not exist" "$dir/evdp.err" "interface no-such-if0: does not exist"
cat >>"$dir/evdp.conf" <<C
filter "f" {
  on = pbr
  term "t" { wire = "x" }
}
wire "x" { left = "no-such-if2" right = "no-such-if3" left-zone = "a" right-zone = "b" redundancy-group = 2 }
C
"$bin/evdp" -c "$dir/evdp.conf" --check 2>"$dir/evdp.err"
expect "a pbr term from one redundancy group to another" "$dir/evdp.err" "evdp.conf:8: 'wire' \"x\" is of redundancy group 2"
sed -i 's/^\(wire .*\) }$/\1 backend = "ebpf" }/' "$dir/evdp.conf"
"$bin/evbpf" -c "$dir/evdp.conf" --check 2>"$dir/evdp.err"
expect "evbpf: the same" "$dir/evdp.err" "evdp.conf:8: 'wire' \"x\" is of redundancy group 2"
[ "$before" -gt 0 ] || failed=$((failed + 1))
echo "bad input: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
