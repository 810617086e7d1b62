"""One direction of both links is cut: what one node sends is not heard, what it is sent it hears.

First the primary goes unheard, then the standby.  Half a partition must not end in two writers of one record.
"""


def story(s):
    s.pause(2)
    for unheard_is_primary in (True, False):
        p = s.primary()
        unheard = p if unheard_is_primary else 1 - p
        s.net.cut("node%d" % (1 - unheard), "control", "fabric")
        s.fault("node%d is not heard any more" % unheard, unheard)
        s.say("frames from node%d to node%d vanish, on both links" % (unheard, 1 - unheard))
        s.wait("the session to be lost", lambda: not (s.node[0].session() and s.node[1].session()))
        s.pause(3)
        s.net.heal("node%d" % (1 - unheard))
        s.mend("node%d is heard again" % unheard, unheard)
        s.await_settled()
        s.say("node%d is heard again, everything is settled" % unheard)
        s.await_records()
        s.pause(2)
