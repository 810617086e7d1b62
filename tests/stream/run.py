"""A real evrepd reads the event stream of a double of the unchanged helper: each frame becomes one record, whatever is
cut, replayed, torn or killed.  usage: tests/stream/run.py BUILD-FOLDER [SEED [STORY...]]"""
import datetime
import json
import os
import random
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))

CONF = """node = 0
hostname = "fw1"
state-dir = "{dir}/state"
control-socket = "{dir}/evrep.sock"
redundancy-group "1" {{ priority = 200 }}
source "xpf" {{ type = event-stream socket = "{dir}/events.sock" names = "{dir}/names" hole-ms = {hole} }}
sink "local" {{ type = file path = "{dir}/out.log" format = structured }}
"""


def wait(what, test, seconds=20):
    until = time.monotonic() + seconds
    while not test():
        if time.monotonic() > until:
            raise AssertionError("waited %d s in vain for: %s" % (seconds, what))
        time.sleep(0.02)


class Life:
    """One life of a helper."""

    def __init__(self, path, seed):
        self.p = subprocess.Popen([sys.executable, HERE + "/helper.py", path, str(seed)], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)

    def do(self, what, **more):
        self.p.stdin.write(json.dumps(dict(more, do=what)) + "\n")
        self.p.stdin.flush()
        return json.loads(self.p.stdout.readline())

    def stats(self):
        return self.do("stats")

    def all_acked(self):
        s = self.stats()
        return s["acked"] == s["next"] - 1

    def end(self):
        self.p.kill()
        self.p.wait()


class Test:
    def __init__(self, build, seed):
        self.build, self.seed, self.random = build, seed, random.Random(seed)
        self.dir = tempfile.mkdtemp(prefix="evrep-stream-")
        os.mkdir(self.dir + "/state")
        self.lives, self.daemon, self.number = [], None, 0
        self.sent = {}  # what names an event -> how its line must begin
        with open(self.dir + "/names", "w") as f:
            f.write("z 1 trust\nz 2 untrust\np 0 default-deny\n")
        self.configure()

    def configure(self, hole=2000):
        with open(self.dir + "/conf", "w") as f:
            f.write(CONF.format(dir=self.dir, hole=hole))

    def start(self, apart=False):
        """apart: in a process id namespace of its own, in which no helper can be seen."""
        self.log = open(self.dir + "/evrepd.log", "ab")
        alone = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--pid", "--fork", "--kill-child"]
        self.daemon = subprocess.Popen([*(alone if apart else []), self.build + "/bin/evrepd", "-c", self.dir + "/conf"],
                                       stderr=self.log)
        wait("evrepd to be up", lambda: self.daemon.poll() is not None or self.ctl() is not None)
        assert self.daemon.poll() is None, "evrepd ended"

    def stop(self, number=signal.SIGKILL):
        self.daemon.send_signal(number)
        self.daemon.wait()
        self.daemon = None

    def ctl(self):
        r = subprocess.run([self.build + "/bin/evrepctl", "-s", self.dir + "/evrep.sock", "--json", "counters"],
                           capture_output=True, text=True)
        return json.loads(r.stdout) if r.returncode == 0 else None

    def source(self):
        return self.ctl()["sources"]["xpf"]

    def life(self, connected=True):
        self.lives.append(Life(self.dir + "/events.sock", self.random.random().__hash__() & 0xffff))
        if connected:
            wait("the helper to be connected", lambda: self.lives[-1].stats()["connected"])
        return self.lives[-1]

    # ---- events, each with a source address of its own ----

    def address(self):
        self.number += 1
        n = self.number
        return bytes([10, n >> 16 & 255, n >> 8 & 255, n & 255])

    def telemetry(self, kind):
        e = bytearray(136)
        a = self.address()
        e[8:12], e[24:28], e[40:44] = a, bytes([192, 0, 2, 1]), bytes([4, 0, 0, 80])
        e[48], e[50], e[52], e[53], e[55] = 1, 2, {11: 3, 12: 4, 13: 6}[kind], 6, 2
        return kind, a, bytes(e)

    def session(self, kind):
        a = self.address()
        if kind == 2:
            body = bytes([4, 6, 0, 4, 80, 0]) + a + bytes([192, 0, 2, 1]) + bytes([1, 0, 0, 1, 2])
        else:
            body = bytes([4, 6, 0, 4, 80, 0]) + bytes(14) + bytes([0, 1, 2, 0]) + a + bytes([192, 0, 2, 1]) + bytes(24)
        return kind, a, body

    def some(self, count):
        kinds = [self.random.choice((1, 2, 3, 11, 11, 12, 13)) for _ in range(count)]
        return [self.telemetry(k) if k > 10 else self.session(k) for k in kinds]

    def send(self, life, count, shuffle=0, lose=()):
        events = self.some(count)
        for i, (kind, a, _) in enumerate(events):
            if i not in lose:
                self.sent[".".join(map(str, a))] = kind
        return life.do("events", events=[(k, p.hex()) for k, _, p in events], shuffle=shuffle, lose=list(lose))

    def send_again(self, life, events, **more):
        return life.do("events", events=[(k, p.hex()) for k, _, p in events], **more)

    # ---- verdict ----

    def lines(self):
        with open(self.dir + "/out.log") as f:
            return f.read().splitlines()

    def statements(self, cause="stream_hole"):
        """Of each: count, first and last time."""
        pattern = (r'EVREP_SUPPRESSED .*kind="UNKNOWN" zone="0" cause="%s" count="(\d+)" first-time="([^"]+)" '
                   r'last-time="([^"]+)"' % cause)
        return [(int(m.group(1)), m.group(2), m.group(3)) for m in map(re.compile(pattern).search, self.lines()) if m]

    def stated(self, cause="stream_hole"):
        return sum(n for n, _, _ in self.statements(cause))

    def check(self, missing=0, resyncs_lost=False):
        wait("every frame to be acknowledged", lambda: all(l.all_acked() for l in self.lives[-1:]))
        found, tags = {}, []

        def complete():
            found.clear()
            tags.clear()
            for line in self.lines():
                m = re.search(r"(?:src=|source-address=\")(10\.\d+\.\d+\.\d+)", line)
                if m:
                    found[m.group(1)] = found.get(m.group(1), 0) + 1
                m = re.search(r'evrep-epoch="(\d+)" evrep-seq="(\d+)"| tag=0/(\d+)/(\d+)', line)
                tags.append(tuple(int(x) for x in m.groups() if x))
            return set(found) >= set(self.sent) and self.stated() >= missing and self.source()["untold"] == 0

        wait("every frame to be in the file", complete)
        twice = [a for a, n in found.items() if n > 1]
        assert not twice, "twice: %s" % twice[:5]
        assert set(found) <= set(self.sent), "not sent: %s" % list(set(found) - set(self.sent))[:5]
        stated = self.stated() - self.source()["late"]  # Given up on a busy machine, and there all the same.
        # A FULL_RESYNC has a number and is not replayed: one that evrepd's death swallowed is a hole like any other.
        with open(self.dir + "/evrepd.log") as f:
            holes = re.findall(r"frames (\d+) to (\d+) of the helper never came", f.read())
        resyncs = [n for a, b in holes for n in range(int(a), int(b) + 1)
                   if resyncs_lost and n in self.lives[-1].stats()["resyncs"]]
        assert stated - len(resyncs) == missing, "%d stated as missing, not %d" % (stated, missing)
        sent = {kind for l in self.lives if l.p.poll() is None for kind, _ in l.stats()["controls"]}
        assert sent <= {4, 7}, "a helper was sent %s, and never a PAUSE or RESUME is (d15)" % sent
        audit = subprocess.run([self.build + "/bin/evrepctl", "audit", self.dir + "/out.log"], capture_output=True, text=True)
        assert audit.returncode == 0, audit.stdout + audit.stderr
        assert len(set(tags)) == len(tags), "a tag twice"

    def clean(self):
        for l in self.lives:
            l.end()
        if self.daemon is not None:
            self.stop()
        with open(self.dir + "/evrepd.log") as f:
            self.tail = f.read()[-3000:]
        ring = [n for n in os.listdir("/dev/shm") if n.startswith("evrepd-")]
        for n in ring:  # Only this run's: its name is made of the state folder.
            if self.ring_name() in n:
                os.unlink("/dev/shm/" + n)
        shutil.rmtree(self.dir)

    def ring_name(self):
        h = 2166136261
        for b in (self.dir + "/state").encode():
            h = (h ^ b) * 16777619 & 0xffffffff
        return "evrepd-%08x" % h


# ---- the stories; the numbers are those of contract 12.2 ----


def frames_become_records_once(t):
    """Out of order by several workers; every kind."""
    l = t.life()
    for _ in range(20):
        t.send(l, 200, shuffle=8)
    t.check()
    assert all(kind in (4, 7) for kind, _ in l.stats()["controls"])
    closes = [x for x in t.lines() if "RT_FLOW_SESSION_CLOSE" in x]
    assert closes and all('packets-from-client="N/A"' in x and 'reason="N/A"' in x and 'elapsed-time="N/A"' in x and
                          'policy-name="N/A"' in x and 'source-zone-name="trust"' in x for x in closes)


def d13_cuts_and_replays(t):
    l = t.life()
    for _ in range(30):
        if t.send(l, t.random.randrange(300), shuffle=4)["replay"] > 3000:  # At 4096 the helper evicts: d17.
            wait("acknowledgements", lambda: l.stats()["replay"] < 1000)
        if t.random.random() < 0.6:
            l.do("cut")
    t.check(resyncs_lost=True)


def d14_acks_are_a_contiguous_prefix(t):
    """A number that is missing holds the acknowledgement back, then it is stated."""
    l = t.life()
    t.send(l, 100, lose=[50])
    wait("an acknowledgement", lambda: l.stats()["acked"] == 50)
    t.check(missing=1)
    seen = [n for kind, n in l.stats()["controls"] if kind == 4]
    assert seen == sorted(seen)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def is_between(begin, at, end):
    """at: as a record has it, to the millisecond."""
    return begin - datetime.timedelta(milliseconds=1) <= datetime.datetime.fromisoformat(at.replace("Z", "+00:00")) <= end


def d14_a_hole_lies_between_its_frames(t):
    """Its statement says when the frames before and behind it came, not when it was given up."""
    l = t.life()
    begin = now()
    t.send(l, 10)
    wait("these to be acknowledged", l.all_acked)
    middle = now()
    t.send(l, 10, lose=[0, 1])
    wait("these to be read", lambda: t.source()["newest"] == 20)
    end = now()
    t.check(missing=2)
    [(count, first, last)] = t.statements()
    assert count == 2 and is_between(begin, first, middle) and is_between(middle, last, end), (first, last)


def d14_more_holes_than_are_remembered(t):
    """Every second frame is lost: a statement or two, to the last number; and what comes of them late is no new count,
    no second record and no hole."""
    l = t.life()
    t.send(l, 2000)
    wait("these to be acknowledged", l.all_acked)
    t.send(l, 800, lose=range(0, 800, 2))
    t.check(missing=400)
    assert len(t.statements()) <= 5, "%d statements" % len(t.statements())
    before = t.source()
    late = [t.telemetry(11) for _ in range(400)]
    raw = b"".join(struct.pack("<IB3xQ", len(p), k, 2001 + 2 * i) + p for i, (k, _, p) in enumerate(late))
    for again in range(2):
        l.do("raw", bytes=raw.hex())
        wait("these to be read", lambda: sum(t.source()[x] - before[x] for x in ("late", "repeats")) == 400 * (again + 1))
    s = t.source()
    assert (s["lives"], s["missing"], s["torn"]) == (1, 400, 0), s
    assert 0 < s["late"] < 400 and s["records"] == before["records"] + s["late"], s
    for i in range(400 - s["late"], 400):
        t.sent[".".join(map(str, late[i][1]))] = 11
    t.send(l, 10)
    t.check(missing=400 - s["late"])


def d17_a_helper_met_in_the_middle(t):
    """5000 were acknowledged to another daemon: they may be missing, and are not said to be. What is missing from then on
    is, also after evrepd's death."""
    t.stop()
    l = t.life(connected=False)
    l.do("count", acked=5000)
    t.start()
    wait("the helper to be connected", lambda: l.stats()["connected"])
    t.send(l, 20, lose=[10])
    t.check(missing=1)
    [(count, first, last)] = t.statements("stream_doubt")
    assert count == 5000 and first == "unknown" and is_between(now() - datetime.timedelta(seconds=60), last, now())
    t.stop()
    t.send(l, 20, lose=[7, 8, 9])
    t.start()
    wait("the helper to be back", lambda: l.stats()["connected"])
    t.check(missing=4, resyncs_lost=True)
    assert t.stated("stream_doubt") == 5000


def d15_never_pauses(t):
    l = t.life()
    for _ in range(8):
        t.send(l, 2000)
    t.check()
    assert not [k for k, _ in l.stats()["controls"] if k in (5, 6)]


def d16_d17_evicted_frames_are_counted(t):
    """5000 frames while evrepd is away: the oldest are evicted uncounted, a drain fetches those that are left."""
    l = t.life()
    t.send(l, 100)
    t.check()
    l.do("dial", on=False)
    before = t.number
    t.send(l, 5000)
    evicted = l.stats()["evicted"]
    assert evicted == 5000 - 4096
    for n in range(before + 1, before + 1 + evicted):
        del t.sent["10.%d.%d.%d" % (n >> 16 & 255, n >> 8 & 255, n & 255)]
    l.do("dial", on=True)
    t.check(missing=evicted)
    assert [k for k, _ in l.stats()["controls"]].count(7) == 1
    l.do("cut")  # FULL_RESYNC again, with nothing missing.
    wait("the helper to be back", lambda: l.stats()["connected"] and l.all_acked())
    t.check(missing=evicted)


def d18_torn_frames(t):
    """Half a frame, then others: the connection is dropped, the replay completes it."""
    l = t.life()
    for garbage in ("00" * 32, "ff" * 16, "88000000" + "0b" + "000000" + "0100000000000000" + "00" * 20 + "88" * 116 + "00" * 64,
                    "0104000001000000" + "00" * 8):
        t.send(l, 50)
        wait("these to be acknowledged", l.all_acked)
        connects = l.stats()["connects"]
        l.do("raw", bytes=garbage)
        wait("the connection to be made anew", lambda: l.stats()["connects"] > connects)
    t.send(l, 50)
    t.check(resyncs_lost=True)


def d18_torn_frames_are_no_records(t):
    """A keepalive or a drain in the midst of a frame: what its parts and that make is never a record; it is, once whole."""
    l = t.life()
    t.send(l, 50)
    wait("these to be acknowledged", l.all_acked)
    for cut in (20, 60, 100, 150):
        for drain in (False, True):
            kind, a, payload = t.telemetry(11)
            t.sent[".".join(map(str, a))] = kind
            connects = l.stats()["connects"]
            l.do("tear", event=(kind, payload.hex()), cut=cut, drain=drain)
            wait("the connection to be made anew", lambda: l.stats()["connects"] > connects)
            wait("the whole frame to be acknowledged", l.all_acked)
            assert t.source()["records"] == len(t.sent), "more records than frames"
    assert t.source()["malformed"] == 0, "a torn frame was taken"
    t.check(resyncs_lost=True)


def d19_a_frame_may_take_its_time(t):
    """Cut anywhere, with more than a quiet line's time between the parts: it is one frame. (No timeout ends it: the
    reference's is 30 s, and the test has not that long.)"""
    l = t.life()
    for cut in (1, 8, 15, 16, 17, 100, 151):
        kind, a, payload = t.telemetry(11)
        t.sent[".".join(map(str, a))] = kind
        l.do("parts", event=(kind, payload.hex()), cut=cut, pause=0.4)
    t.check()
    s = t.source()
    assert (s["records"], s["torn"], s["malformed"]) == (7, 0, 0) and l.stats()["connects"] == 1, s


def d20_helpers_restart(t):
    """Another life counts from 1 again; what the one before never sent is stated."""
    t.send(t.life(), 300, lose=[299])
    t.lives[-1].do("stats")
    wait("all but the last", lambda: t.lives[-1].stats()["acked"] == 299)
    t.lives[-1].end()
    for _ in range(4):
        l = t.life()
        t.send(l, 300)
        t.send(l, 300)
        wait("all", l.all_acked)
        l.end()
    t.life()
    t.send(t.lives[-1], 10)
    t.check()


def records_of_each(t, sent):
    """As many records as frames, whoever sent which bytes under which number; nothing taken for missing."""
    wait("all to be acknowledged", lambda: t.lives[-1].all_acked())
    got = t.source()
    assert (got["records"], got["missing"]) == (sent, 0), "%d sent: %s" % (sent, got)


def d20_a_helper_that_cannot_be_seen(t):
    """Of a process id namespace that is not ours: it has no process id here.  What its next life sends is new, whichever
    frame comes first, and if it is the one that the life before began with."""
    t.stop()
    t.start(apart=True)
    events, sent = t.some(300), 0
    for swap in (0, 8, 2, 4, 0):
        l = t.life()
        t.send_again(l, events, shuffle=swap)
        sent += 300
        records_of_each(t, sent)
        l.end()
    l = t.life()
    t.send(l, 10)
    sent += 10
    records_of_each(t, sent)
    for _ in range(10):  # But what it repeats is not.
        t.send(l, 50)
        l.do("cut")
        sent += 50
    wait("the helper to be back", lambda: l.stats()["connected"])
    records_of_each(t, sent)


def d20_a_process_that_renumbers(t):
    """Of the same process, over a new connection or the same one, with other frames or those that it had, and whatever
    it thinks that was acknowledged."""
    l, events = t.life(), t.some(300)
    t.send_again(l, events)
    sent = 300
    records_of_each(t, sent)
    for turn, (cut, forget, swap, count) in enumerate([
            (True, True, 0, 300), (True, True, 8, 300), (True, True, 2, 200), (False, True, 0, 300), (False, False, 0, 20),
            (False, True, 8, 40), (True, False, 0, 300)]):
        if cut:
            l.do("dial", on=False)
        l.do("renumber", forget=forget)
        if cut:
            l.do("dial", on=True)
            wait("the helper to be back", lambda: l.stats()["connected"])
        t.send_again(l, events[:count] if turn % 2 else t.some(count), shuffle=swap)
        sent += count
        wait("turn %d" % turn, lambda: t.source()["records"] + t.source()["missing"] >= sent)
        assert t.source()["records"] >= sent - 1, (turn, sent, t.source())


def d27_a_second_helper_takes_over(t):
    first = t.life()
    t.send(first, 100)
    wait("all", first.all_acked)
    second = t.life()
    t.send(second, 100)
    wait("the first to lose its connection", lambda: first.stats()["connects"] > 1 or not first.stats()["connected"])
    first.do("dial", on=False)
    wait("the second to be connected", lambda: second.stats()["connected"])
    t.send(second, 100)
    t.check()


def evrepd_is_killed(t):
    """Whatever it had acknowledged, journaled or only claimed: the helper's replay makes no second record."""
    l = t.life()
    for _ in range(12):
        for _ in range(t.random.randrange(1, 6)):
            t.send(l, t.random.randrange(1, 400), shuffle=4)
        wait("room in the helper", lambda: l.stats()["replay"] < 3000)  # At 4096 it evicts: d17.
        t.stop()
        t.send(l, t.random.randrange(100))
        t.start()
        wait("the helper to be back", lambda: l.stats()["connected"])
    t.check(resyncs_lost=True)


def the_journal_is_gone(t):
    """And the ring lives (T5): what comes before the next epoch is open waits at the helper; nothing that goes with the
    epoch that is forgotten is acknowledged."""
    l = t.life()
    t.send(l, 100)
    t.check()
    t.stop()
    shutil.rmtree(t.dir + "/state/journal")
    t.send(l, 100)
    t.start()
    wait("the helper to be back", lambda: l.stats()["connected"])
    t.check(resyncs_lost=True)


def the_ring_is_replaced(t):
    """Its file is removed, and a dataplane that starts makes another: evrepd goes on with that, as the same process, and
    knows what had come."""
    l = t.life()
    for n in range(2):
        t.send(l, 300, shuffle=4)
        os.unlink("/dev/shm/" + t.ring_name())
        other = subprocess.Popen([t.build + "/tests/evgen", t.ring_name(), "0", "9", "1"], stdout=subprocess.DEVNULL)
        try:
            def again():
                if l.stats()["replay"] < 3000:
                    t.send(l, 20, shuffle=4)
                with open(t.dir + "/evrepd.log") as f:
                    return f.read().count("node 0 of cluster 0 is up") > n + 1
            wait("evrepd to start anew", again)
        finally:
            other.kill()
            other.wait()
    t.check(resyncs_lost=True)


def names_are_read_again(t):
    """On SIGHUP: what came before keeps its names (12.4, 43), and tables that are not good change nothing."""
    l = t.life()

    def zone_of_new():
        l.do("events", events=[(k, p.hex()) for k, _, p in [t.telemetry(11)]])
        t.sent["10.%d.%d.%d" % (t.number >> 16 & 255, t.number >> 8 & 255, t.number & 255)] = 11
        t.check()
        return [re.search(r'source-zone-name="(\w+)"', x)[1] for x in t.lines() if "SESSION_DENY" in x]
    expected = []
    for text, said, zone in (("", "", "trust"), ("z 1 inside\n", "read again", "inside"), ("z one\n", "the ones that are in force stay", "inside")):
        if text:
            with open(t.dir + "/names", "w") as f:
                f.write(text)
            t.daemon.send_signal(signal.SIGHUP)
            wait(said, lambda: said in open(t.dir + "/evrepd.log").read())
        expected.append(zone)
        got = zone_of_new()
        assert got == expected, "%s, not %s" % (got, expected)


def unknown_and_malformed(t):
    l = t.life()
    t.send(l, 5)
    l.do("events", events=[(77, "0102"), (1, "05"), (11, "00" * 136), (2, ""), (4, "")])
    t.send(l, 5)
    t.check()
    s = t.source()
    assert (s["unknown"], s["malformed"]) == (2, 3), s
    mixed, bad = [], [(20, "667574757265"), (12, "00" * 135), (1, "04" * 55), (255, ""), (13, "00" * 40), (7, "")]
    for i, (kind, a, payload) in enumerate(t.some(60)):  # Between frames that are whole, many in one write.
        t.sent[".".join(map(str, a))] = kind
        mixed += [(kind, payload.hex()), bad[i % len(bad)]]
    l.do("events", events=mixed, shuffle=30)
    t.check()
    s = t.source()
    assert (s["unknown"], s["malformed"], s["torn"]) == (2 + 30, 3 + 30, 0), s
    assert l.stats()["connects"] == 1, "the connection was dropped"


def a_full_ring_stops_the_reading(t):
    """The journal cannot be written, then the ring is full: nothing is dropped, and only what is journaled acknowledged."""
    resource.prlimit(t.daemon.pid, resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
    l = t.life()
    for _ in range(4):  # 12000 records: more than the journal holds, and each helper's buffer holds its own.
        for _ in range(3):
            t.send(l, 1000)
        wait("all to be read", lambda: t.source()["newest"] == l.stats()["next"] - 1)
        l.do("dial", on=False)
        l = t.life()
    for _ in range(20):
        t.send(l, 190)
        if t.source()["heldUp"]:
            break
    wait("reading to stop", lambda: t.source()["heldUp"])
    assert not l.all_acked()
    t.stop()
    t.start()
    wait("the helper to be back", lambda: l.stats()["connected"])
    t.check()


STORIES = [frames_become_records_once, d13_cuts_and_replays, d14_acks_are_a_contiguous_prefix,
           d14_a_hole_lies_between_its_frames, d14_more_holes_than_are_remembered, d17_a_helper_met_in_the_middle, d15_never_pauses,
           d16_d17_evicted_frames_are_counted, d18_torn_frames, d18_torn_frames_are_no_records,
           d19_a_frame_may_take_its_time, d20_helpers_restart,
           d20_a_helper_that_cannot_be_seen, d20_a_process_that_renumbers, d27_a_second_helper_takes_over,
           evrepd_is_killed, the_journal_is_gone, the_ring_is_replaced, names_are_read_again, unknown_and_malformed,
           a_full_ring_stops_the_reading]


def main():
    build = os.path.abspath(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 30)
    failed = 0
    print("seed %d" % seed)
    stories = [x for x in STORIES if x.__name__ in sys.argv[3:] or not sys.argv[3:]]
    for story in stories:
        t, begin = Test(build, seed), time.monotonic()
        try:
            t.start()
            story(t)
            word = "ok"
        except AssertionError as e:
            word = "FAILED"
            failed += 1
            print(e)
        finally:
            t.clean()
        print("%-8s%-48s %5.1f s" % (word, story.__name__, time.monotonic() - begin), flush=True)
        if word != "ok":
            print(t.tail)
    print("event stream: %d passed, %d failed" % (len(stories) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
