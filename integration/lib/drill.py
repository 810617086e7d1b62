"""The drill's story and verdict.  Run by integration/drill."""
import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from net import Net, remove_leftovers

LIB = os.path.dirname(os.path.abspath(__file__))

EVREPD = """node = {n}
cluster-id = 7
hostname = "fw1"
state-dir = "{dir}"
control-socket = "{dir}/evrep.sock"
peer {{
  key-file = "{key}"
  link "control" {{ local = "10.99.0.{me}:5900" remote = "10.99.0.{other}:5900" }}
  link "fabric" {{ local = "10.98.0.{me}:5900" remote = "10.98.0.{other}:5900" }}
}}
redundancy-group "1" {{ priority = {priority} }}
source "dp" {{ type = ring ring = "{ring}" }}
sink "siem" {{ type = syslog transport = tcp address = "10.97.0.10:601" format = rfc5424 }}
sink "local" {{ type = file path = "{dir}/rt_flow.log" format = structured }}
"""

EVDP = """ring = "{ring}"
node = {n}
redundancy-group = 1
event-rate = 0
zone "trust" {{ screens = {{ "land", "syn-fin", "tcp-no-flag", "fin-no-ack", "winnuke" }} }}
zone "untrust" {{ }}
wire "w0" {{ left = "left" right = "right" left-zone = "trust" right-zone = "untrust" }}
policy "web" {{ from-zone = "trust" to-zone = "untrust" ports = {{ "7000-7001" }} action = permit }}
policy "ping" {{ from-zone = "trust" to-zone = "untrust" protocol = icmp action = permit }}
policy "no-games" {{ from-zone = "trust" to-zone = "untrust" ports = {{ "9000-9049" }} action = reject }}
filter "audit" {{ term "dns" {{ zone = "trust" protocol = udp ports = {{ "7001" }} log = true }} }}
"""

RSYSLOG = """global(maxMessageSize="64k" workDirectory="{dir}" parser.escapeControlCharactersOnReceive="off")
module(load="imtcp")
template(name="raw" type="string" string="%rawmsg%\\n")
template(name="trace" type="string" string="%timegenerated:::date-rfc3339% %fromhost-ip% %rawmsg%\\n")
ruleset(name="siem") {{
  action(type="omfile" file="{dir}/collector-siem.log" template="raw" flushOnTXEnd="on")
  action(type="omfile" file="{dir}/trace.log" template="trace" flushOnTXEnd="on")
}}
input(type="imtcp" port="601" ruleset="siem")
"""


class Drill:
    def __init__(self, options, seed):
        self.o, self.seed = options, seed
        self.random = random.Random(seed)
        self.net = Net(os.getpid())
        self.dir = tempfile.mkdtemp(prefix="evrep-drill-")
        self.processes, self.faults, self.begin = {}, [], time.monotonic()
        self.problems = []

    def say(self, text):
        print("%7.2f s  %s" % (time.monotonic() - self.begin, text), flush=True)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def spawn(self, name, host, *command):
        log = open(self.path(name + ".log"), "ab")
        args = ["ip", "netns", "exec", self.net.ns(host)] + list(command)
        self.processes[name] = subprocess.Popen(args, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def end(self, name, number=signal.SIGTERM, wait=True):
        p = self.processes.pop(name, None)
        if p is None:
            return
        if p.poll() is not None and number != signal.SIGKILL:
            self.problems.append("%s had ended by itself (%d), see %s.log" % (name, p.returncode, name))
        if p.poll() is None:
            p.send_signal(number)
        if wait:
            p.wait(timeout=20)

    # ---- set-up ----

    def configure(self, n):
        d = self.path("node%d" % n)
        os.makedirs(d)
        values = dict(n=n, me=n + 1, other=2 - n, dir=d, key=self.path("cluster.key"), priority=200 - 100 * n,
                      ring="%sn%d" % (self.net.id, n))
        for name, text in (("evrepd.conf", EVREPD), ("evdp.conf", EVDP)):
            with open(os.path.join(d, name), "w") as f:
                f.write(text.format(**values))

    def start_node(self, n):
        d, node = self.path("node%d" % n), "node%d" % n
        self.spawn("evdp%d" % n, node, os.path.join(self.o.bin, "evdp"), "-c", d + "/evdp.conf")
        self.wait("evdp of node%d is up" % n, lambda: self.grep("evdp%d.log" % n, "evdp: wire"), 10)
        self.spawn("evrepd%d" % n, node, os.path.join(self.o.bin, "evrepd"), "-c", d + "/evrepd.conf")

    def grep(self, name, what):
        try:
            with open(self.path(name), errors="replace") as f:
                return what in f.read()
        except FileNotFoundError:
            return False

    def wait(self, what, test, seconds):
        until = time.monotonic() + seconds
        while not test():
            if time.monotonic() > until:
                raise RuntimeError("waited %d s in vain for: %s" % (seconds, what))
            time.sleep(0.02)

    def ctl(self, n, *command):
        args = [os.path.join(self.o.bin, "evrepctl"), "-s", self.path("node%d" % n, "evrep.sock"), "--json"]
        r = subprocess.run(args + list(command), capture_output=True, text=True)
        return json.loads(r.stdout) if r.returncode == 0 else None

    def table(self, n):
        args = [os.path.join(self.o.bin, "evrepctl"), "-s", self.path("node%d" % n, "evrep.sock"), "watermark"]
        return subprocess.run(args, capture_output=True, text=True).stdout

    def primary(self, n):
        w = self.ctl(n, "watermark")
        return w["redundancyGroups"][0]["primary"] if w else None

    def session(self, n):
        w = self.ctl(n, "watermark")
        return w is not None and w["session"]["state"] == "up"

    def set_up(self):
        self.net.up()
        subprocess.run([os.path.join(self.o.bin, "evrepctl"), "keygen", self.path("cluster.key")], check=True)
        with open(self.path("rsyslog.conf"), "w") as f:
            f.write(RSYSLOG.format(dir=self.dir))
        self.spawn("rsyslogd", "collector", "rsyslogd", "-n", "-iNONE", "-f", self.path("rsyslog.conf"))
        for n in (0, 1):
            self.configure(n)
            self.start_node(n)
        self.wait("a session between the nodes", lambda: self.session(0) and self.session(1), 15)
        self.wait("node0 to be primary", lambda: self.primary(1) == 0, 10)
        self.say("two nodes, one session, node0 is primary")
        self.spawn("server", "server", sys.executable, LIB + "/traffic.py", "server")
        self.spawn("client", "client", sys.executable, LIB + "/traffic.py", "client", str(self.seed),
                   str(self.o.rate), self.path("sent.json"))

    # ---- faults ----

    def lines(self):
        try:
            with open(self.path("collector-siem.log"), "rb") as f:
                return f.read().count(b"\n")
        except FileNotFoundError:
            return 0

    def kill_node(self, n):
        other = 1 - n
        if self.o.verbose:
            print(self.table(other))
        self.net.set_links("node%d" % n, "down")
        for name in ("evrepd", "evdp"):
            self.end("%s%d" % (name, n), signal.SIGKILL, wait=False)
        died = time.time()
        self.say("node%d dies: its processes are killed, its links go down" % n)
        self.wait("node%d to be primary" % other, lambda: self.primary(other) == other, 10)
        self.say("node%d is primary" % other)
        self.wait("a takeover by node%d" % other, lambda: self.ctl(other, "watermark")["takeovers"] > 0, 10)
        self.say("node%d has taken over what node%d left" % (other, n))
        if self.o.verbose:
            print(self.table(other))
        self.faults.append({"fault": "node%d dies" % n, "node": n, "time": died, "taker": other})

    def return_node(self, n):
        self.net.set_links("node%d" % n, "up")
        self.start_node(n)
        self.wait("a session between the nodes", lambda: self.session(0) and self.session(1), 20)
        self.say("node%d is back, the session is up" % n)
        self.faults.append({"fault": "node%d returns" % n, "node": n, "time": time.time()})
        if self.o.verbose:
            print(self.table(n))

    def pause(self, seconds):
        time.sleep(seconds * self.random.uniform(0.8, 1.2))

    def story(self):
        self.pause(4)
        for n in (0, 1):
            self.say("%d records at the collector" % self.lines())
            self.kill_node(n)
            self.pause(4)
            self.return_node(n)
            self.pause(4)
        self.end("client")
        self.say("the traffic ends")
        self.rest()

    def quiet(self):
        for n in (0, 1):
            w = self.ctl(n, "watermark")
            if not w or w["held"] or w["waiting"]:
                return False
            if any(g["state"] not in ("live", "settled") for s in w["streams"] for g in s["segments"]):
                return False
        return True

    def rest(self):
        try:
            self.wait("everything to be delivered and settled", self.quiet, 20)
        except RuntimeError as e:
            self.problems.append(str(e))
        last, since = -1, time.monotonic()
        while time.monotonic() - since < 1.0:
            if self.lines() != last:
                last, since = self.lines(), time.monotonic()
            time.sleep(0.1)

    # ---- verdict ----

    def counters(self):
        decided = {}
        for n in (0, 1):
            r = subprocess.run([os.path.join(self.o.bin, "evdp"), "-c", self.path("node%d" % n, "evdp.conf"),
                                "--stats"], capture_output=True, text=True)
            decided["node%d" % n] = json.loads(r.stdout)
        with open(self.path("sent.json")) as f:
            decided["sent"] = json.load(f)
        return decided

    def trace(self):
        """Who sent each record to the collector, and when the first taken-over one came after each death."""
        by, seen = {"10.97.0.1": 0, "10.97.0.2": 0}, []
        pattern = re.compile(r'^(\S+) (\S+) .*?(?:evrep-origin="(\d)"| tag=(\d)/)')
        with open(self.path("trace.log"), errors="replace") as f:
            for line in f:
                m = pattern.match(line)
                if m:
                    by[m.group(2)] = by.get(m.group(2), 0) + 1
                    seen.append((m.group(1), m.group(2), int(m.group(3) or m.group(4))))
        takeovers = []
        for fault in self.faults:
            if "taker" not in fault:
                continue
            source = "10.97.0.%d" % (fault["taker"] + 1)
            for when, host, origin in seen:
                at = self.epoch(when)
                if host == source and origin == fault["node"] and at > fault["time"]:
                    takeovers.append(round(1000 * (at - fault["time"])))
                    break
            else:
                takeovers.append(None)
        return by, takeovers

    @staticmethod
    def epoch(text):
        import datetime
        return datetime.datetime.fromisoformat(text).timestamp()

    def verdict(self):
        decided = self.counters()
        r = subprocess.run([os.path.join(self.o.bin, "evrepctl"), "--json", "audit",
                            self.path("collector-siem.log")], capture_output=True, text=True)
        audit = json.loads(r.stdout) if r.stdout else {"verdict": "VIOLATION"}
        by, takeovers = self.trace()
        kinds = [k for n in ("node0", "node1") for k in decided[n].values()]
        total, tagged = sum(k["decided"] for k in kinds), sum(k["tagged"] for k in kinds)
        refused = total - tagged
        events = audit.get("once", 0) + audit.get("marked", 0) - audit.get("statements", 0)
        if tagged != events + audit.get("covered", 0) and audit.get("marked", 0) == 0:
            self.problems.append("%d records were tagged, %d are at the collector" % (tagged, events))
        good = r.returncode == 0 and not self.problems
        print()
        print("decided             %8d   (%d by node0, %d by node1; %d of them not tagged: %s)" % (
            total, sum(k["decided"] for k in decided["node0"].values()),
            sum(k["decided"] for k in decided["node1"].values()), refused, "counted by cause"))
        print("sent to collector   %8d   by node0, %d by node1" % (by["10.97.0.1"], by["10.97.0.2"]))
        print("there once          %8d   records, statements of the protocol among them: %d" % (
            audit.get("once", 0), audit.get("statements", 0)))
        print("there again, marked %8d   in doubt after a death (resend)" % audit.get("marked", 0))
        print("twice, unmarked     %8d" % audit.get("twice", -1))
        print("missing             %8d" % audit.get("missing", -1))
        print("covered by gap      %8d" % audit.get("covered", 0))
        print("death to first record taken over: %s" % ", ".join(
            "none was waiting" if t is None else "%d ms" % t for t in takeovers))
        for p in self.problems:
            print("problem: " + p)
        print("seed %d: %s" % (self.seed, "OK" if good else "VIOLATION"), flush=True)
        self.leave(decided, audit, takeovers, good)
        return good

    def leave(self, decided, audit, takeovers, good):
        if not self.o.out:
            return
        os.makedirs(self.o.out, exist_ok=True)
        shutil.copy(self.path("collector-siem.log"), self.o.out)
        result = {"seed": self.seed, "faults": self.faults, "verdict": "OK" if good else "VIOLATION",
                  "takeoverMs": takeovers, "audit": audit, "problems": self.problems}
        for name, value in (("decided.json", decided), ("drill.json", result), ("node0.json", self.last.get(0)),
                            ("node1.json", self.last.get(1))):
            with open(os.path.join(self.o.out, name), "w") as f:
                json.dump(value, f, indent=1)

    def clean_up(self):
        for name in list(self.processes):
            try:
                self.end(name, signal.SIGKILL)
            except Exception as e:
                print("clean-up: %s: %s" % (name, e), file=sys.stderr)
        self.net.down()
        for name in os.listdir("/dev/shm"):
            if name.startswith(self.net.id + "n"):
                os.unlink("/dev/shm/" + name)
        if self.o.keep:
            print("kept: " + self.dir)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def run(self):
        good = False
        try:
            self.set_up()
            self.story()
            self.last = {n: self.ctl(n, "watermark") for n in (0, 1)}
            for name in ("evrepd0", "evrepd1", "evdp0", "evdp1", "rsyslogd"):
                self.end(name)
            good = self.verdict()
        except (RuntimeError, OSError, subprocess.SubprocessError) as e:
            print("seed %d: the drill could not be finished: %s" % (self.seed, e), flush=True)
            for n in (0, 1):
                print(self.table(n))
                for name in ("evdp%d.log" % n, "evrepd%d.log" % n):
                    if os.path.exists(self.path(name)):
                        with open(self.path(name), errors="replace") as f:
                            print("---- %s\n%s" % (name, f.read()[-4000:]))
        finally:
            self.clean_up()
        return good


def main():
    p = argparse.ArgumentParser(prog="integration/drill", description="kill each node of a real pair, and audit "
                                "what the collector has")
    p.add_argument("name", nargs="?", default="node-dies", choices=["node-dies", "kill-evrepd", "all"])
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--sink", default="tcp", choices=["tcp"])
    p.add_argument("--repeat", type=int, default=1, help="so many drills, with seeds from --seed on")
    p.add_argument("--rate", type=int, default=1500, help="packets a second")
    p.add_argument("--out", help="leave the collector's file, marks and verdict there")
    p.add_argument("--keep", action="store_true", help="keep the working folder")
    p.add_argument("--verbose", action="store_true", help="show the status command's answers on the way")
    p.add_argument("--bin", help=argparse.SUPPRESS)
    o = p.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    remove_leftovers()
    good = 0
    for i in range(o.repeat):
        good += Drill(o, o.seed + i).run()
    if o.repeat > 1:
        print("%d of %d drills OK" % (good, o.repeat))
    return 0 if good == o.repeat else 1


if __name__ == "__main__":
    sys.exit(main())
