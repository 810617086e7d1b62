"""The cluster key is changed twice under load, in the order of evrepd.conf(5), with SIGHUP and no restart.

Accept the new key on both nodes, use it on both, in one order and then in the other, then forget the old one.  Each
link runs under the key of that step, and the old one opens none once it is forgotten.  The session never goes down,
nobody takes over, nothing is in doubt.
"""
import subprocess

from node import PATIENT

SETTINGS = {"timing": PATIENT}


def change(s, n, words, *keys):
    lines = 'key-file = "%s"' % keys[0]
    if len(keys) > 1:
        lines += '\n  accept-key-file = "%s"' % keys[1]
    before = s.node[n].log_size()
    s.set_peer(n, lines)
    s.hang_up(n)
    if words:  # Node 0 is the one that dials.
        s.wait("node%d to say: %s" % (n, words), lambda: s.node[n].says(words, before))
    s.pause(0.5)


def refusals(s):
    """By node 1, of whatever dialled."""
    c = s.node[1].ask("cluster")
    return sum(x["refused"] for x in c["links"]) if c else 0


def try_old(s, old, new):
    """Node 0, which dials, asks for a connection under the old key; what is up stays up."""
    before, since = refusals(s), s.node[0].log_size()
    s.set_peer(0, 'key-file = "%s"' % old)
    s.hang_up(0)
    s.wait("node1 to answer to the old key",
           lambda: refusals(s) > before or s.node[0].says("renewed, under another key", since))
    s.require("the old key is refused once it is forgotten", not s.node[0].says("renewed, under another key", since))
    change(s, 0, None, new)
    s.await_links("key", "key-file")


def story(s):
    s.pause(2)
    old = s.path("cluster.key")
    for i in (1, 2):
        new = s.path("cluster-%d.key" % i)
        subprocess.run([s.program("evrepctl"), "keygen", new], check=True)
        s.fault("change %d of the key begins" % i, kind="note")
        for n in (0, 1):
            change(s, n, None, old, new)
        s.await_links("key", "key-file")
        s.say("both nodes accept the new key")
        order = (1, 0) if i == 1 else (0, 1)
        for n in order:  # Either order; who uses the old one still accepts the new one.
            change(s, n, "renewed, under another key" if n == 0 else None, new, old)
            # Node 0 dials, with the one it uses: in between that is to node 1 what it accepts.
            s.await_links("key", "key-file", "accept-key-file" if n == order[0] else "key-file")
        s.say("both nodes use the new key")
        for n in (0, 1):
            change(s, n, None, new)
        s.await_links("key", "key-file")
        try_old(s, old, new)
        s.mend("the old key is forgotten")
        s.say("the old key is forgotten, and refused")
        old = new
        s.await_records()
        s.pause(1)
    s.require("no session is lost", all(x["session"] == "up" for x in s.samples()))
    s.require("nobody takes over", s.node[0].takeovers() + s.node[1].takeovers() == 0)
    s.nothing_in_doubt = True
