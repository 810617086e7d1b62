"""evrepd of the primary gets SIGKILL: once it is back at once, once only after its peer took over.

The journal and the ring outlive it.  Nothing is lost; in doubt is at most what was with the collector.
"""
QUICK = True


def story(s):
    s.pause(2)
    for back_after_s in (0, 2):
        n = s.primary()
        before = s.node[1 - n].takeovers()
        s.note_confirmed(n)
        s.say("evrepd of node%d is killed" % n)
        s.fault("evrepd of node%d is killed" % n, n, taker=1 - n)
        s.node[n].kill("evrepd")
        if back_after_s:
            s.await_takeover(1 - n, before)
            s.pause(back_after_s)
        s.node[n].start_evrepd()
        s.await_settled()
        s.say("evrepd of node%d is back, everything is settled" % n)
        s.mend("evrepd of node%d returns" % n, n)
        s.await_records()
        s.pause(2)
