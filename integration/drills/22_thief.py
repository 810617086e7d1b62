"""A thief without the key hammers the link ports of both nodes throughout, while each node dies and returns.

Random bytes, half handshakes, silent connections, and whole handshakes under a wrong key: refused, counted, and no
session is the worse for it.
"""


def story(s):
    s.thief()
    s.say("a thief hammers the link ports")
    s.pause(3)
    s.await_session()
    s.await_records()
    for n in (0, 1):
        s.kill_node(n)
        s.pause(2)
        s.return_node(n)
        s.await_settled()
        s.pause(2)
    s.say("the thief made %d attempts" % s.thief_attempts())
