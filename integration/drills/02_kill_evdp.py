"""evdp of the primary gets SIGKILL, perhaps between claiming a slot and filling it, and is started again.

evrepd goes on: what was in the ring is delivered, a slot that was never filled becomes one ABANDONED record.
"""


def story(s):
    s.pause(2)
    for _ in range(2):
        n = s.primary()
        s.say("evdp of node%d is killed" % n)
        s.fault("evdp of node%d is killed" % n, n)
        s.node[n].kill("evdp")
        s.pause(2)
        s.node[n].start_evdp()
        s.mend("evdp of node%d returns" % n, n)
        s.await_records()
        s.say("evdp of node%d is back, events flow" % n)
        s.pause(2)
