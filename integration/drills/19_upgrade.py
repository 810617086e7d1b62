"""Both nodes are upgraded, one after the other, from the wire version before the newest, and then set back to it.

Each in turn is stopped and started with its journal, while the other speaks the version before: they agree on the
older one, on both links.  A node that was told to end hands over or leaves what its peer takes; nothing is lost.
"""
import os
import re


def newest():
    """That the program speaks; handshake.h is the one place that says it."""
    header = os.path.join(os.path.dirname(__file__), "../../replicator/link/handshake.h")
    with open(header) as f:
        return int(re.search(r"LINK_VERSION = (\d+)", f.read()).group(1))


def prepare(s):
    s.version = [newest() - 1] * 2
    for n in (0, 1):
        s.node[n].peer += "\n  wire-version = %d" % s.version[n]


def change(s, n, version):
    s.set_peer(n, 'key-file = "%s"\n  wire-version = %d' % (s.path("cluster.key"), version))
    s.fault("evrepd of node%d is stopped" % n, n)
    s.processes.end("evrepd%d" % n)
    s.pause(1)
    s.node[n].start_evrepd()
    s.mend("node%d is back with wire version %d" % (n, version), n)
    s.version[n] = version
    s.await_settled()
    s.await_links("wireVersion", min(s.version))  # One that is dialled anew may begin with less.
    s.say("node%d is back with wire version %d, both links speak %d, everything is settled" % (n, version, min(s.version)))
    s.await_records()
    s.pause(1)


def story(s):
    s.await_links("wireVersion", min(s.version))
    s.pause(2)
    for version in (newest(), newest() - 1):
        standby = 1 - s.primary()
        change(s, standby, version)
        change(s, 1 - standby, version)
