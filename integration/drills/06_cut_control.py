"""The control link alone is cut: once its carrier goes, once its frames vanish in silence.

The fabric link carries on.  No session is lost, nobody takes anything over, nothing is marked.
"""
from node import PATIENT

QUICK = True
SETTINGS = {"timing": PATIENT}


def story(s):
    s.nothing_in_doubt = True
    s.pause(2)
    n = s.primary()
    for silent in (False, True):
        if silent:
            s.net.cut("node0", "control")
            s.net.cut("node1", "control")
        else:
            s.net.set_links("node0", "down", ["control"])
        s.fault("control is cut" + (" in silence" if silent else ""))
        s.say("the control link is cut" + (" in silence" if silent else ", its carrier goes"))
        s.wait("the loss of the link to be seen", lambda: s.link_state(0, "control") == "down")
        s.pause(2)
        s.await_records()
        s.net.set_links("node0", "up", ["control"])
        s.net.heal("node0")
        s.net.heal("node1")
        s.mend("control is back")
        s.wait("the control link to be up", lambda: s.link_state(0, "control") == "up")
        s.say("the control link is back")
        s.pause(1)
    s.require("node%d stays primary" % n, s.primary() == n)
    s.require("no session is lost", all(x["session"] == "up" for x in s.samples()))
    s.require("nobody takes over", s.node[0].takeovers() + s.node[1].takeovers() == 0)
