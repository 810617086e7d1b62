"""One node of the pair: evdp and evrepd in a namespace, a folder with its state, a ring."""
import datetime
import json
import os
import re
import signal
import socket
import subprocess

EVREPD = """node = {n}
cluster-id = 7
hostname = "fw1"
state-dir = "{state}"
control-socket = "{dir}/evrep.sock"
{daemon}peer {{
  {peer}
{timing}  link "control" {{ local = "10.99.0.{me}:5900" remote = "10.99.0.{other}:5900" }}
  link "fabric" {{ local = "10.98.0.{me}:5900" remote = "10.98.0.{other}:5900" }}
}}
redundancy-group "1" {{ priority = {priority} {group}}}
source "dp" {{ type = ring ring = "{ring}" }}
{sink}
sink "local" {{ type = file path = "{state}/rt_flow.log" format = structured }}
"""

EVDP = """ring = "{ring}"
node = {n}
redundancy-group = 1
event-rate = {rate}
zone "trust" {{ screens = {{ "land", "syn-fin", "tcp-no-flag", "fin-no-ack", "winnuke" }} }}
zone "untrust" {{ }}
wire "w0" {{ left = "left" right = "right" left-zone = "trust" right-zone = "untrust" }}
policy "web" {{ from-zone = "trust" to-zone = "untrust" ports = {{ "7000-7001" }} action = permit }}
policy "ping" {{ from-zone = "trust" to-zone = "untrust" protocol = icmp action = permit }}
policy "no-games" {{ from-zone = "trust" to-zone = "untrust" ports = {{ "9000-9049" }} action = reject }}
filter "audit" {{ term "dns" {{ zone = "trust" protocol = udp ports = {{ "7001" }} log = true }} }}
"""


# For stories in which nobody may be thought dead, however busy the machine is.
PATIENT = "  dead-after-ms = 5000\n"


MOVED = ("handed-over", "taken", "draining")


def at_rest(watermark, moved=False):
    """Nothing is held, and no segment waits for anything but its turn.  A stream's newest segment is open; it may be
    with the other node (T2: a sink was slow to come up there), and after switchovers (moved) others may too."""
    if not watermark or watermark["held"]:
        return False
    for s in watermark["streams"]:
        for g in s["segments"]:
            good = ("live", "settled") + (MOVED if moved else MOVED[:2] if g is s["segments"][-1] else ())
            if g["state"] not in good:
                return False
    return True


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Node:
    def __init__(self, n, stage):
        self.n, self.other, self.stage = n, 1 - n, stage
        self.name = "node%d" % n
        self.dir = stage.path(self.name)
        self.state = self.dir  # Where the journal is; a story may put it on a disk of its own.
        self.ring = "%sn%d" % (stage.net.id, n)
        self.socket = os.path.join(self.dir, "evrep.sock")
        self.peer = 'key-file = "%s"' % stage.path("cluster.key")
        self.env = None
        self.shift = 0  # s, of its wall clock against that of the host.
        self.lost_counters = []  # Of rings that went with their memory,
        self.lost_tails = []     # and each one's newest epochs, with the last sequence in each.
        self.evdp_kills = 0
        self.companions = {}  # What else runs on it: a name, and its command.
        os.makedirs(self.dir)

    # ---- configuration ----

    def configure(self):
        o = self.stage.settings
        values = dict(n=self.n, me=self.n + 1, other=2 - self.n, dir=self.dir, state=self.state, ring=self.ring,
                      peer=self.peer, timing=o.get("timing", ""), priority=200 - 100 * self.n, rate=o.get("event-rate", 0),
                      daemon=o.get("daemon", ""), group=o.get("group", ""), sink=self.stage.collector.sink(self.n))
        for name, text in (("evrepd.conf", EVREPD), ("evdp.conf", EVDP)):
            with open(os.path.join(self.dir, name), "w") as f:
                f.write(text.format(**values))

    # ---- processes ----

    def start(self):
        self.start_evdp()
        self.start_evrepd()
        for name, command in self.companions.items():
            self.stage.processes.spawn("%s%d" % (name, self.n), self.name, *command)

    def start_evdp(self):
        self.stage.processes.spawn("evdp%d" % self.n, self.name, self.stage.program("evdp"), "-c",
                                   self.dir + "/evdp.conf", env=self.env)

    def start_evrepd(self):
        self.stage.processes.spawn("evrepd%d" % self.n, self.name, self.stage.program("evrepd"), "-c",
                                   self.dir + "/evrepd.conf", env=self.env)

    def kill(self, *programs):
        for program in programs or ("evrepd", "evdp", *self.companions):
            self.stage.processes.end("%s%d" % (program, self.n), signal.SIGKILL, wait=False)
            self.evdp_kills += program == "evdp"

    def signal(self, number):
        for program in ("evrepd", "evdp"):
            self.stage.processes.send("%s%d" % (program, self.n), number)

    def running(self):
        return self.stage.processes.alive("evrepd%d" % self.n)

    def says(self, words, since=0):
        """Is that in its log, behind the first `since` bytes?"""
        with open(self.log(), "rb") as f:
            f.seek(since)
            return words.encode() in f.read()

    def said(self, words):
        """When it said so, as the host's clock goes."""
        with open(self.log(), errors="replace") as log:
            return [moment(line.split(" ", 1)[0]) - self.shift for line in log if line[:2] == "20" and words in line]

    def stood_still_s(self):
        """How long in all, by its own word."""
        with open(self.log(), errors="replace") as log:
            return sum(int(ms) for ms in re.findall(r"this program stood still for (\d+) ms", log.read())) / 1000.0

    def last_said(self, words):
        return max(self.said(words), default=0)

    def log_size(self):
        return os.path.getsize(self.log())

    def log(self):
        return self.stage.processes.log("evrepd%d" % self.n)

    # ---- what it says of itself ----

    def ask(self, command="watermark", *args, timeout=2.0):
        """As `evrepctl --json` asks, without a process for each question.  None: no answer."""
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(timeout)
                s.connect(self.socket)
                s.sendall(json.dumps({"command": command, "args": list(args)}).encode() + b"\n")
                data = b""
                while not data.endswith(b"\n"):
                    part = s.recv(1 << 20)
                    if not part:
                        return None
                    data += part
            return json.loads(data)
        except (OSError, ValueError):
            return None

    def ctl(self, *command):
        """evrepctl itself: exit status and output."""
        r = subprocess.run([self.stage.program("evrepctl"), "-s", self.socket] + list(command),
                           capture_output=True, text=True)
        return r.returncode, r.stdout + r.stderr

    def table(self):
        return self.ctl("watermark")[1]

    def emitted(self, sink="siem"):
        """(origin, epoch): up to where the sink has confirmed all of that segment."""
        w = self.ask()
        return {(x["origin"], g["epoch"]): at["emitted"] for x in (w["streams"] if w else []) for g in x["segments"]
                for at in g["sinks"] if at["name"] == sink}

    def primary(self):
        w = self.ask()
        return w["redundancyGroups"][0]["primary"] if w else None

    def is_primary(self):
        return self.primary() == self.n

    def session(self):
        w = self.ask()
        return w is not None and w["session"]["state"] == "up"

    def has_all(self):
        """The peer is dead, and left nothing: all that this node has of it is at each sink."""
        w = self.ask()
        return w is not None and w["session"]["state"] == "down" and all(
            sink["emitted"] >= g["replicated"] for s in w["streams"] if s["origin"] != self.n
            for g in s["segments"] for sink in g["sinks"])

    def takeovers(self):
        w = self.ask()
        return w["takeovers"] if w else 0

    def settled(self):
        return at_rest(self.ask(), self.stage.moved)

    def quiet(self):
        w = self.ask()
        return w is not None and not w["waiting"] and self.settled()

    # ---- the dataplane's counters ----

    def counters(self):
        r = subprocess.run([self.stage.program("evdp"), "-c", self.dir + "/evdp.conf", "--stats"],
                           capture_output=True, text=True)
        total = json.loads(r.stdout)
        self.ring_end = total.pop("ring", None)
        total.pop("dataplane", None)
        for lost in self.lost_counters:
            for kind, row in lost.items():
                for outcome, count in row.items():
                    total[kind][outcome] += count
        return total

    def lose_ring(self):
        """Its memory is gone, as after a power cut; the counters in it are taken over by the drill."""
        self.lost_counters = [self.counters()]
        for which in ("", "previous_"):  # The power may go as the next epoch has just begun.
            self.lost_tails.append((self.ring_end[which + "epoch"], self.ring_end[which + "last"]))
        for name in os.listdir("/dev/shm"):
            if name.startswith(self.ring):
                os.unlink("/dev/shm/" + name)
