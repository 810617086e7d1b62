"""What a story works with: two nodes on a network, a collector, traffic; faults, and what to wait for."""
import os
import random
import shutil
import signal
import subprocess
import sys
import time

from net import Net, keep_folder, working_folder
from node import Node
from processes import Processes
from sampler import Sampler

LIB = os.path.dirname(os.path.abspath(__file__))
PATIENCE_S = 180  # The machine may be busy: a wait is for a condition, never for a time.


class Stage:
    def __init__(self, options, seed, collector, settings=None):
        self.o, self.seed = options, seed
        self.settings = settings or {}
        self.random = random.Random(seed)
        self.net = Net(os.getpid())
        self.dir = working_folder("drill")
        self.processes = Processes(self.net, self.dir)
        self.begin, self.begin_time = time.monotonic(), time.time()
        self.faults, self.said, self.problems = [], [], self.processes.problems
        self.nothing_in_doubt = False
        self.confirmed = []  # When, and (origin, epoch): up to where both nodes had then heard of confirmations.
        self.moved = 0  # How often, by command: segments stay with the other node while they are open.
        self.undo = []  # What a story set up outside its folder and namespaces.
        self.samplers = []
        self.collector = collector(self)
        self.node = [Node(n, self) for n in (0, 1)]

    # ---- small things ----

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def program(self, name):
        return os.path.join(self.o.build, "bin", name)

    def say(self, text):
        at = time.monotonic() - self.begin
        self.said.append((at, text))
        print("%7.2f s  %s" % (at, text), flush=True)

    def wait(self, what, test, seconds=PATIENCE_S, begins=lambda: 0):
        """begins: when, as time.time() says, what is waited for began anew."""
        until = time.monotonic() + seconds
        while not test():
            if time.monotonic() > until and time.time() > begins() + seconds:
                raise RuntimeError("waited %d s in vain for: %s" % (seconds, what))
            time.sleep(0.02)

    def pause(self, seconds):
        """Traffic goes on meanwhile; how long differs from seed to seed."""
        time.sleep(seconds * self.random.uniform(0.8, 1.2))

    def show(self, n):
        if self.o.verbose:
            print(self.node[n].table(), flush=True)

    # ---- set-up ----

    def set_up(self, prepare=None):
        self.net.up()
        subprocess.run([self.program("evrepctl"), "keygen", self.path("cluster.key")], check=True)
        self.collector.start()
        if prepare:
            prepare(self)
        for node in self.node:
            node.configure()
        self.node[0].start()  # On a busy machine the other one may be up, and primary, before it.
        self.wait("evrepd of node0 to answer", lambda: self.node[0].ask() is not None)
        self.node[1].start()
        self.await_session()
        self.wait("node0 to be primary", lambda: self.node[1].primary() == 0)
        self.wait("both nodes to have opened an epoch", lambda: all((n.ask() or {}).get("epoch") for n in self.node))
        self.say("two nodes, one session, node0 is primary")
        self.began = [n.log_size() for n in self.node]
        self.samplers = [Sampler(node, self.begin_time) for node in self.node]
        for s in self.samplers:
            s.start()
        self.processes.spawn("server", "server", sys.executable, LIB + "/traffic.py", "server")
        self.traffic = [time.time()]  # Its begin and its end.
        self.processes.spawn("client", "client", sys.executable, LIB + "/traffic.py", "client", str(self.seed),
                             str(self.o.rate), self.path("sent.json"))
        self.await_records(20)

    # ---- faults ----

    def fault(self, text, node=None, taker=None, kind="fault"):
        """Takes note of what was done to the cluster, now."""
        self.faults.append({"fault": text, "node": node, "time": time.time(), "taker": taker, "kind": kind})
        if taker is None:
            del self.faults[-1]["taker"]
        return self.faults[-1]

    def mend(self, text, node=None):
        return self.fault(text, node, kind="mend")

    def note_confirmed(self, n):
        """Before node n, or its evrepd, dies: what it knows to be confirmed of a segment that both nodes speak of is in
        doubt for nobody, once its peer has heard so.  Thus in doubt is at most what is on its way at the fault."""
        mine, both = self.node[n].emitted(), {}

        def heard():
            theirs = self.node[1 - n].emitted()
            both.update((g, e) for g, e in mine.items() if g in theirs)
            return theirs and all(theirs.get(g, e) >= e for g, e in mine.items())
        self.wait("node%d to hear what node%d has confirmed" % (1 - n, n), heard)
        self.confirmed.append((time.time(), both))

    def die(self, n):
        """Its processes and its links end in the same instant."""
        self.note_confirmed(n)
        self.net.quieten(self.node[n].name, True)
        fault = self.fault("node%d dies" % n, n, taker=1 - n)
        self.net.set_links(self.node[n].name, "down")
        self.node[n].kill()
        self.collector.host_dies(n)
        return fault

    def kill_node(self, n):
        other = 1 - n
        self.show(other)
        before = self.node[other].takeovers()
        self.die(n)
        self.say("node%d dies: its processes are killed, its links go down" % n)
        self.await_takeover(other, before)
        self.show(other)

    def return_node(self, n):
        self.net.quieten(self.node[n].name, False)
        self.net.set_links(self.node[n].name, "up")
        self.node[n].start()
        self.await_session()
        self.say("node%d is back, the session is up" % n)
        self.mend("node%d returns" % n, n)
        self.show(n)

    # ---- conditions ----

    def primary(self):
        """The node that both agree is primary."""
        said = []

        def agree():
            said[:] = [n.primary() for n in self.node]
            return said[0] in (0, 1) and said[0] == said[1]
        self.wait("both nodes to agree who is primary", agree)
        return said[0]

    def await_session(self):
        self.wait("a session between the nodes", lambda: self.node[0].session() and self.node[1].session())

    def await_takeover(self, n, before):
        self.wait("node%d to be primary" % n, self.node[n].is_primary)
        self.say("node%d is primary" % n)
        self.wait("a takeover by node%d" % n, lambda: self.node[n].takeovers() > before or self.node[n].has_all())
        self.say("node%d has taken over what node%d left" % (n, 1 - n))

    def await_settled(self):
        """A session, nothing held, every segment settled or live: ready for the next fault."""
        self.await_session()
        self.wait("every segment to be settled", lambda: self.node[0].settled() and self.node[1].settled(),
                  begins=self.last_lost)

    def last_lost(self):
        """When a session, or a sink, was lost last: on a machine that is so busy that a node or its server counts as dead
        again and again, the nodes begin anew each time.  A drill that comes to no end has its bound in batch.py."""
        return max(n.last_said(words) for n in self.node for words in ("session with the peer: lost", "sink siem: down: "))

    def await_records(self, count=200):
        """So many more records at the collector: what was decided after a fault gets through."""
        until = self.collector.lines() + count
        self.wait("%d more records at the collector" % count, lambda: self.collector.lines() >= until)

    def await_silence(self, seconds=1.0):
        """No more arrives at the collector."""
        size, since = -1, time.monotonic()
        while time.monotonic() - since < seconds:
            if self.collector.size() != size:
                size, since = self.collector.size(), time.monotonic()
            time.sleep(0.1)

    def link_state(self, n, name):
        w = self.node[n].ask()
        return next((x["state"] for x in w["session"]["links"] if x["name"] == name), None) if w else None

    def await_links(self, field, *expected):
        """Both links of each node are up, with that value of a field; one value for both nodes, or one for each."""
        def are():
            told = [node.ask("cluster") for node in self.node]
            return all(c and all(x["state"] == "up" and x[field] == expected[n % len(expected)] for x in c["links"])
                       for n, c in enumerate(told))
        self.wait("%s of both links to be %s" % (field, " and ".join(map(str, expected))), are, begins=self.last_lost)

    def samples(self):
        """What both nodes said of themselves so far."""
        return [x for s in self.samplers for _, x in list(s.samples) if x]

    def a_node_was_thought_dead(self):
        return any(n.says("is declared dead", at) for n, at in zip(self.node, self.began))

    def require(self, text, holds):
        """A property of the story's own."""
        if not holds:
            self.say("NOT SO: " + text)
            self.problems.append("not so: " + text)

    # ---- more of what stories do ----

    def long(self, seconds, short):
        """The full length, or a short one in the quick set."""
        return short if self.o.short else seconds

    def supervise(self, n):
        """As a service manager would: starts evrepd again until it stays."""
        def stays():
            if not self.node[n].running():
                status = self.processes.ended("evrepd%d" % n)
                self.say("evrepd of node%d had ended (%s); it is started again" % (n, status))
                self.node[n].start_evrepd()
            return self.node[n].ask() is not None
        self.wait("evrepd of node%d to stay" % n, stays)

    def storm(self, on):
        self.processes.send("client", signal.SIGUSR1 if on else signal.SIGUSR2)

    def failover(self, to):
        """A planned switchover by the operator's command."""
        status, text = self.node[to].ctl("failover", "1", "--to", str(to))
        if status != 0:
            raise RuntimeError("evrepctl failover 1 --to %d: %s" % (to, text.strip()))
        self.wait("node%d to be primary" % to,
                  lambda: self.node[0].primary() == to and self.node[1].primary() == to)

    def set_peer(self, n, text):
        """Other lines in the `peer` section of its configuration; a running evrepd reads its keys on SIGHUP."""
        self.node[n].peer = text
        self.node[n].configure()

    def hang_up(self, n):
        self.processes.send("evrepd%d" % n, signal.SIGHUP)

    def thief(self):
        for n in (0, 1):  # In the other node's place on the links, with an address of its own on control.
            self.net.ip("node%d" % n, "addr", "add", "10.99.0.%d/24" % (66 + n), "dev", "control")
            self.processes.spawn("thief%d" % n, "node%d" % n, sys.executable, LIB + "/thief.py",
                                 self.path("thief%d.count" % n), str(n), "10.99.0.%d" % (2 - n), "10.98.0.%d" % (2 - n))

    def thief_attempts(self):
        total = 0
        for n in (0, 1):
            self.processes.end("thief%d" % n)
            with open(self.path("thief%d.count" % n)) as f:
                total += int(f.read() or 0)
        return total

    # ---- the end ----

    def rest(self):
        self.processes.end("client")
        self.traffic.append(time.time())
        self.say("the traffic ends")
        self.await_quiet()
        self.await_silence(1.6)  # What a limiter refused is stated once a second.

    def await_quiet(self):
        try:
            self.wait("everything to be delivered and settled", lambda: self.node[0].quiet() and self.node[1].quiet(),
                      begins=self.last_lost)
        except RuntimeError as e:
            self.problems.append(str(e))

    def finish(self):
        """The last word of both nodes, then the programs end, then the collector."""
        for n in (0, 1):  # First: a late packet shall not be decided once nobody takes the event.
            self.processes.end("evdp%d" % n)
        self.await_quiet()
        self.last = [node.ask() for node in self.node]
        for s in self.samplers:
            s.stop()
        for node in self.node:
            for name in list(node.companions) + ["evrepd"]:
                self.processes.end("%s%d" % (name, node.n))
        self.collector.finish()

    def last_words(self):
        for name in ("evdp0", "evrepd0", "evdp1", "evrepd1"):
            if os.path.exists(self.path(name + ".log")):
                with open(self.path(name + ".log"), errors="replace") as f:
                    print("---- %s\n%s" % (name, f.read()[-4000:]))

    def clean_up(self):
        for s in self.samplers:
            s.stopping.set()
        self.processes.clean_up()
        for step in reversed(self.undo):
            try:
                step()
            except Exception as e:
                print("clean-up: %s" % e, file=sys.stderr)
        self.net.down()
        for name in os.listdir("/dev/shm"):
            if name.startswith(self.net.id + "n"):
                os.unlink("/dev/shm/" + name)
        if self.o.keep:
            keep_folder(self.dir)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
