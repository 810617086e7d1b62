"""The redundancy group is moved between the nodes a hundred times under load, by command.

No takeover, nothing in doubt, and few packets between two primaries: a role is left before it is taken, and each
node drains what it began (T1).
By turns the command runs on the node that gives and on the one that takes; now and then the giver also hands
over what it has not delivered, at an exact position.
"""
from node import PATIENT

QUICK = True
SETTINGS = {"timing": PATIENT}


def story(s):
    times = s.moved = s.long(100, 16)
    s.nothing_in_doubt = True
    s.pause(2)
    for i in range(times):
        to = 1 - s.primary()
        s.wait("the nodes to hear each other", lambda: all(s.node[n].session() for n in (0, 1)))
        at = s.node[(i // 2) % 2]
        status, text = at.ctl("failover", "1", "--to", str(to))
        s.require("switchover %d to node%d by node%d: %s" % (i, to, at.n, text.strip()), status == 0)
        if i % 8 == 7:
            s.fault("node%d hands over what it has" % to, to)
            for n in (to, 1 - to):  # There, and back again.
                status, text = s.node[n].ctl("handover")
                s.require("hand-over by node%d: %s" % (n, text.strip()), status == 0)
    s.say("%d planned switchovers" % times)
    s.await_records()
    s.require("no takeover", s.node[0].takeovers() == 0 and s.node[1].takeovers() == 0)
    for n in (0, 1):
        c = s.node[n].ask("cluster")
        s.say("node%d: from the last decision to the dataplane's word: %.1f us" % (n, c["decisionToEffectUs"]))
