"""The primary is frozen, its peer takes over, and it thaws.

What it may still hand over after the thaw lies at or below its intent (T6): it looks at its lease first.
"""
import signal

QUICK = True


def story(s):
    s.pause(2)
    for _ in range(2):
        n = s.primary()
        before = s.node[1 - n].takeovers()
        s.note_confirmed(n)
        s.node[n].signal(signal.SIGSTOP)
        s.fault("node%d freezes" % n, n, taker=1 - n)
        s.say("node%d is frozen" % n)
        s.await_takeover(1 - n, before)
        s.pause(2)
        s.node[n].signal(signal.SIGCONT)
        s.mend("node%d thaws" % n, n)
        s.say("node%d thaws" % n)
        s.await_settled()
        s.await_records()
        s.pause(2)
