"""The collector stops reading for a minute under load, twice (a few seconds in the quick set).

Its window closes.  The journal takes what it would not: nothing is lost, nothing is marked, and the backlog drains (d38).
"""
NOT = {"udp": "UDP has no back pressure: a collector that does not read loses"}
QUICK = True


def story(s):
    s.nothing_in_doubt = True
    s.pause(2)
    for _ in range(2):
        s.collector.stall()
        s.fault("the collector stalls")
        seconds = s.long(60, 5)
        s.say("the collector stalls for %d s" % seconds)
        s.pause(seconds)
        s.collector.resume()
        s.mend("the collector reads again")
        s.await_records()
        s.wait("the backlog to drain", lambda: s.node[s.primary()].ask()["waiting"] < 2000)
        s.say("the collector reads again, the backlog is drained")
        s.pause(1)
