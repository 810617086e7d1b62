"""The collector is out of reach from one node only, first from the primary, then from the standby.

The standby emits its own few statements only, so only the first matters to the stream: nothing may be lost.
"""
NOT = {"udp": "UDP does not tell that nobody receives"}


def story(s):
    s.pause(2)
    for from_primary in (True, False):
        p = s.primary()
        n = p if from_primary else 1 - p
        s.net.cut("switch", "n%dlog" % n)
        s.fault("the collector is out of reach from node%d" % n, n)
        s.say("the collector is out of reach from node%d (%s)" % (n, "primary" if from_primary else "standby"))
        s.pause(4)
        s.net.heal("switch")
        s.mend("the collector is in reach again", n)
        s.await_settled()
        s.await_records()
        s.say("in reach again, records flow")
        s.pause(2)
