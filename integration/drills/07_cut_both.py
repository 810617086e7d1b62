"""Both links are cut with traffic on both nodes, and healed after 2 s, then after 20 s.

Each node thinks that the other is dead; both decide, tag and emit.  Nothing of the one is emitted by the other as
its own, and what either holds is settled when they meet again.
"""
QUICK = True


def story(s):
    s.pause(2)
    for seconds in (2, s.long(20, 6)):
        for n in (0, 1):
            s.net.cut("node%d" % n, "control", "fabric")
        s.fault("both links are cut")
        s.say("both links are cut for %d s" % seconds)
        s.wait("both nodes to be primary", lambda: s.node[0].is_primary() and s.node[1].is_primary())
        s.say("both nodes are primary")
        s.pause(seconds)
        for n in (0, 1):
            s.net.heal("node%d" % n)
        s.mend("both links heal")
        s.await_settled()
        s.say("the links are healed, node%d is primary, everything is settled" % s.primary())
        s.await_records()
        s.pause(2)
