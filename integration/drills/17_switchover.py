"""A planned switchover, a hundred times under load.

Both nodes are alive, so nothing is in doubt, nothing is lost, nothing is taken over: segments move at an exact
position (T1), and no decided event is missing.
"""
from node import PATIENT

SETTINGS = {"timing": PATIENT}


def story(s):
    s.pause(2)
    for i in range(s.long(100, 10)):
        n = s.primary()
        s.failover(1 - n)
        if i % 10 == 0:
            s.fault("switchover to node%d" % (1 - n), 1 - n, kind="planned")
            s.say("switchover %d: node%d is primary" % (i + 1, 1 - n))
        s.pause(0.2)
    s.await_settled()
    s.require("nothing is taken over", s.node[0].takeovers() + s.node[1].takeovers() == 0)
    s.nothing_in_doubt = True
