"""keepalived decides who is primary: it is stopped on the primary, then the whole node dies, on either node.

`manager = external`: evrepd does as `evrepctl notify` says.  A stop is a planned switchover, nothing is in doubt
then; after a death the other takes over as ever.
"""
from vrrp import manage

SETTINGS = {"group": "manager = external "}


def prepare(s):
    for node in s.node:
        manage(s, node)


def story(s):
    s.pause(3)
    for _ in range(2):
        n = s.primary()
        s.processes.end("keepalived%d" % n)
        s.fault("keepalived of node%d is stopped" % n, n, kind="planned")
        s.wait("node%d to be primary" % (1 - n), lambda: s.primary() == 1 - n)
        s.say("keepalived of node%d is stopped, node%d is primary" % (n, 1 - n))
        s.pause(1)
        s.processes.spawn("keepalived%d" % n, "node%d" % n, *s.node[n].companions["keepalived"])
        s.pause(2)
        s.kill_node(s.primary())
        s.pause(2)
        s.return_node(n if s.node[n].ask() is None else 1 - n)
        s.await_settled()
        s.pause(2)
