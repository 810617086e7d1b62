"""The collectors, by sink kind.  Each receives into collector-siem.log, raw, one record a line, and into
trace.log, with the time and the sender in front."""
import os
import signal
import subprocess
import sys

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


NATS = """listen: "10.97.0.10:4222"
server_name: "drill"
jetstream {{ store_dir: "{dir}/jetstream" }}
"""


class Collector:
    """One server process in the collector's namespace, and the file of what it received."""
    marks_doubt = True    # After an unclean death the records in flight are sent again, marked (D2),
    unmarked = ()         # but not in these stories.
    tells_sender = True   # The trace has the sender's address.

    def __init__(self, stage):
        self.stage = stage
        self.received = stage.path("collector-siem.log")

    def host_dies(self, n):
        """What else goes with a host, beside its processes and links."""

    def stop(self):
        self.stage.processes.end(self.process)

    def finish(self):
        self.stage.await_silence()
        self.stop()

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


class Rsyslog(Collector):
    """A real rsyslogd with its own configuration."""
    process = "rsyslogd"

    def prepare(self):
        with open(self.stage.path("rsyslog.conf"), "w") as f:
            f.write(RSYSLOG.format(dir=self.stage.dir, module=self.module, input=self.input))

    def start(self):
        self.prepare()
        self.stage.processes.spawn(self.process, "collector", "rsyslogd", "-n", "-iNONE", "-f",
                                   self.stage.path("rsyslog.conf"))


class Tcp(Rsyslog):
    kind, title = "tcp", "plain TCP"
    module, input = "imtcp", 'input(type="imtcp" port="601" ruleset="siem")'

    def sink(self, n):
        return 'sink "siem" { type = syslog transport = tcp address = "10.97.0.10:601" format = rfc5424 }'


class TcpFloating(Tcp):
    """Each node from an address of its own, which the survivor takes with the dead node's connection (D1b)."""
    kind, title = "tcp-floating", "TCP with a floating address"
    # A host dies, and its peer lives.  Without a keeper the death of evrepd alone ends its connections.
    unmarked = ("node-dies", "clock-jumps", "journal-lost", "keepalived", "thief")

    def sink(self, n):
        return Tcp.sink(self, n).replace(" format", ' source = "10.97.0.%d" format' % (101 + n))

    def host_dies(self, n):
        """A host that starts anew does not have the address."""
        self.stage.net.ip("node%d" % n, "addr", "flush", "dev", "log", "to", "10.97.0.%d" % (101 + n))


class Udp(Rsyslog):
    kind, title = "udp", "UDP"
    module, input = "imudp", 'input(type="imudp" port="514" ruleset="siem" rcvbufSize="8m")'

    def sink(self, n):
        return 'sink "siem" { type = syslog transport = udp address = "10.97.0.10:514" format = rfc5424 datagram-rate = 50000 }'

    def unread(self):
        """Bytes that wait in the sockets of its namespace: with rsyslogd they would go unseen."""
        lines = self.stage.net.run("collector", "cat", "/proc/net/udp").splitlines()[1:]
        return sum(int(line.split()[4].split(":")[1], 16) for line in lines)

    def finish(self):
        self.stage.wait("the collector to have read all", lambda: self.unread() == 0)
        super().finish()


class JetStream(Collector):
    """A real nats-server with a stream, and a reader of what the stream holds."""
    kind, title = "jetstream", "JetStream"
    process = "nats-server"
    marks_doubt = False
    tells_sender = False
    ADDRESS = "10.97.0.10:4222"

    def start(self):
        tool = os.path.join(os.path.dirname(os.path.abspath(__file__)), "nats.py")
        with open(self.stage.path("nats.conf"), "w") as f:
            f.write(NATS.format(dir=self.stage.dir))
        self.stage.processes.spawn(self.process, "collector", "nats-server", "-c", self.stage.path("nats.conf"))
        subprocess.run(["ip", "netns", "exec", self.stage.net.ns("collector"), sys.executable, tool, "make",
                        self.ADDRESS], check=True)
        if not self.stage.processes.alive("reader"):
            self.stage.processes.spawn("reader", "collector", sys.executable, tool, "read", self.ADDRESS,
                                       self.received, self.stage.path("trace.log"))

    def finish(self):
        self.stage.processes.end("reader")
        self.stop()

    def sink(self, n):
        return 'sink "siem" { type = jetstream url = "nats://%s" stream = "RTFLOW" subject = "rtflow" }' % JetStream.ADDRESS


KINDS = {c.kind: c for c in (Tcp, TcpFloating, Udp, JetStream)}
