"""Both nodes die in the same instant, and come back one after the other: node0 first, then node1 first.

The one that is back alone holds what its peer may have had to itself; it settles when the other returns.
"""


def holds(node):
    w = node.ask()
    return w is not None and any(g["state"] == "held" for x in w["streams"] for g in x["segments"])


def story(s):
    s.pause(2)
    for first in (0, 1):
        for n in (0, 1):
            s.net.set_links("node%d" % n, "down")
        for n in (0, 1):
            s.node[n].kill()
        s.fault("both nodes die")
        s.say("both nodes die")
        s.pause(1)
        for n in (first, 1 - first):
            s.net.set_links("node%d" % n, "up")
            s.node[n].start()
            s.mend("node%d returns" % n, n)
            s.wait("node%d to know a primary" % n, lambda: s.node[n].primary() in (0, 1))
            s.say("node%d is back" % n)
            s.pause(3)
            if n == first:
                s.require("node%d alone holds what its peer may have" % n, holds(s.node[n]))
        s.await_settled()
        s.say("everything is settled, node%d is primary" % s.primary())
        s.await_records()
        s.pause(2)
