"""evdp ends, its ring is removed, and evdp makes another, at the primary and at the standby; then evrepd ends there, too.

evrepd goes on with the new ring as the same process, once what the old one held is journaled, and starts again on it,
once told to end and once killed.  Nothing is lost, and nothing of the old ring is told again.
"""
import signal


def replace(s, n):
    node = s.node[n]
    before = node.log_size()
    s.fault("the ring of node%d is replaced" % n, n)
    s.processes.end("evdp%d" % n)
    node.lose_ring()
    node.start_evdp()
    s.wait("evrepd of node%d to go on with the new ring" % n, lambda: node.says("its file is another one now", before))
    s.wait("it to be up", lambda: node.says("is up", before) and node.ask() is not None)
    s.mend("node%d has another ring" % n, n)
    s.await_settled()
    s.say("node%d has another ring, everything is settled" % n)


def story(s):
    s.pause(2)
    for number in (signal.SIGTERM, signal.SIGKILL):
        primary = s.primary()
        for n in (primary, 1 - primary):
            replace(s, n)
            s.await_records()
            before = s.node[1 - n].takeovers()
            s.fault("evrepd of node%d ends on it" % n, n)
            s.processes.end("evrepd%d" % n, number, wait=number == signal.SIGTERM)
            s.pause(1)
            s.node[n].start_evrepd()
            s.mend("evrepd of node%d returns" % n, n)
            s.await_settled()
            s.await_records()
            s.say("evrepd of node%d is back, takeovers by the other: %d" % (n, s.node[1 - n].takeovers() - before))
