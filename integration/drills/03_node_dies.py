"""The whole node dies in mid-stream and returns; then the other one does.

Its processes get SIGKILL and its links go down in the same instant.  The survivor takes over what it left, the
traffic moves; what was in flight to a collector that cannot be asked is sent again, marked.
"""

def story(s):
    s.pause(4)
    for n in (0, 1):
        s.say("%d records at the collector" % s.collector.lines())
        s.kill_node(n)
        s.pause(4)
        s.return_node(n)
        s.pause(4)
