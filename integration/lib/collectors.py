"""The collectors, by sink kind.  Each receives into collector-siem.log, raw, one record a line, and into
trace.log, with the time and the sender in front."""
import os
import signal

RSYSLOG = """global(maxMessageSize="64k" workDirectory="{dir}" parser.escapeControlCharactersOnReceive="off")
module(load="{module}")
template(name="raw" type="string" string="%rawmsg%\\n")
template(name="trace" type="string" string="%timegenerated:::date-rfc3339% %fromhost-ip% %rawmsg%\\n")
ruleset(name="siem") {{
  action(type="omfile" file="{dir}/collector-siem.log" template="raw" flushOnTXEnd="on")
  action(type="omfile" file="{dir}/trace.log" template="trace" flushOnTXEnd="on")
}}
{input}
"""


class Rsyslog:
    """A real rsyslogd with its own configuration, in a namespace of its own."""
    process = "rsyslogd"
    marks_doubt = True      # After an unclean death the records in flight are sent again, marked (D2).
    back_pressure = True    # A sender learns that the collector does not keep up.

    def __init__(self, stage):
        self.stage = stage
        self.received = stage.path("collector-siem.log")

    def prepare(self):
        with open(self.stage.path("rsyslog.conf"), "w") as f:
            f.write(RSYSLOG.format(dir=self.stage.dir, module=self.module, input=self.input))

    def start(self):
        self.prepare()
        self.stage.processes.spawn(self.process, "collector", "rsyslogd", "-n", "-iNONE", "-f",
                                   self.stage.path("rsyslog.conf"))

    def stop(self):
        self.stage.processes.end(self.process)

    def stall(self):
        self.stage.processes.send(self.process, signal.SIGSTOP)

    def resume(self):
        self.stage.processes.send(self.process, signal.SIGCONT)

    def lines(self):
        try:
            with open(self.received, "rb") as f:
                return sum(block.count(b"\n") for block in iter(lambda: f.read(1 << 20), b""))
        except FileNotFoundError:
            return 0

    def size(self):
        return os.path.getsize(self.received) if os.path.exists(self.received) else 0


class Tcp(Rsyslog):
    kind, title = "tcp", "plain TCP"
    module, input = "imtcp", 'input(type="imtcp" port="601" ruleset="siem")'

    def sink(self, n):
        return 'sink "siem" { type = syslog transport = tcp address = "10.97.0.10:601" format = rfc5424 }'


class Udp(Rsyslog):
    kind, title = "udp", "UDP"
    back_pressure = False
    module, input = "imudp", 'input(type="imudp" port="514" ruleset="siem" rcvbufSize="8m")'

    def sink(self, n):
        return 'sink "siem" { type = syslog transport = udp address = "10.97.0.10:514" format = rfc5424 }'


KINDS = {c.kind: c for c in (Tcp, Udp)}
PLANNED = {"tcp-floating": "TCP with a floating address", "jetstream": "JetStream"}
