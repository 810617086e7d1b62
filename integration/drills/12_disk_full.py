"""The disk of one node fills up under load: first the primary's, then the standby's.

A node that cannot journal acknowledges nothing and emits nothing that it has not journaled.
"""
from disk import SmallDisk


def prepare(s):
    s.disk = [SmallDisk(s, node) for node in s.node]


def story(s):
    s.pause(2)
    for of_primary in (True, False):
        p = s.primary()
        n = p if of_primary else 1 - p
        before = s.node[n].log_size()
        s.disk[n].fill()
        s.fault("the disk of node%d is full" % n, n)
        s.say("the disk of node%d (%s) is full" % (n, "primary" if of_primary else "standby"))
        s.wait("its journal to find that", lambda: s.node[n].says("journal: No space left on device", before))
        s.pause(4)
        s.disk[n].make_room()
        s.mend("the disk of node%d has room" % n, n)
        s.supervise(n)
        s.await_settled()
        s.await_records()
        s.say("it has room again, everything is settled")
        s.pause(2)
