"""A link flaps once a second for half a minute: first control alone, then both at once.

One link carries on while the other flaps.  When both do, sessions come and go: nothing is lost, nothing doubled.
"""
import time


def story(s):
    s.pause(2)
    for links in (["control"], ["control", "fabric"]):
        s.fault("%s flaps" % " and ".join(links))
        s.say("%s: down and up once a second" % " and ".join(links))
        until = time.monotonic() + s.long(30, 8)
        while time.monotonic() < until:
            s.net.set_links("node0", "down", links)
            time.sleep(0.5)
            s.net.set_links("node0", "up", links)
            time.sleep(0.5)
        s.mend("the flapping ends")
        s.await_settled()
        s.say("it ends, everything is settled, node%d is primary" % s.primary())
        s.await_records()
        s.pause(1)
