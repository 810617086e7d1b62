"""A storm of denied packets while the primary dies, and again while the other one does.

What the limiter refuses is counted and stated (EVREP_SUPPRESSED); what it admits arrives once.
"""
SETTINGS = {"event-rate": 1000}


def judge(v):
    """Of both nodes: each was primary in a storm.  That what is refused is stated, every verdict requires."""
    for n in (0, 1):
        if not sum(kind["rate_limited"] for kind in v.decided["node%d" % n].values()):
            v.problems.append("the limiter of node%d refused nothing" % n)


def story(s):
    s.pause(2)
    for n in (0, 1):
        s.storm(True)
        s.say("a storm of denied packets begins")
        s.fault("a storm begins", kind="note")
        s.pause(2)
        s.kill_node(n)
        s.pause(2)
        s.return_node(n)
        s.await_settled()
        s.storm(False)
        s.say("the storm ends")
        s.mend("the storm ends")
        s.pause(2)
