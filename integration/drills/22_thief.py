"""A thief without the key hammers the link ports of both nodes throughout, while each node dies and returns.

Random bytes, half handshakes, silent connections, and whole handshakes under a wrong key: refused, counted, and no
session is the worse for it.
"""


def refused(s, n):
    """Connections that it refused since it started; None: it does not answer."""
    c = s.node[n].ask("cluster")
    return sum(x["refused"] for x in c["links"]) if c else None


def await_refusals(s, n, since=0):
    s.wait("node%d to refuse a wrong key" % n, lambda: s.node[n].says("refused: wrong key", since))
    before = refused(s, n)
    s.wait("node%d to refuse more" % n, lambda: before is not None and (refused(s, n) or 0) > before)


def story(s):
    s.thief()
    s.say("a thief hammers the link ports")
    await_refusals(s, 1)  # Node 1 is the one that listens.
    s.pause(3)
    s.await_session()
    s.await_records()
    for n in (0, 1):
        s.kill_node(n)
        s.pause(2)
        since = s.node[1].log_size()
        s.return_node(n)
        await_refusals(s, 1, since)
        s.await_settled()
        s.pause(2)
    s.say("the thief made %d attempts; node1 refused %d since it returned" % (s.thief_attempts(), refused(s, 1) or 0))
