#!/usr/bin/env python3
"""Two evrepd on loopback with a real TCP collector and events straight into their rings: commands, roles, fencing,
cold starts (T5), the operator's socket.  No root, no packets.  usage: tests/cluster.py BUILD-FOLDER [NAME...]"""
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

BIN = os.path.abspath(sys.argv[1]) + "/bin/"
EVGEN = os.path.abspath(sys.argv[1]) + "/tests/evgen"
EVLOAD = os.path.abspath(sys.argv[1]) + "/tests/evload"
NET = "127.%d.%d" % (64 + os.getpid() // 256 % 128, os.getpid() % 256)

CONF = """node = {n}
cluster-id = 7
hostname = "fw1"
state-dir = "{dir}/n{n}"
control-socket = "{dir}/n{n}.sock"
{top}
peer {{
  key-file = "{dir}/key"
  link "control" {{ local = "{net}.1{n}:5900" remote = "{net}.1{o}:5900" }}
  link "fabric" {{ local = "{net}.2{n}:5900" remote = "{net}.2{o}:5900" }}
  {peer}
}}
redundancy-group "1" {{ priority = {priority} {group} }}
source "dp" {{ type = ring ring = "{ring}{n}" }}
sink "siem" {{ type = syslog address = "{net}.99:{port}" {sink} }}
"""


class Collector(threading.Thread):
    """Octet-counted records (RFC 6587) as lines of a file."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.lock, self.count = path, threading.Lock(), 0
        self.listener = socket.create_server((NET + ".99", 0))
        self.port = self.listener.getsockname()[1]

    def run(self):
        while True:
            s = self.listener.accept()[0]
            threading.Thread(target=self.read, args=(s,), daemon=True).start()

    def read(self, s):
        data = b""
        with open(self.path, "ab", buffering=0) as out:
            while True:
                try:
                    more = s.recv(1 << 16)
                except OSError:
                    return
                if not more:
                    return
                data += more
                lines = []
                while True:
                    head, blank, rest = data.partition(b" ")
                    if not blank or len(rest) < int(head):
                        break
                    lines.append(rest[:int(head)] + b"\n")
                    data = rest[int(head):]
                with self.lock:
                    out.write(b"".join(lines))
                    self.count += len(lines)


class Relp(Collector):
    """RELP, version 0: each record is answered `delay` seconds after it came; None: not."""
    delay = 0.2

    def read(self, s):
        data, out, due = b"", open(self.path, "ab", buffering=0), []
        s.settimeout(0.02)
        while True:
            while due and self.delay is not None and time.monotonic() >= due[0][0]:
                s.sendall(due.pop(0)[1])
            try:
                more = s.recv(1 << 16)
            except socket.timeout:
                continue
            except OSError:
                return
            if not more:
                return
            data += more
            while True:
                m = re.match(rb"\n*(\d+) (\w+) (\d+) ?", data)
                if not m or len(data) < m.end() + int(m.group(3)) + 1:
                    break
                text = data[m.end():m.end() + int(m.group(3))]
                data = data[m.end() + int(m.group(3)) + 1:]
                self.take(m.group(1), m.group(2), text, out, due)

    def take(self, number, command, text, out, due):
        if command == b"open":
            due.append((0, number + b" rsp 22 200 OK\ncommands=syslog\n"))
            return
        out.write(text + b"\n")
        with self.lock:
            self.count += 1
        due.append((time.monotonic() + (self.delay or 0), number + b" rsp 6 200 OK\n"))


class Late(Collector):
    """Reads nothing before it is told to."""

    def __init__(self, path):
        super().__init__(path)
        self.go = threading.Event()

    def read(self, s):
        self.go.wait()
        super().read(s)


class Pair:
    def __init__(self, name, collector=Collector, **conf):
        self.name, self.dir = name, tempfile.mkdtemp(prefix="evrep-cluster-", dir="/dev/shm")  # A slow disk is not asked here.
        self.ring = "evrepc%d%s" % (os.getpid(), name[:8])
        self.conf = conf
        self.processes, self.generators = {}, {}
        self.collector = collector(self.dir + "/collector.log")
        self.collector.start()
        subprocess.run([BIN + "evrepctl", "keygen", self.dir + "/key"], check=True)
        for n in (0, 1):
            os.mkdir(self.dir + "/n%d" % n)
            self.configure(n)

    def configure(self, n, **more):
        values = dict(top="", peer="", group="", sink="", priority=200 - 100 * n)
        values.update(self.conf)
        values.update(more)
        with open(self.dir + "/n%d.conf" % n, "w") as f:
            f.write(CONF.format(n=n, o=1 - n, dir=self.dir, net=NET, ring=self.ring, port=self.collector.port, **values))

    def start(self, n, log=None):
        log = log or open(self.dir + "/n%d.log" % n, "ab")
        self.processes[n] = subprocess.Popen([BIN + "evrepd", "-c", self.dir + "/n%d.conf" % n], stdout=log, stderr=log)

    def end(self, n, number=signal.SIGKILL):
        p = self.processes.pop(n)
        p.send_signal(number)
        p.wait()

    def events(self, n, rate=2000):
        self.generators[n] = subprocess.Popen([EVGEN, self.ring + str(n), str(n), "1", str(rate)],
                                              stdout=subprocess.PIPE, text=True)

    def quiet(self, n):
        p = self.generators.pop(n)
        p.terminate()
        return json.loads(p.communicate()[0])

    def ctl(self, n, *args, code=0):
        r = subprocess.run([BIN + "evrepctl", "-s", self.dir + "/n%d.sock" % n, "--json"] + list(args),
                           capture_output=True, text=True)
        if code is not None and r.returncode != code:
            raise AssertionError("evrepctl %s: exit code %d, not %d: %s" % (" ".join(args), r.returncode, code, r.stderr))
        return json.loads(r.stdout) if r.stdout else None

    def group(self, n):
        c = self.ctl(n, "cluster", code=None)
        return c["redundancyGroups"][0] if c else None

    def primary(self, n):
        g = self.group(n)
        return g["primary"] if g else None

    def session(self):
        return all((self.ctl(n, "cluster", code=None) or {}).get("session") == "up" for n in (0, 1))

    def settled(self, moved=False):
        """moved: segments whose records go to the other node stay so while they are open."""
        good = ("live", "settled", "handed-over", "taken", "draining") if moved else ("live", "settled")
        for n in self.processes:
            w = self.ctl(n, "watermark", code=None)
            if not w or w["held"] or w["waiting"]:
                return False
            if any(g["state"] not in good for s in w["streams"] for g in s["segments"]):
                return False
        return True

    def audit(self, moved=False):
        wait("all of it to be at the collector", lambda: self.settled(moved), 20)
        # What is acknowledged may still wait to be read by the collector.
        wait("the audit's verdict to be OK", lambda: self.verdict()["verdict"] == "OK", 20)
        return self.verdict()

    def verdict(self):
        r = subprocess.run([BIN + "evrepctl", "--json", "audit", self.dir + "/collector.log"], capture_output=True, text=True)
        return json.loads(r.stdout)

    def log(self, n):
        with open(self.dir + "/n%d.log" % n, errors="replace") as f:
            return f.read()

    def close(self):
        for p in list(self.processes.values()) + list(self.generators.values()):
            p.kill()
            p.wait()
        for name in os.listdir("/dev/shm"):
            if name.startswith(self.ring):
                os.unlink("/dev/shm/" + name)
        shutil.rmtree(self.dir, ignore_errors=True)


def wait(what, test, seconds):
    until = time.monotonic() + seconds
    while not test():
        if time.monotonic() > until:
            raise AssertionError("waited %d s in vain for: %s" % (seconds, what))
        time.sleep(0.02)


def check(what, good, detail=""):
    if not good:
        raise AssertionError("%s: %s" % (what, detail))


def up(p):
    for n in (0, 1):
        p.start(n)
    wait("a session", p.session, 10)
    wait("node 0 to be primary", lambda: p.primary(1) == 0, 10)
    wait("epochs to be open", lambda: all(p.ctl(n, "watermark")["epoch"] > 0 for n in (0, 1)), 10)


def balance(p, n):
    """A3, at a quiet moment."""
    wait("the counters of node %d to balance" % n, lambda: p.ctl(n, "counters", code=None)["balanced"], 5)
    kinds = p.ctl(n, "counters")["counters"]
    check("nothing waits", all(k["held"] == k["pending"] == 0 for k in kinds.values()), kinds)


# ---- the stories ----

def both_at_once(p):
    up(p)
    check("one primary", p.group(0)["state"] == "primary" and p.group(1)["state"] == "secondary")
    p.events(0)
    wait("records at the collector", lambda: p.collector.count > 500, 10)
    sent = p.quiet(0)
    a = p.audit()
    check("all are there once", a["once"] - a["statements"] == sent["tagged"], (a, sent))
    balance(p, 0)
    kinds = p.ctl(0, "counters")["counters"]
    check("tagged is what was sent", sum(k["tagged"] for k in kinds.values()) == sent["tagged"], kinds)
    check("emitted here", all(k["emitted"] == k["tagged"] and k["elsewhere"] == 0 for k in kinds.values()), kinds)
    p.end(0, signal.SIGTERM)  # Another process of the same ring and journal: they still balance.
    p.start(0)
    wait("a session", p.session, 10)
    p.ctl(0, "failover", "1", "--to", str(1 - p.primary(0)))
    p.ctl(0, "failover", "1", "--to", str(1 - p.primary(0)))
    p.events(p.primary(0))
    before = p.collector.count
    wait("more records", lambda: p.collector.count > before + 500, 10)
    p.quiet(p.primary(0))
    p.audit()
    balance(p, 0)
    balance(p, 1)


def one_alone_the_other_much_later(p):
    p.start(1)
    wait("node 1 to be primary", lambda: p.primary(1) == 1, 5)
    said = "is declared dead: it was not heard since this program's start"
    check("it says why its peer counts as dead", said in p.log(1), p.log(1))
    p.events(1)
    wait("records at the collector", lambda: p.collector.count > 500, 10)
    p.start(0)
    wait("a session", p.session, 10)
    check("the incumbent stays (preempt = false)", p.primary(0) == 1 and p.primary(1) == 1)
    sent = p.quiet(1)
    a = p.audit()
    check("nothing is marked", a["marked"] == 0, a)
    check("all are there", a["once"] - a["statements"] == sent["tagged"], (a, sent))


def death_and_return_with_the_old_journal(p):
    up(p)
    p.events(0, 20000)
    wait("records at the collector", lambda: p.collector.count > 5000, 10)
    p.end(0)
    wait("node 1 to be primary", lambda: p.primary(1) == 1, 5)
    p.quiet(0)
    p.events(1)
    before = p.collector.count
    wait("more records", lambda: p.collector.count > before + 500, 10)
    p.start(0)
    wait("a session", p.session, 10)
    p.quiet(1)
    p.audit()
    balance(p, 0)
    balance(p, 1)
    f = p.ctl(1, "cluster")["lastFailover"]
    print("        silence to dead %.1f ms, possible to takeover %.1f ms, to first record %s ms" % (
        f["silenceToDeadMs"], f["possibleToTakeoverMs"], f["possibleToFirstRecordMs"]))


def journal_gone(p):
    """T5"""
    up(p)
    p.events(0)
    wait("records at the collector", lambda: p.collector.count > 500, 10)
    p.end(0)
    p.quiet(0)
    wait("node 1 to be primary", lambda: p.primary(1) == 1, 5)
    shutil.rmtree(p.dir + "/n0/journal")
    for name in os.listdir("/dev/shm"):
        if name.startswith(p.ring + "0"):
            os.unlink("/dev/shm/" + name)
    p.start(0)
    wait("a session", p.session, 10)
    check("it says so", "journal: empty" in p.log(0))
    p.ctl(1, "failover", "1", "--to", "0")
    p.events(0)
    before = p.collector.count
    wait("more records", lambda: p.collector.count > before + 500, 10)
    p.quiet(0)
    p.audit()


def commands(p):
    up(p)
    p.events(0)
    p.events(1)
    links = p.ctl(0, "cluster")["links"]
    check("the wire version of each link", [l["wireVersion"] for l in links if l["state"] == "up"] == 2 * [3], links)
    for i in range(10):
        to = 1 - p.primary(0)
        p.ctl(i % 2, "failover", "1", "--to", str(to))
        check("the other node is primary", p.primary(0) == to)
    check("refused: it is already", p.ctl(0, "failover", "1", "--to", str(p.primary(0)), code=1))
    p.ctl(0, "failover", "9", code=1)
    p.ctl(0, "notify", "1", "primary", code=1)
    p.ctl(0, "peer", "fenced", code=1)
    for junk in ("failover 1 --to 7", "failover -1", "notify 999 primary", "sinks foo", "sinks replay", "tail --origin 7"):
        p.ctl(0, *junk.split(), code=2)
    check("a word that is refused is not left", not [f for f in os.listdir(p.dir) if ".rg" in f])
    to = 1 - p.primary(0)
    check("as 01 too", p.ctl(0, "failover", "01") == {"done": True, "redundancyGroup": 1, "primary": to})
    p.ctl(0, "failover", "1", "reset", code=0)
    p.ctl(to, "failover", "1", "--to", str(1 - to))
    p.ctl(0, "nonsense", code=2)
    p.ctl(0, "failover", code=2)
    sent = [p.quiet(0), p.quiet(1)]
    a = p.audit()
    check("all are there once, nothing is marked",
          a["once"] - a["statements"] == sum(s["tagged"] for s in sent) and a["marked"] == 0, (a, sent))
    check("the reset was not for the failover after it", p.group(to)["state"] == "secondary-hold", p.group(to))


def handover(p):
    """T1: under load, to the peer and back; nothing is in doubt, nothing is there twice."""
    p.ctl(0, "handover", code=3)
    up(p)
    p.events(0, 5000)
    wait("records at the collector", lambda: p.collector.count > 1000, 10)
    for n in (0, 1, 0):
        r = p.ctl(n, "handover")
        check("it is done", r["state"] == "done" and r["stayed"] == 0, r)
        before = p.collector.count
        wait("records go on", lambda: p.collector.count > before + 500, 10)
    sent = p.quiet(0)
    a = p.audit(moved=True)
    check("all are there once, nothing is marked",
          a["once"] - a["statements"] == sent["tagged"] and a["marked"] == 0, (a, sent))
    balance(p, 0)
    p.end(1)
    wait("no session", lambda: p.ctl(0, "cluster")["session"] == "down", 5)
    p.ctl(0, "handover", code=1)


def handover_behind_a_filter(p):
    """T1: that the last that was decided is hidden, and so waits to be stated, refuses no hand-over: not at a connection
    that lives on in its keeper, not at a file."""
    hides = 'categories = session } sink "file" { type = file path = "%s/file%d.log" categories = session'
    for n in (0, 1):
        p.configure(n, sink=hides % (p.dir, n))
    up(p)
    for n in (0, 1):
        p.events(0)
        wait("something to hide", lambda: p.ctl(0, "watermark")["streams"][0]["segments"][-1]["produced"] > 1000 * (n + 1), 10)
        p.quiet(0)
        wait("all but the last to be hidden", lambda: p.ctl(n, "watermark")["waiting"] <= 1, 10)
        r = p.ctl(n, "handover", code=None)
        check("it is done, and nothing that a sink would get stays", r and r.get("state") == "done" and r["stayed"] == 0, r)
    a = p.verdict()
    check("nothing is there twice, nothing is marked", a["twice"] == a["marked"] == 0, a)


def a_long_run_is_hidden(p):
    """Section 7: both nodes let files of a run go before it is stated; who goes on states all of it, though twice killed."""
    up(p)
    epoch = p.ctl(0, "watermark")["epoch"]
    p.events(0, 50000)
    for n in (0, 1):
        first = p.dir + "/n%d/journal/r-0-%08x-00000001" % (n, epoch)
        wait("its first file to go", lambda: not os.path.exists(first), 30)
    p.quiet(0)
    for _ in range(2):
        p.end(0)
        wait("the takeover", lambda: "took over 1 segment" in p.log(1), 10)
        p.start(0)
        wait("the session to be back", p.session, 10)
    wait("the run to be stated", lambda: p.verdict()["covered"] > 32768, 10)
    a = p.verdict()
    check("nothing is missing", a["missing"] == a["twice"] == 0, a)


def names_change_before_a_takeover(p):
    """A record has the names of when it was decided, whoever renders it: zones, policies and interfaces were renamed since
    (d42: by the dead node's tables, and not by the taker's own). The second tables have what a file of them may have, too."""
    tables = ("z 1 trust\nz 2 untrust\np 7 first-a\np 8 first-b\np 9 first-c\ni 3 ge-0/0/1.0\n",
              "# After the commit\r\n\r\nz 1 lan\r\nz 2 wan\n\np 7 second-a\np 8 second-b\np 9 second-c\ni 3 ge-0/0/9.0\n")
    up(p)
    for i, text in enumerate(tables):
        with open(p.dir + "/tables", "w", newline="") as f:
            f.write(text)
        subprocess.run([EVLOAD, p.ring + "0", "0", str(i), "3000", "0", "d", p.dir + "/tables"], check=True, stdout=subprocess.DEVNULL)
    of_node_0 = lambda: p.ctl(1, "watermark")["streams"][0]["segments"]
    wait("node 1 to have them", lambda: sum(g["journaled"] for g in of_node_0()) > 6000, 10)
    wait("it to know of some that are on their way", lambda: any(s["intent"] > s["emitted"] for g in of_node_0() for s in g["sinks"]), 10)
    p.end(0)
    wait("node 1 to be primary", lambda: p.primary(1) == 1, 10)
    wait("it to have taken over", lambda: "first record taken over went to a sink" in p.log(1), 10)
    p.collector.go.set()
    p.start(0)
    wait("a session", p.session, 10)
    a = p.audit()
    check("some are of both nodes", a["marked"] > 0, a)
    first, second, seen = 0, 0, {}
    with open(p.dir + "/collector.log") as f:
        for line in f:
            if "RT_FLOW_SESSION_DENY" not in line:
                continue
            tag = re.search(r'evrep-origin=.*evrep-seq="\d+"', line).group()
            plain = line.replace(' evrep-in-doubt="1"', "")
            check("both nodes render the same", seen.setdefault(tag, plain) == plain, (seen[tag], plain))
    for line in seen.values():
        first += bool(re.search('policy-name="first-[abc]" source-zone-name="trust" destination-zone-name="untrust".*="ge-0/0/1.0"', line))
        second += bool(re.search('policy-name="second-[abc]" source-zone-name="lan" destination-zone-name="wan".*="ge-0/0/9.0"', line))
    check("each has the names of its time", (first, second) == (3000, 3000), (first, second))


def names_cannot_be_kept(p):
    """The disk takes no name tables: each node says so of its own disk, the records wait, and have their names in the end."""
    up(p)
    journals = [p.dir + "/n%d/journal/" % n for n in (0, 1)]
    for j in journals:
        os.mkdir(j + "names-new")
    with open(p.dir + "/tables", "w") as f:
        f.write("z 1 trust\nz 2 untrust\np 7 web-a\np 8 web-b\np 9 web-c\ni 3 ge-0/0/1.0\n")
    subprocess.run([EVLOAD, p.ring + "0", "0", "0", "3000", "0", "d", p.dir + "/tables"], check=True, stdout=subprocess.DEVNULL)
    wait("node 0 to say so", lambda: "journal: Is a directory: records wait in the ring" in p.log(0), 10)
    check("no record went without them", p.collector.count < 10, p.collector.count)
    os.rmdir(journals[0] + "names-new")
    wait("node 1 to say so", lambda: "journal: Is a directory: name tables of the peer are not kept" in p.log(1), 10)
    # From now on node 0 may go on alone with what it never sent (L2).
    check("nor are they at its peer", "names-0-" not in str(os.listdir(journals[1])), os.listdir(journals[1]))
    os.rmdir(journals[1] + "names-new")
    a = p.audit()
    check("all are there once", a["once"] - a["statements"] == 3000, a)
    with open(p.dir + "/collector.log") as f:
        named = len(re.findall('policy-name="web-[abc]" source-zone-name="trust" destination-zone-name="untrust"', f.read()))
    check("with their names", named == 3000, named)
    check("the peer has them too", "names-0-" in str(os.listdir(journals[1])), os.listdir(journals[1]))
    check("nobody blames the peer", "broke the protocol" not in p.log(0) + p.log(1))


def lost_here_only(p):
    """T2: the collector is out of reach from node 0 alone: its records go to node 1, and one line says so."""
    with open(p.dir + "/n0.conf") as f:
        conf = f.read()
    with open(p.dir + "/n0.conf", "w") as f:
        f.write(conf.replace(":%d" % p.collector.port, ":1"))
    up(p)
    p.events(0)
    wait("records by way of node 1", lambda: p.collector.count > 300, 20)
    p.quiet(0)
    said = p.log(0).count("up at the peer: what waits for it goes to the peer")
    check("it is said once", said == 1, said)
    check("and only there", "goes to the peer" not in p.log(1))
    p.audit(moved=True)


def replace_ring(p, n):
    """As when its dataplane ends, its ring is removed, and a dataplane makes another; evrepd goes on with that."""
    sent = p.quiet(n)["tagged"]
    ups = p.log(n).count("node %d of cluster 7 is up" % n)
    os.unlink("/dev/shm/%s%d" % (p.ring, n))
    p.events(n)
    wait("node %d to start anew" % n, lambda: p.log(n).count("node %d of cluster 7 is up" % n) > ups, 10)
    return sent


def more(p, count=300):
    before = p.collector.count
    wait("more records", lambda: p.collector.count > before + count, 10)


def the_ring_is_replaced(p):
    """Under load, the secondary's too, then evrepd ends in each way on the new ring, and at last the peer takes over:
    each record is there once, and none is missing."""
    up(p)
    p.events(0)
    p.events(1)
    more(p)
    sent = 0
    for how in (signal.SIGTERM, signal.SIGKILL):
        for n in (0, 1):
            sent += replace_ring(p, n)
        wait("a session", p.session, 10)
        more(p)
        for n in (1, 0):  # Whoever is primary then.
            p.end(n, how)
            p.start(n)
            wait("a session", p.session, 10)
            more(p)
    to = 1 - p.primary(0)
    p.ctl(0, "failover", "1", "--to", str(to))
    more(p)
    sent += p.quiet(to)["tagged"]  # Of one that is removed evrepd makes another when it starts.
    wait("all to be journaled", p.settled, 10)
    os.unlink("/dev/shm/%s%d" % (p.ring, to))
    p.end(to, signal.SIGTERM)
    p.start(to)
    wait("a session", p.session, 10)
    p.events(to)
    to = p.primary(0)
    more(p)
    sent += replace_ring(p, 1 - to)
    sent += replace_ring(p, to)
    wait("a session", p.session, 10)
    p.end(1 - to)
    wait("the other to be primary", lambda: p.primary(to) == to, 5)
    more(p)
    p.start(1 - to)
    wait("a session", p.session, 10)
    sent += sum(p.quiet(n)["tagged"] for n in (0, 1))
    a = p.audit()
    check("all are there once", a["once"] + a["marked"] - a["statements"] == sent and a["covered"] == 0, (a, sent))


def nobody_reads_the_log(p):
    """Standard error is a full pipe: heartbeats go out, the peer stays, and what was dropped is counted and said."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, b"x" * 4095 + b"\n")
    p.configure(0, top='metrics = "%s.10:9180"' % NET)
    p.start(0, log=writer)
    os.close(writer)
    p.start(1)
    wait("a session", p.session, 10)
    wait("node 0 to be primary", lambda: p.primary(1) == 0, 10)

    def dropped():
        os.kill(p.processes[0].pid, signal.SIGHUP)  # It says which keys it uses.
        with urllib.request.urlopen("http://%s.10:9180/metrics" % NET, timeout=5) as r:
            return int(re.search(r"^evrep_log_dropped_lines_total (\d+)$", r.read().decode(), re.M).group(1))
    for _ in range(3000):
        os.kill(p.processes[0].pid, signal.SIGHUP)
        time.sleep(0.0005)
    wait("lines to be dropped", lambda: dropped() > 0, 60)
    check("the peer stayed all the while", "is declared dead" not in p.log(1) and p.session(), p.log(1))
    got = []
    t = threading.Thread(target=lambda: got.extend(open(reader, errors="replace")))
    t.start()
    wait("what is missing to be said", lambda: any(re.search(r"lines missing here: \d+", line) for line in got[-500:]), 10)
    p.end(0, signal.SIGTERM)
    t.join()
    check("nothing is lost at the end", any("signal 15: ending" in line for line in got), got[-3:])


def ends_under_load(p):
    """SIGTERM: what was intended is confirmed first, so that neither the peer nor the next process marks any of it."""
    up(p)
    p.events(0, 3000)
    for taken in (False, True):
        before = p.collector.count
        wait("records at the collector", lambda: p.collector.count > before + 1000, 10)
        p.end(0, signal.SIGTERM)
        check("it waited for the answers", "are not confirmed" not in p.log(0), p.log(0)[-300:])
        wait("node 1 to take over", lambda: not taken or p.primary(1) == 1, 10)
        p.start(0)
        wait("a session", p.session, 10)
        if p.primary(0) != 0:
            p.ctl(0, "failover", "1", "--to", "0")
    p.quiet(0)
    a = p.audit()
    check("nothing is marked", a["marked"] == 0, a)


def ends_without_answers(p):
    """A collector that does not answer is waited for with a bound; then it is as after a death."""
    up(p)
    p.events(0, 3000)
    wait("records at the collector", lambda: p.collector.count > 500, 10)
    p.collector.delay = None
    before = p.collector.count
    wait("records without an answer", lambda: p.collector.count > before + 300, 10)
    begin = time.monotonic()
    p.end(0, signal.SIGTERM)
    check("it ends in time", 1.5 < time.monotonic() - begin < 5, time.monotonic() - begin)
    check("it says what is left", re.search(r"\d+ records that sinks were given are not confirmed", p.log(0)), p.log(0)[-300:])
    p.collector.delay = 0
    p.start(0)
    wait("a session", p.session, 10)
    p.quiet(0)
    a = p.audit()
    check("what was in doubt is marked", a["marked"] > 0, a)


def no_daemon(p):
    p.ctl(0, "watermark", code=3)
    p.ctl(0, "cluster", code=3)


def outer_manager(p):
    p.ctl(1, "notify", "01", "MASTER", code=3)  # Nobody is there yet; the word is left for who comes.
    for n in (0, 1):
        p.start(n)
    wait("a session", p.session, 10)
    check("the word was found", p.primary(1) == 1 and "its outer manager said last: primary" in p.log(1))
    p.ctl(1, "notify", "1", "backup")
    check("nobody is primary", p.primary(1) == -1)
    check("its own word and the peer's", [p.group(0)[k] for k in ("manager", "peerManager")] == 2 * ["external"])
    p.ctl(0, "notify", "1", "primary")
    wait("both know", lambda: p.primary(1) == 0, 2)
    p.ctl(0, "failover", "1", code=1)
    p.ctl(0, "notify", "1", "fault")
    check("it is disabled", p.group(0)["state"] == "disabled")


def fencing(p):
    marker = p.dir + "/fence"
    agent = p.dir + "/agent"
    with open(agent, "w") as f:
        f.write("#!/bin/sh\necho \"$EVREP_PEER $1\" >>%s.runs\ntest -e %s\n" % (marker, marker))
    os.chmod(agent, 0o755)
    for n in (0, 1):
        p.configure(n, top='fence { command = "%s now" timeout-ms = 500 }' % agent,
                    peer="heartbeat-ms = 50 dead-after-ms = 200 lease-ms = 100")
    up(p)
    p.events(0)
    wait("records at the collector", lambda: p.collector.count > 200, 10)
    p.end(0)
    p.quiet(0)
    wait("the fence to fail", lambda: p.ctl(1, "cluster")["fencing"]["state"] == "failed", 5)
    c = p.ctl(1, "cluster")
    check("no takeover", c["takeovers"] == 0 and c["redundancyGroups"][0]["primary"] == -1, c)
    check("it is said", any("could not be fenced" in n for n in c["news"]), c["news"])
    open(marker, "w").close()
    wait("the fence to work", lambda: p.ctl(1, "cluster")["fencing"]["state"] == "done", 10)
    check("it is primary now", p.primary(1) == 1)
    with open(marker + ".runs") as f:
        check("who was to be fenced", set(f.read().split("\n")) == {"0 now", ""})
    p.start(0)
    wait("a session", p.session, 10)
    p.audit()


def hostile_clients(p):
    up(p)
    path = p.dir + "/n0.sock"
    check("its mode", stat.S_IMODE(os.stat(path).st_mode) == 0o600)

    def dial():
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(10)
        s.connect(path)
        return s

    def fill():
        """More than it keeps, as fast as it takes them."""
        many = []
        for _ in range(100):
            wait("room in its backlog", lambda: connects(path, many), 5)
        return many

    for bad in (b"\n", b"{}\n", b"x" * 5000, b"\0\xff\n", b'{"command": 1}\n', b'{"command":"watermark","args":[1]}\n',
                b'{"command":"cluster"}\n{"command":"cluster"}\n', b"[" * 4000 + b"\n"):
        with dial() as s:
            s.sendall(bad)
            try:
                s.recv(1 << 16)
            except ConnectionResetError:
                pass  # It was ended with some of it unread.
    many = fill()
    wait("the surplus to be closed", lambda: sum(is_closed(s) for s in many) >= 60, 5)
    wait("the silent ones to be closed", lambda: all(is_closed(s) for s in many), 10)
    p.ctl(0, "cluster")


def connects(path, many):
    s = socket.socket(socket.AF_UNIX)
    s.setblocking(False)
    try:
        s.connect(path)
    except BlockingIOError:
        s.close()
        return False
    many.append(s)
    return True


def is_closed(s):
    try:
        return s.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


SAMPLE = re.compile(r'^([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\\]|\\\\.)*",?)*)\})? (-?[0-9.]+(?:e-?[0-9]+)?)$')
NAMES = """evrep_events_total evrep_watermark evrep_in_doubt_records_total evrep_held_records evrep_gap_records_total
    evrep_session_up evrep_link_up evrep_link_refused_total evrep_takeovers_total evrep_failover_seconds evrep_sink_up evrep_sink_confirm_seconds
    evrep_journal_bytes evrep_build_info""".split()


def check_exposition(text):
    """What promtool checks: a TYPE before its samples, once; histograms that add up; names and labels."""
    types, buckets, seen = {}, {}, set()
    check("it ends with a newline", text.endswith("\n"))
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            check("a TYPE once", name not in types, line)
            types[name] = kind
            continue
        if line.startswith("# HELP "):
            continue
        m = SAMPLE.match(line)
        check("a sample", m, line)
        name, labels, value = m.group(1), m.group(2) or "", float(m.group(3))
        check("a sample once", (name, labels) not in seen, line)
        seen.add((name, labels))
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        kind = types.get(base if types.get(base) == "histogram" else name)
        check("a TYPE before its samples", kind, line)
        if kind == "counter":
            check("a counter's name", name.endswith("_total"), name)
        if kind == "histogram" and name.endswith("_bucket"):
            rest = re.sub(r',?le="[^"]*"', "", labels)
            check("buckets grow", value >= buckets.get((base, rest), 0), line)
            buckets[(base, rest)] = value
        if kind == "histogram" and name.endswith("_count"):
            check("the last bucket is the count", buckets[(base, labels)] == value, line)
    for name in NAMES:
        check("every name of the interface", name in types, name)


def scrape(n):
    with urllib.request.urlopen("http://%s.1%d:9180/metrics" % (NET, n), timeout=5) as r:
        return r.read().decode()


def refused_links(p):
    """At node 1, which listens: who breaks off at the peer's own address is counted in all three places, and said once."""
    def seen():
        table = subprocess.run([BIN + "evrepctl", "-s", p.dir + "/n1.sock", "cluster"], capture_output=True, text=True).stdout
        row = re.search(r"^LINK.*\n(control .*)", table, re.M).group(1).split()
        head = re.search(r"^LINK.*", table, re.M).group(0).replace("ROUND TRIP", "ROUND").split()
        # A cell has its unit beside it: "123 us", "0.00 %".
        cells = [c for c in row if c not in ("us", "%")]
        return (p.ctl(1, "cluster")["links"][0]["refused"], int(cells[head.index("REFUSED")]),
                int(re.search(r'^evrep_link_refused_total\{link="control"\} (\d+)$', scrape(1), re.M).group(1)))

    check("an honest pair is not refused", seen() == (0, 0, 0), seen())
    for said in (b"", b"EVRL", b"EVRL" + bytes(8)):
        s = socket.create_connection((NET + ".11", 5900), source_address=(NET + ".10", 0))
        s.sendall(said)
        s.close()
    wait("the refusals", lambda: seen() == (3, 3, 3), 5)
    check("each reason is said once", p.log(1).count("refused: the handshake was broken off (1 refused since the start)") == 1, p.log(1))
    check("the link stays", "link control: down" not in p.log(1))


def metrics(p):
    for n in (0, 1):
        p.configure(n, top='metrics = "%s.1%d:9180"' % (NET, n))
    up(p)
    p.events(0)
    wait("records at the collector", lambda: p.collector.count > 500, 10)
    p.quiet(0)
    p.audit()
    refused_links(p)
    text = scrape(0)
    check_exposition(text)
    check("a value", re.search(r'^evrep_session_up 1$', text, re.M), text)
    check("confirmations were measured", not re.search(r'^evrep_sink_confirm_seconds_count\{sink="siem"\} 0$', text, re.M))
    try:
        urllib.request.urlopen("http://%s.10:9180/other" % NET, timeout=5)
        check("another path is refused", False)
    except urllib.error.HTTPError as e:
        check("another path is refused", e.code == 404, e)
    silent = [socket.create_connection((NET + ".10", 9180)) for _ in range(20)]  # Four more than it keeps.
    for s in silent:
        s.settimeout(15)
    check("silent clients are ended", all(s.recv(1) == b"" for s in silent))
    check_exposition(scrape(0))


def tail(p):
    up(p)
    t = subprocess.Popen([BIN + "evrepctl", "-s", p.dir + "/n0.sock", "--json", "tail", "--origin", "0"],
                         stdout=subprocess.PIPE, text=True)
    slow = socket.socket(socket.AF_UNIX)  # Reads nothing for a while.
    slow.connect(p.dir + "/n0.sock")
    slow.sendall(b'{"command":"tail"}\n')
    try:
        p.events(0)
        seen = [json.loads(t.stdout.readline()) for _ in range(300)]
        check("in order, of that origin", all(
            b["origin"] == 0 and (b["epoch"], b["sequence"]) == (a["epoch"], a["sequence"] + 1)
            for a, b in zip(seen, seen[1:])), seen[:3])
        r = seen[9]  # A filter's line has its tag behind the words, any other one in its structured data.
        tags = ['evrep-seq="%d"' % r["sequence"], "tag=0/%d/%d" % (r["epoch"], r["sequence"])]
        check("as it is at the collector", any(tag in r["text"] for tag in tags), r)
        p.quiet(0)
        p.events(0, 25000)
        before = p.collector.count
        wait("the collector to have them although a reader is stuck", lambda: p.collector.count > before + 25000, 30)
        p.quiet(0)
    finally:
        t.kill()
        t.wait()
    slow.settimeout(15)
    told, rest = 0, b""
    try:
        while told < 25000:  # Each of them, or how many it lost.
            *lines, rest = (rest + slow.recv(1 << 16)).split(b"\n")
            told += sum(json.loads(line).get("lost", 1) for line in lines)
    except socket.timeout:
        check("the slow reader is told what it lost", False, told)
    slow.close()
    p.audit()


def copies(pid, secret):
    """How often a process has that in memory that it can write and shares with nobody."""
    n = 0
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", buffering=0) as memory:
        for line in maps:
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw.p ", line)
            if m:
                begin, end = (int(x, 16) for x in m.groups())
                memory.seek(begin)
                n += (memory.read(end - begin) or b"").count(secret)
    return n


def keys_are_in_memory_once(p):
    """While connections are succeeded by others, and keys by other ones: one copy of each key that is in force, and none
    of one that is not, nor of the text of either."""
    keys = [p.dir + "/key", p.dir + "/next"]
    subprocess.run([BIN + "evrepctl", "keygen", keys[1]], check=True)
    text = [open(key, "rb").read().strip() for key in keys]
    up(p)
    for files, want in (keys[:1], (1, 0)), (keys, (1, 1)), (keys[::-1], (1, 1)), (keys[1:], (0, 1)):
        for n in (0, 1):
            with open(p.dir + "/n%d.conf" % n) as f:
                conf = f.read()
            lines = "".join('%s = "%s"\n' % x for x in zip(("key-file", "accept-key-file"), files))
            with open(p.dir + "/n%d.conf" % n, "w") as f:
                f.write(re.sub(r'(?m)^ *(accept-)?key-file = .*\n', "", conf).replace("peer {\n", "peer {\n" + lines))
            said = p.log(n).count("is used")
            p.processes[n].send_signal(signal.SIGHUP)
            wait("node %d to use %s" % (n, files[0]), lambda: p.log(n).count("is used") > said, 10)
        renewed = p.log(1).count(": renewed")
        wait("a succession of each link", lambda: p.log(1).count(": renewed") > renewed + 2, 20)
        for n in (0, 1):
            found = []

            def once():  # A handshake under way has its own.
                found[:] = [copies(p.processes[n].pid, bytes.fromhex(t.decode())) for t in text]
                return tuple(found) == want
            try:
                wait("node %d to have the keys %s times" % (n, want), once, 10)
            except AssertionError as e:
                raise AssertionError("%s: it has them %s times" % (e, found))
            check("no text of a key", not any(copies(p.processes[n].pid, t[:32]) for t in text))
    check("the session stayed", p.session() and "is declared dead" not in p.log(0) + p.log(1))


STORIES = {
    "both at once": (both_at_once, {}),
    "one alone, the other much later": (one_alone_the_other_much_later, {}),
    "death and return, old journal": (death_and_return_with_the_old_journal, {}),
    "journal gone": (journal_gone, {}),
    "commands": (commands, {}),
    "handover": (handover, {}),
    "handover behind a filter": (handover_behind_a_filter, {}),
    "a long run is hidden": (a_long_run_is_hidden, {"sink": "categories = session"}),
    "names change before a takeover": (names_change_before_a_takeover, {"collector": Late}),
    "names cannot be kept": (names_cannot_be_kept, {}),
    "lost here only": (lost_here_only, {"peer": "handover-after-ms = 200"}),
    "the ring is replaced": (the_ring_is_replaced, {}),
    "nobody reads the log": (nobody_reads_the_log, {}),
    "ends under load": (ends_under_load, {"collector": Relp, "sink": "transport = relp"}),
    "ends without answers": (ends_without_answers, {"collector": Relp, "sink": "transport = relp"}),
    "no daemon": (no_daemon, {}),
    "outer manager": (outer_manager, {"group": "manager = external"}),
    "fencing": (fencing, {}),
    "metrics": (metrics, {}),
    "tail": (tail, {}),
    "hostile clients": (hostile_clients, {}),
    "keys are in memory once": (keys_are_in_memory_once, {"peer": "renew-s = 1"}),
}


def main():
    failed = 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for name, (story, conf) in STORIES.items():
        if len(sys.argv) > 2 and name not in sys.argv[2:]:
            continue
        p = Pair(name.replace(" ", ""), **conf)
        begin = time.monotonic()
        try:
            story(p)
            print("ok      %-40s %4.1f s" % (name, time.monotonic() - begin), flush=True)
        except (AssertionError, OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError) as e:
            failed += 1
            print("FAILED  %s: %s" % (name, e), flush=True)
            for n in (0, 1):
                if os.path.exists(p.dir + "/n%d.log" % n):
                    print("---- node %d\n%s" % (n, p.log(n)[-3000:]))
        finally:
            p.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
