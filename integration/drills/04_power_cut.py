"""The power goes: the node dies, and what it had not synced is gone from its disk, its ring with its memory.

durability = power.  The state is on a disk image; after the cut the node finds what had reached the image.  At the end
the power of both goes in mid-stream.
"""
from disk import Disk

SETTINGS = {"daemon": "durability = power\n"}


def prepare(s):
    s.disk = [Disk(s, node) for node in s.node]


def both(s):
    for n in (0, 1):
        s.net.set_links("node%d" % n, "down")
    for n in (0, 1):
        s.node[n].kill()
    s.fault("the power of both nodes goes")
    s.say("the power of both nodes goes")
    for n in (0, 1):
        s.disk[n].cut()
        s.node[n].lose_ring()
    for n in (0, 1):
        s.net.set_links("node%d" % n, "up")
        s.node[n].start()
        s.mend("node%d returns" % n, n)
    s.await_session()
    s.say("both are back, the session is up")
    s.await_settled()
    s.await_records()
    s.pause(2)


def story(s):
    s.pause(3)
    for _ in range(2):
        n = s.primary()
        s.kill_node(n)
        s.disk[n].cut()
        s.node[n].lose_ring()
        s.say("node%d: what it had not synced is gone" % n)
        s.pause(3)
        s.return_node(n)
        s.await_settled()
        s.pause(3)
    both(s)
