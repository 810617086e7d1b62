"""The power goes: the node dies, and what it had not synced is gone from its disk, its ring with its memory.

durability = power.  The state is on a disk image; after the cut the node finds what had reached the image.  At the end
the power of both goes in mid-stream, while the collector is out of reach: what both had in their journals is there
nowhere else.
"""
from disk import Disk
from verdict import File

SETTINGS = {"daemon": "durability = power\n"}
LOSES = 1


def prepare(s):
    s.disk = [Disk(s, node) for node in s.node]


def replicated(s):
    """Up to where both nodes have the primary's newest segment: its origin, its epoch, a sequence."""
    n = s.primary()
    w = s.node[n].ask()
    return next((n, g["epoch"], g["replicated"]) for x in w["streams"] if x["origin"] == n for g in x["segments"]
                if g["epoch"] == w["epoch"])


def absent(s, origin, epoch, last):
    f = File(s.collector.received)
    return sum((origin, epoch, q) not in f.events and (origin, epoch, q) not in f.statements for q in range(1, last + 1))


def both(s):
    if s.collector.kind != "udp":  # There what is lost on the way has left, which is all that is known.
        s.net.cut("collector", "log")
    s.pause(3)
    had = replicated(s)
    for n in (0, 1):
        s.net.set_links("node%d" % n, "down")
    for n in (0, 1):
        s.node[n].kill()
    s.fault("the power of both nodes goes")
    s.say("the power of both nodes goes")
    for n in (0, 1):
        s.disk[n].cut()
        s.node[n].lose_ring()
    s.net.heal("collector")
    for n in (0, 1):
        s.net.set_links("node%d" % n, "up")
        s.node[n].start()
        s.mend("node%d returns" % n, n)
    s.await_session()
    s.say("both are back, the session is up")
    s.await_settled()
    s.await_records(1000)  # Of the next epoch: what was before it has been read.
    s.require("all that both nodes had is at the collector; of %d records %d are not" % (had[2], absent(s, *had)),
              absent(s, *had) == 0)
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
