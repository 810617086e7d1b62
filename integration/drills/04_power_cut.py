"""The power goes: the node dies, and what it had not synced is gone from its disk, its ring with its memory.

durability = power.  The state is on a disk image; after the cut the node finds what had reached the image.
"""
from disk import Disk

SETTINGS = {"daemon": "durability = power\n"}


def prepare(s):
    s.disk = [Disk(s, node) for node in s.node]


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
