"""Two evrepd, two event generators and a real collector; what dies, dies at random moments.  The verdict is
`evrepctl audit` on what the collector has: every record once, none missing, none marked in doubt."""
import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback

from exact_file import File
from net import Net, keep_folder, remove_leftovers, working_folder
from node import at_rest
from processes import Processes, end_on_signals

EVREPD = """node = {n}
cluster-id = 7
hostname = "fw1"
state-dir = "{dir}"
control-socket = "{dir}/evrep.sock"
metrics = "127.0.0.1:9180"
peer {{
  key-file = "{key}"
  heartbeat-ms = 100  dead-after-ms = {dead}  lease-ms = 300
  link "control" {{ local = "10.99.0.{me}:5900" remote = "10.99.0.{other}:5900" }}
  link "fabric" {{ local = "10.98.0.{me}:5900" remote = "10.98.0.{other}:5900" }}
}}
redundancy-group "1" {{ priority = {priority} }}
source "dp" {{ type = ring ring = "{ring}" }}
{sink}
"""

NATS = """listen: "10.97.0.10:{port}"
server_name: "s{i}"
jetstream {{ store_dir: "{dir}/s{i}" }}
{cluster}
"""
CLUSTER = """cluster {{
  name: "c"
  listen: "127.0.0.1:{port}"
  routes: ["nats://127.0.0.1:6222", "nats://127.0.0.1:6223", "nats://127.0.0.1:6224"]
}}"""


RSYSLOG = """global(maxMessageSize="64k" workDirectory="{dir}" parser.escapeControlCharactersOnReceive="off")
module(load="imtcp")
template(name="raw" type="string" string="%rawmsg%\\n")
ruleset(name="bus") {{ action(type="omfile" file="{dir}/collector-bus.log" template="raw" flushOnTXEnd="on") }}
input(type="imtcp" port="601" ruleset="bus")
"""


class JetStream:
    """One nats-server, or three in a cluster; in the cluster they die too."""
    process_dies, node_dies = False, True

    def __init__(self, run, servers=1):
        self.run, self.servers = run, servers
        self.url = ",".join("nats://10.97.0.10:%d" % (4222 + i) for i in range(servers))

    def start(self):
        for i in range(self.servers):
            cluster = CLUSTER.format(port=6222 + i) if self.servers > 1 else ""
            with open(self.run.path("nats%d.conf" % i), "w") as f:
                f.write(NATS.format(port=4222 + i, i=i, dir=self.run.dir, cluster=cluster))
            self.start_server(i)
        self.run.tool("jsstream", self.url, "make", "RTFLOW", "rtflow.*", str(self.servers))

    def start_server(self, i):
        self.run.processes.spawn("nats%d" % i, "collector", "nats-server", "-c", self.run.path("nats%d.conf" % i))

    def sink(self, n):
        return 'sink "bus" { type = jetstream url = "%s" stream = "RTFLOW" subject = "rtflow" }' % self.url

    def disturb(self):
        if self.servers == 1:
            return
        i = self.run.random.randrange(self.servers)
        self.run.processes.end("nats%d" % i, signal.SIGKILL)
        self.run.pause(0, 0.3)
        self.start_server(i)
        self.run.say("server %d was killed and is back" % i)

    def received(self):
        file = self.run.path("collector-bus.log")
        self.run.wait("the stream to be read", lambda: self.dump(file), 60)
        return [file]

    def dump(self, file):
        """A cluster that has just lost a server may need a moment."""
        try:
            with open(file, "wb") as f:
                f.write(self.run.tool("jsstream", self.url, "dump", "RTFLOW", "rtflow.*"))
            return True
        except subprocess.SubprocessError:
            return False


class Rsyslog:
    """A real rsyslogd over plain TCP; only evrepd dies, and evrep-keeper starts it again (D1a)."""
    process_dies, node_dies = True, False

    def __init__(self, run):
        self.run = run

    def start(self):
        with open(self.run.path("rsyslog.conf"), "w") as f:
            f.write(RSYSLOG.format(dir=self.run.dir))
        self.run.processes.spawn("rsyslogd", "collector", "rsyslogd", "-n", "-iNONE", "-f", self.run.path("rsyslog.conf"))

    def sink(self, n):
        return 'sink "bus" { type = syslog transport = tcp address = "10.97.0.10:601" }'

    def disturb(self):
        pass

    def unread(self):
        """Bytes that its TCP stack has acknowledged, and rsyslogd has not read."""
        r = self.run.net.run("collector", "ss", "-Htn", "state", "established", "sport", "=", ":601")
        return sum(int(line.split()[0]) for line in r.splitlines())

    def received(self):
        """It throws away what it has not read when it ends, so it is given the time to write it all."""
        file = self.run.path("collector-bus.log")
        self.run.wait("rsyslogd to read what it was sent", lambda: self.unread() == 0, 120)
        size, since = -1, time.monotonic()

        def rests():
            nonlocal size, since
            if os.path.getsize(file) != size:
                size, since = os.path.getsize(file), time.monotonic()
            return time.monotonic() - since >= 1
        self.run.wait("rsyslogd to have written what it read", rests, 120)
        self.run.processes.end("rsyslogd")
        return [file]


class Floating(Rsyslog):
    """From an address that each node has for itself, and that the survivor takes (D1b)."""
    node_dies = True

    def sink(self, n):
        return ('sink "bus" { type = syslog transport = tcp address = "10.97.0.10:601" source = "%s" }' %
                self.source(n))

    def source(self, n):
        return "10.97.0.%d" % (101 + n)

    def dies(self, n):
        """First its way to the collector, so that it writes what arrives nowhere, and knows nothing of it."""
        self.run.net.set_links("node%d" % n, "down", ["log"])
        self.run.pause(0, 0.1)

    def revived(self, n):
        """The survivor has asked the dead node's connection, and says so wherever it tells of its sinks."""
        self.run.wait("node %d to revive a connection" % n, lambda: self.revivals(n)["settled"] > 0)
        r = self.revivals(n)
        text = self.run.net.run("node%d" % n, sys.executable, "-c", "import urllib.request as u; "
                                "print(u.urlopen('http://127.0.0.1:9180/metrics', timeout=20).read().decode())")
        for outcome, count in r.items():
            line = 'evrep_sink_revivals_total{sink="bus",outcome="%s"} %d' % (outcome, count)
            if line not in text.split("\n"):
                raise RuntimeError("the metrics do not say: " + line)
        self.run.say("node %d: revivals: %s" % (n, r))

    def revivals(self, n):
        r = subprocess.run([self.run.bin("evrepctl"), "-s", self.run.path("node%d" % n, "evrep.sock"), "--json", "sinks"],
                           check=True, capture_output=True, text=True, timeout=COMMAND_S)
        return json.loads(r.stdout)["sinks"][0]["revivals"]

    def reset(self, n):
        """A host that starts anew has no such address, and no socket with it."""
        self.run.net.ip("node%d" % n, "addr", "flush", "dev", "log", "to", self.source(n))


class Floating6(Floating):
    """The same over IPv6."""

    def start(self):
        for host, address in (("node0", 1), ("node1", 2), ("collector", 10)):
            self.run.net.run(host, "sysctl", "-qw", "net.ipv6.conf.log.disable_ipv6=0", "net.ipv6.conf.log.keep_addr_on_down=1")
            self.run.net.ip(host, "addr", "add", "fd97::%d/64" % address, "dev", "log", "nodad")
        Floating.start(self)

    def sink(self, n):
        return Floating.sink(self, n).replace("10.97.0.10:601", "[fd97::10]:601")

    def source(self, n):
        return "fd97::%d" % (101 + n)


KINDS = {"keeper": Rsyslog, "file": File, "tcp-floating": Floating, "tcp-floating-6": Floating6, "jetstream": JetStream, "cluster": lambda run: JetStream(run, 3)}


COMMAND_S = 60  # For any command that this waits for; each has shorter limits of its own.


class Patience:
    """A bound for all that a block does, whatever it waits in: the error says where that was."""

    def __init__(self, seconds, what):
        self.seconds, self.what = seconds, what

    def __enter__(self):
        signal.signal(signal.SIGALRM, self.over)
        signal.alarm(self.seconds)

    def __exit__(self, *_):
        signal.alarm(0)

    def over(self, number, frame):
        where = ["%s:%d %s" % (os.path.basename(f.filename), f.lineno, f.name) for f in traceback.extract_stack(frame)]
        raise RuntimeError("%s took more than %d s; it was in %s" % (self.what, self.seconds, " > ".join(where[-6:])))


class Run:
    def __init__(self, options, seed):
        self.o, self.seed = options, seed
        self.random = random.Random(seed)
        self.net = Net(os.getpid())
        self.dir = working_folder("exact")
        self.processes = Processes(self.net, self.dir)
        self.collector = KINDS[options.sink](self)
        self.begin = time.monotonic()

    def say(self, text):
        if self.o.verbose:
            print("%7.2f s  %s" % (time.monotonic() - self.begin, text), flush=True)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def pause(self, least, most):
        """The moment of a fault is what the seed chooses."""
        time.sleep(self.random.uniform(least, most))

    def wait(self, what, test, seconds=60):
        until = time.monotonic() + seconds
        while not test():
            for name in list(self.processes.running):
                status = self.processes.ended(name)
                if status is not None:
                    raise RuntimeError("%s had ended by itself (%d)" % (name, status))
            if time.monotonic() > until:
                raise RuntimeError("waited %d s in vain for: %s" % (seconds, what))
            time.sleep(0.02)

    def tool(self, name, *args):
        command = ["ip", "netns", "exec", self.net.ns("collector"), os.path.join(self.o.build, "tests", name)]
        return subprocess.run(command + list(args), check=True, capture_output=True, timeout=COMMAND_S).stdout

    def bin(self, name):
        return os.path.join(self.o.build, "bin", name)

    # ---- nodes ----

    def configure(self, n):
        os.makedirs(self.path("node%d" % n))
        with open(self.path("node%d.conf" % n), "w") as f:
            f.write(EVREPD.format(n=n, me=n + 1, other=2 - n, dir=self.path("node%d" % n), key=self.path("key"),
                                  priority=200 - 100 * n, ring=self.ring(n), sink=self.collector.sink(n), dead=self.dead()))

    def dead(self):
        """Where only the process dies, its peer shall not take over: a busy machine can take seconds to start another."""
        return self.o.dead if self.collector.node_dies else 15 * self.o.dead

    def ring(self, n):
        return "%sn%d" % (self.net.id, n)

    def start_evrepd(self, n):
        keeper = [self.bin("evrep-keeper")] if self.collector.process_dies else []
        self.processes.spawn("evrepd%d" % n, "node%d" % n, *keeper, self.bin("evrepd"), "-c",
                             self.path("node%d.conf" % n))

    def start_node(self, n):
        self.start_evrepd(n)
        self.processes.spawn("evgen%d" % n, "node%d" % n, os.path.join(self.o.build, "tests", "evgen"), self.ring(n),
                             str(n), "1", str(self.o.rate))

    def marks(self, n):
        r = subprocess.run([self.bin("evrepctl"), "-s", self.path("node%d" % n, "evrep.sock"),
                            "--json", "watermark"], capture_output=True, text=True, timeout=COMMAND_S)
        return json.loads(r.stdout) if r.returncode == 0 else None

    def session(self):
        marks = [self.marks(n) for n in (0, 1)]
        return all(w is not None and w["session"]["state"] == "up" for w in marks)

    def primary(self, n):
        w = self.marks(n)
        return w["redundancyGroups"][0]["primary"] if w else None

    def flows(self, n):
        w = self.marks(n)
        return w is not None and any(g["produced"] > 100 for s in w["streams"] for g in s["segments"])

    def quiet(self):
        for n in (0, 1):
            w = self.marks(n)
            if not w or w["waiting"] or not at_rest(w):
                return False
        return True

    # ---- the story ----

    def kill_node(self, n):
        """The whole host: its links first, as a dead kernel sends nothing more."""
        if hasattr(self.collector, "dies"):
            self.collector.dies(n)
        self.net.set_links("node%d" % n, "down")
        child = self.child(n) if self.collector.process_dies else None
        for name in ("evrepd", "evgen"):
            self.processes.end("%s%d" % (name, n), signal.SIGKILL)
        if child is not None and os.path.exists("/proc/%d" % child):
            os.kill(child, signal.SIGKILL)
        if hasattr(self.collector, "reset"):
            self.collector.reset(n)
        self.say("node %d is dead" % n)

    def node_dies(self, n):
        self.kill_node(n)
        self.wait("node %d to be primary" % (1 - n), lambda: self.primary(1 - n) == 1 - n)
        if self.o.deaths and hasattr(self.collector, "revived"):
            self.collector.revived(1 - n)
        self.pause(0.1, 1.0)
        self.net.set_links("node%d" % n, "up")
        self.start_node(n)
        self.wait("a session", self.session)
        self.say("node %d is back" % n)

    def child(self, n):
        """The process that the keeper of that node runs."""
        keeper = self.processes.running["evrepd%d" % n].pid
        with open("/proc/%d/task/%d/children" % (keeper, keeper)) as f:
            pids = f.read().split()
        return int(pids[0]) if pids else None

    def process_dies(self, n):
        pid = self.child(n)
        if hasattr(self.collector, "moment"):
            self.collector.moment(n)
        os.kill(pid, signal.SIGKILL)
        if hasattr(self.collector, "died"):
            self.collector.died(n)
        self.wait("another evrepd", lambda: self.child(n) not in (None, pid))
        self.say("evrepd of node %d was killed" % n)
        self.wait("a session", self.session)

    def process_lingers(self, n):
        """Its keeper starts the next one late: the peer takes over from a host that lives, with the address and all."""
        pid, keeper = self.child(n), self.processes.running["evrepd%d" % n]
        keeper.send_signal(signal.SIGSTOP)
        os.kill(pid, signal.SIGKILL)
        self.wait("node %d to be primary" % (1 - n), lambda: self.primary(1 - n) == 1 - n)
        self.pause(0, 0.5)
        keeper.send_signal(signal.SIGCONT)
        self.wait("another evrepd", lambda: self.child(n) not in (None, pid))
        self.say("evrepd of node %d was killed, and is back late" % n)
        self.wait("a session", self.session)

    def story(self):
        for i in range(self.o.kills):
            self.pause(0.2, 1.4)
            n = self.primary(0) if self.primary(0) is not None else 0
            if self.random.random() < 0.2 and not self.o.deaths:
                n = 1 - n
            deaths = [self.process_dies] * self.collector.process_dies + [self.node_dies] * self.collector.node_dies
            if self.o.deaths:
                deaths = [{"host": self.node_dies, "process": self.process_dies,
                           "lingering": self.process_lingers}[self.o.deaths[i]]]
            (deaths[0] if len(deaths) == 1 else self.random.choice(deaths))(n)
            self.collector.disturb()
        self.pause(0.2, 0.5)

    def set_up(self):
        self.net.up()
        subprocess.run([self.bin("evrepctl"), "keygen", self.path("key")], check=True)
        self.collector.start()
        for n in (0, 1):
            self.configure(n)
            self.start_node(n)
        self.wait("a session", self.session)
        self.wait("records to flow", lambda: self.flows(0) or self.flows(1))
        self.say("two nodes, one session, records flow")

    def rest(self):
        for n in (0, 1):
            self.processes.end("evgen%d" % n)
        self.wait("everything to be delivered and settled", self.quiet, 90)

    def verdict(self):
        files = self.collector.received()
        r = subprocess.run([self.bin("evrepctl"), "--json", "audit"] + files,
                           capture_output=True, text=True)
        a = json.loads(r.stdout) if r.stdout else {}
        good = r.returncode == 0 and a["once"] > 0 and not (a["marked"] or a["twice"] or a["missing"] or a["covered"])
        print("seed %d: %s: %d once, %d marked, %d twice, %d missing, %d covered by gap records, %d kills%s, %.1f s" % (
            self.seed, "OK" if good else "VIOLATION", a.get("once", 0), a.get("marked", 0), a.get("twice", -1),
            a.get("missing", -1), a.get("covered", 0), self.o.kills, self.note(), time.monotonic() - self.begin), flush=True)
        if self.o.out:
            os.makedirs(self.o.out, exist_ok=True)
            for file in files:
                name = os.path.basename(file)
                shutil.copy(file, os.path.join(self.o.out, name if len(files) == 1 else file[len(self.dir) + 1:].replace("/", "-")))
        return good

    def note(self):
        return self.collector.note() if hasattr(self.collector, "note") else ""

    def last_words(self):
        for n in (0, 1):
            file = self.processes.log("evrepd%d" % n)
            if not os.path.exists(file):
                continue
            with open(file, errors="replace") as f:
                print("evrepd of node %d:\n%s" % (n, "".join(f.readlines()[-12:])), flush=True)

    def run(self):
        good = False
        try:
            with Patience(300 + 60 * self.o.kills, "the run"):
                self.set_up()
                self.story()
                self.rest()
                good = self.verdict()
        except (RuntimeError, OSError, subprocess.SubprocessError) as e:
            print("seed %d: the drill broke down: %s" % (self.seed, e), flush=True)
            self.last_words()
        finally:
            with Patience(120, "its clean-up"):
                self.clean_up(self.o.keep or (not good and self.o.keep_bad))
        return good

    def clean_up(self, keep):
        self.processes.clean_up()
        self.net.down()
        for name in os.listdir("/dev/shm"):
            if name.startswith(self.net.id + "n"):
                os.unlink("/dev/shm/" + name)
        if keep:
            keep_folder(self.dir)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)


def main():
    p = argparse.ArgumentParser(prog="integration/exact", description=__doc__)
    p.add_argument("--sink", choices=list(KINDS), default="jetstream")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--repeat", type=int, default=1, help="so many runs, with seeds from --seed on")
    p.add_argument("--kills", type=int, default=2, help="kills in one run")
    p.add_argument("--deaths", type=lambda text: text.split(","), metavar="host|process|lingering,...",
                   help="what dies, one after the other, always of the primary node; instead of --kills")
    p.add_argument("--rate", type=int, default=3000, help="events a second")
    p.add_argument("--dead", type=int, default=1000, help="dead-after-ms")
    p.add_argument("--out", help="leave what the collector has there")
    p.add_argument("--keep", action="store_true", help="keep the working folder")
    p.add_argument("--keep-bad", action="store_true", help="keep it when the verdict is bad")
    p.add_argument("--verbose", action="store_true")
    p.add_argument("--build", help=argparse.SUPPRESS)
    o = p.parse_args()
    if o.deaths:
        if not set(o.deaths) <= {"host", "process", "lingering"}:
            p.error("--deaths: host, process or lingering")
        o.kills = len(o.deaths)
    end_on_signals()
    remove_leftovers()
    good = sum(Run(o, o.seed + i).run() for i in range(o.repeat))
    print("%s: %d of %d runs OK" % (o.sink, good, o.repeat))
    return 0 if good == o.repeat else 1


if __name__ == "__main__":
    sys.exit(main())
