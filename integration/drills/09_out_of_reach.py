"""The collector is out of reach from one node only, first from the primary, then from the standby.

The primary hands what waits for the collector to its peer by itself, which goes on with it meanwhile (T2).  The
standby emits its own few statements only, so the second matters little to the stream: nothing may be lost.
"""
NOT = {"udp": "UDP does not tell that nobody receives"}


def story(s):
    s.pause(2)
    for from_primary in (True, False):
        p = s.primary()
        n = p if from_primary else 1 - p
        since = s.node[n].log_size()
        s.net.cut("switch", "n%dlog" % n)
        s.fault("the collector is out of reach from node%d" % n, n)
        s.say("the collector is out of reach from node%d (%s)" % (n, "primary" if from_primary else "standby"))
        if from_primary:
            s.wait("node%d to hand over to its peer what waits for the collector" % n,
                   lambda: s.node[n].says("what waits for it goes to the peer", since))
            s.await_records()  # Only the peer reaches the collector.
            s.require("node%d stays primary" % n, s.primary() == n)
            s.say("the peer goes on with what waited at node%d" % n)
        s.pause(4)
        s.net.heal("switch")
        s.mend("the collector is in reach again", n)
        s.await_settled()
        s.await_records()
        s.say("in reach again, records flow")
        s.pause(2)
