"""Nobody is thought dead who is alive: a pair with a short dead-peer detection carries traffic, storms and a busy
machine for long.  Then each node dies once, and is missed as fast as was configured.  Run by integration/soak."""
import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time

import collectors
from drill import run_one
from net import remove_leftovers

BUSY = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_DFL)\nwhile True: pass"


class Story:
    NAME, NUMBER, TITLE, NOT = "soak", 0, "a pair under load, and nobody is thought dead", {}
    LOSES = 0

    def __init__(self, o):
        self.o = o
        dead = o.dead_after_ms
        self.SETTINGS = {"daemon": "scheduling = realtime\n", "timing": "  heartbeat-ms = %d dead-after-ms = %d lease-ms = %d\n" %
                         (max(10, dead // 5), dead, dead * 3 // 5)}

    def bear(self, s):
        """Load on the machine and storms at the dataplane, in turns that the seed decides."""
        until, r = time.monotonic() + 60 * self.o.minutes, random.Random(s.seed)
        turns = 0
        while time.monotonic() < until:
            busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(r.randint(0, self.o.busy))]
            try:
                s.storm(r.random() < 0.3)
                time.sleep(min(r.uniform(2, 10), max(0.1, until - time.monotonic())))
            finally:
                for p in busy:
                    p.kill()
                    p.wait()
            turns += 1
            self.look(s, turns)
        s.storm(False)

    def look(self, s, turns):
        for n in s.node:
            s.require("in turn %d node%d does not think its peer dead" % (turns, n.n),
                      not n.says("is declared dead", self.since[n.n]))
            s.require("in turn %d node%d takes nothing over" % (turns, n.n), n.takeovers() == self.before[n.n])
        if s.problems:
            raise RuntimeError(s.problems[-1])

    def story(self, s):
        self.since, self.before = [n.log_size() for n in s.node], [n.takeovers() for n in s.node]
        s.say("%.1f minutes, up to %d busy processes, dead after %d ms" %
              (self.o.minutes, self.o.busy, self.o.dead_after_ms))
        self.bear(s)
        s.say("nobody was thought dead")
        for n in (s.primary(), 1 - s.primary()):
            s.kill_node(n)
            s.pause(2)
            s.return_node(n)
            s.await_settled()
            s.pause(1)


def main():
    p = argparse.ArgumentParser(prog="integration/soak", description=__doc__.replace("\n", " "))
    p.add_argument("--minutes", type=float, default=30)
    p.add_argument("--dead-after-ms", type=int, default=100)
    p.add_argument("--busy", type=int, default=4, help="at most so many processes that only compute (default 4)")
    p.add_argument("--memory", action="store_true", help="keep journals and logs in memory: how slow the disk is is not asked")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--rate", type=int, default=1500, help="packets a second (default 1500); a storm is nine times that")
    p.add_argument("--sink", default="tcp", choices=list(collectors.KINDS))
    p.add_argument("--out", help="leave the collector's file, marks, verdict and report there")
    p.add_argument("--keep", action="store_true", help="keep the working folder")
    p.add_argument("--verbose", action="store_true")
    p.add_argument("--build", help=argparse.SUPPRESS)
    o = p.parse_args()
    o.short = False
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    remove_leftovers()
    if o.memory:
        tempfile.tempdir = "/dev/shm"
    return 0 if run_one(o, Story(o), o.sink, o.seed, o.out)["good"] else 1


if __name__ == "__main__":
    sys.exit(main())
