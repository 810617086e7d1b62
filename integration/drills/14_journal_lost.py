"""The primary dies and its journal is gone: once its ring lives, once that is gone, too.

It says so to its peer; what the peer had replicated is the peer's; what nobody has any more is named by gap records.
"""
import shutil

QUICK = True
LOSES = 1


def story(s):
    s.pause(3)
    for ring_lives in (True, False):
        n = s.primary()
        s.kill_node(n)
        shutil.rmtree(s.node[n].state + "/journal")
        if not ring_lives:
            s.node[n].lose_ring()
        s.say("the journal of node%d is gone%s" % (n, "" if ring_lives else ", its ring, too"))
        s.pause(2)
        s.return_node(n)
        s.await_settled()
        s.await_records()
        s.pause(2)
