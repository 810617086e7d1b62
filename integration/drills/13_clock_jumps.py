"""The wall clock of the primary jumps an hour ahead and the node dies; then the other's jumps an hour back, and it dies.

Leases and detection run on the boot clock, so a jump is no death; and no epoch is used twice.
"""
from clock import Clock
from node import PATIENT

SETTINGS = {"timing": PATIENT}


def prepare(s):
    s.clock = [Clock(s, node) for node in s.node]


def story(s):
    s.pause(2)
    for hours in (1, -1):
        n = s.primary()
        since, before = [x.log_size() for x in s.node], [x.takeovers() for x in s.node]
        s.clock[n].jump(3600 * hours)
        s.fault("the clock of node%d jumps %+d h" % (n, hours), n)
        s.say("the wall clock of node%d jumps %+d h" % (n, hours))
        s.pause(3)
        s.await_records()
        s.require("nobody is thought dead for a jump", not any(x.says("is declared dead", at) for x, at in zip(s.node, since)))
        s.require("nobody takes over for a jump", [x.takeovers() for x in s.node] == before)
        s.kill_node(n)
        s.pause(2)
        s.return_node(n)
        s.await_settled()
        s.pause(2)
