"""The collector is stopped and started again, twice.

It reads what its TCP stack has acknowledged before it ends (what it would throw away there, no sender can know).
What is on the way is sent again on the new connection; what is not known to have arrived is marked.
"""
NOT = {"udp": "UDP does not tell that nobody receives"}


def story(s):
    s.pause(2)
    for _ in range(2):
        s.net.cut("collector", "log")  # Nothing more arrives,
        s.await_silence()              # and what has arrived is read.
        s.collector.stop()
        s.fault("the collector stops")
        s.say("the collector stops")
        s.net.heal("collector")
        s.pause(2)
        s.collector.start()
        s.mend("the collector is back")
        s.await_records()
        s.say("the collector is back, records flow")
        s.pause(2)
