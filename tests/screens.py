#!/usr/bin/env python3
"""What evdp remembers of hosts and flows, on real AF_XDP sockets: tests/screens.py BUILD-FOLDER (root).  Floods, scans
and limits over four queues, IPv4 and IPv6; why sessions close; policy-rematch, tcp-syn-check, a full table; a deny storm
beside sessions that open; an interface that has no native mode.  Each packet's fate is awaited, none is left open."""
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import evdp  # noqa: E402
from evdp import CLIENT_MAC, EVREPD, SERVER_MAC, dataplane  # noqa: E402
from dataplane import Failed, Namespace, expect, ipv4, ipv6, sh, tcp, wait  # noqa: E402

RATE, TRIES, AT_A_TIME, CAPACITY = 20, 5, 4, 1024
SYN, RST, ACK = 2, 4, 16
FIN_ACK, SYN_ACK = 17, 18

CONFIG = """ring = "{ring}"
node = 0
event-rate = 0
sessions = 1024
{mode}
timeouts {{ {timeouts} }}
zone "trust" {{ screens = {{ "syn-flood", "icmp-flood", "port-scan", "ip-sweep" }} syn-flood-rate = 20 icmp-flood-rate = 20
               port-scan-ports = 5 port-scan-ms = 60000 ip-sweep-addresses = 5 ip-sweep-ms = 60000 }}
zone "untrust" {{ screens = {{ "session-limit-source", "session-limit-destination" }} session-limit-source = 4
                 session-limit-destination = 4 }}
wire "w0" {{ left = "left" right = "right" left-zone = "trust" right-zone = "untrust" }}
policy "no" {{ from-zone = "trust" to-zone = "untrust" ports = {{ "9000-9999" }} action = deny }}
policy "some" {{ from-zone = "trust" to-zone = "untrust" protocol = udp ports = {{ "{some}" }} action = permit
                log = {{ "session-init", "session-close" }} }}
policy "out" {{ from-zone = "trust" to-zone = "untrust" protocol = {out} action = permit
               log = {{ "session-init", "session-close" }} }}
policy "ping" {{ from-zone = "trust" to-zone = "untrust" protocol = icmp action = permit
                log = {{ "session-init", "session-close" }} }}
policy "in" {{ from-zone = "untrust" to-zone = "trust" protocol = tcp action = permit
              log = {{ "session-init", "session-close" }} }}
"""
GENERIC = """ring = "{ring}"
node = 0
{mode}
timeouts {{ udp-initial = 120 }}
zone "a" {{ screens = {{ "land" }} }}
zone "b" {{ }}
wire "w" {{ left = "macvlan" right = "right" left-zone = "a" right-zone = "b" }}
policy "out" {{ from-zone = "a" to-zone = "b" protocol = {out} action = permit log = {{ "session-init", "session-close" }} }}
"""


class Again(Exception):
    """evrepd's word of activity ran out meanwhile: what came then was not decided."""


def again(step):
    """The step, with hosts that nobody knows, until nothing came between."""
    def steps(self):
        for _ in range(10):
            self.place += 1
            try:
                return step(self)
            except Again:
                pass
        raise Failed("activity runs out again and again")
    return steps


def who(address, port):
    return ("[%s]:%d" if ":" in address else "%s:%d") % (address, port)


def sender(frame):
    """Of a frame that came out, as records name him; None: not of a flow."""
    kind, packet = frame[12:14], frame[14:]
    if kind == b"\x08\x00":
        address, protocol, at = socket.inet_ntoa(packet[12:16]), packet[9], 20
    elif kind == b"\x86\xdd":
        address, protocol, at = socket.inet_ntop(socket.AF_INET6, packet[8:24]), packet[6], 40
    else:
        return None
    at += 4 if protocol in (1, 58) else 0
    return who(address, struct.unpack("!H", packet[at:at + 2])[0])


def frame(packet, at="client"):
    macs = SERVER_MAC + CLIENT_MAC if at == "client" else CLIENT_MAC + SERVER_MAC
    return bytes.fromhex(macs.replace(":", "")) + (b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd") + packet


def packet(source, dest, protocol, payload):
    return (ipv6 if ":" in source else ipv4)(source, dest, protocol, payload)


def open_end(namespace, name):
    s = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind((name, 3))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    s.setblocking(False)
    return s


def arrived(end):
    """Senders of what came in at that end since the last look."""
    out = []
    while True:
        try:
            data, where = end.recvfrom(2000)
        except BlockingIOError:
            return [x for x in out if x]
        if where[2] != socket.PACKET_OUTGOING:
            out.append(sender(data))


class Screens(evdp.Run):
    CONFIG, QUEUES = CONFIG, 4
    DEFAULTS = {"mode": "", "timeouts": "tcp-initial = 60 udp-initial = 60 tcp-closing = 1", "some": "700", "out": "any"}
    TOLD = (re.compile(r"SCREEN_DROP screen=(.+) src=(\S+) dst=\S+ proto=\S+ action=deny zone=(\w+)"),
            re.compile(r'SESSION_DENY .*source-address="(.+?)" source-port="(\d+)"'))

    def __init__(self, build):
        super().__init__(build)
        self.place, self.number, self.read_to, self.ends_of = 0, 1024, 0, {}
        self.generic = Generic(self)

    # ---- packets ----

    def at(self, version, number):
        """An address of this step."""
        if version == 6:
            return "fd60:%x::%x" % (self.place, number)
        return "10.%d.%d.%d" % (100 + self.place, number >> 8, number & 255)

    def next(self):
        self.number += 1
        return self.number

    def tcp_to(self, source, dest, port=80, flags=SYN, own=None):
        own = own or self.next()
        return who(source, own), packet(source, dest, 6, tcp(port, flags, own))

    def udp_to(self, source, dest, port=700, own=None):
        own = own or self.next()
        return who(source, own), packet(source, dest, 17, struct.pack("!HHHH", own, port, 16, 0) + b"12345678")

    def echo(self, source, dest):
        own = self.next()
        protocol, kind = (58, 128) if ":" in source else (1, 8)
        return who(source, own), packet(source, dest, protocol, struct.pack("!BBHHH", kind, 0, 0, own, 1))

    def inactive(self):
        return sum(port["inactive"] for port in self.stats()["dataplane"]["interfaces"])

    def told(self):
        """New records of packets: sender, and what he was refused by."""
        with open(self.dir + "/rt_flow.log", "rb") as f:
            f.seek(self.read_to)
            new = f.read()
        new = new[:new.rfind(b"\n") + 1]
        self.read_to += len(new)
        for line in new.decode(errors="replace").splitlines():
            screen, deny = (r.search(line) for r in self.TOLD)
            if screen:
                yield screen[2], "%s, %s" % (screen[1], screen[3])
            elif deny:
                yield who(deny[1], int(deny[2])), "denied"

    def play(self, packets, at="client"):
        """What became of each: "passes", or the name of a screen and the zone, or "denied"."""
        end, other = self.ends_of[at], self.ends_of["server" if at == "client" else "client"]
        before, fate = self.inactive(), {}
        list(self.told()), arrived(other)
        for _, p in packets:
            end.send(frame(p, at))

        def known():
            fate.update((name, "passes") for name in arrived(other))
            fate.update(self.told())
            return all(name in fate for name, _ in packets) or self.inactive() > before
        wait("the fate of %d packets" % len(packets), known)
        if self.inactive() > before:
            raise Again()
        return [fate[name] for name, _ in packets]

    def expect_fates(self, packets, fates, at="client"):
        got = self.play(packets, at)
        expect(sorted(got) == sorted(fates), "%s, not %s" % (got, fates))
        return [name for (name, _), fate in zip(packets, got) if fate == "passes"]

    def counted(self, fate):
        return sum(port[fate] for port in self.stats()["dataplane"]["interfaces"])

    def vanishes(self, p, fate):
        """It is dropped without a record, and that is counted."""
        before, undecided = self.counted(fate), self.inactive()
        arrived(self.ends_of["server"])
        self.ends_of["client"].send(frame(p[1]))
        wait("%s to be counted" % fate, lambda: self.counted(fate) == before + 1 or self.inactive() > undecided)
        if self.inactive() > undecided:
            raise Again()
        expect(p[0] not in arrived(self.ends_of["server"]), "it passed")

    def close_of(self, name):
        """The record of the end of the session of that sender."""
        address, port = name.rsplit(":", 1)
        return self.record("RT_FLOW_SESSION_CLOSE", 'source-address="%s"' % address.strip("[]"), 'source-port="%s"' % port)

    # ---- hosts ----

    def flood(self, make, screen):
        """So many a second for one destination, whichever queue they come by; others do not suffer."""
        for version in (4, 6):
            one, other = self.at(version, 1), self.at(version, 2)
            packets = [make(self.at(version, 1000 + i), one if i % 20 else other) for i in range(200)]
            begin = time.monotonic()
            fates = self.play(packets)
            most = RATE + RATE * (time.monotonic() - begin) + 1
            expect(fates[::20] == 10 * ["passes"], "those of another destination: %s" % fates[::20])
            hit = [fate for i, fate in enumerate(fates) if i % 20]
            expect(set(hit) == {"passes", screen + ", trust"}, "%s: %s" % (screen, set(hit)))
            expect(RATE <= hit.count("passes") <= most, "%d passed, %d to %.1f may" % (hit.count("passes"), RATE, most))

    @again
    def floods(self):
        self.flood(self.tcp_to, "SYN flood")
        self.flood(self.echo, "ICMP flood")
        self.ok("SYN and ICMP floods: as many pass as the rate of their destination allows, on four queues together")

    @again
    def scans(self):
        for version in (4, 6):
            scanner, other, dest = (self.at(version, n) for n in (1, 2, 3))
            for make in (self.tcp_to, self.udp_to):
                fates = (TRIES - 1) * ["passes"] + 4 * ["port scan, trust"]
                self.expect_fates([make(scanner, dest, 20 + i) for i in range(len(fates))], fates)
                self.expect_fates([make(other, dest, 20 + i) for i in range(2)], 2 * ["passes"])
                scanner, other = self.at(version, 4), self.at(version, 5)
            fates = (TRIES - 1) * ["passes"] + 4 * ["IP sweep, trust"]
            self.expect_fates([self.echo(scanner, self.at(version, 10 + i)) for i in range(len(fates))], fates)
            self.expect_fates([self.echo(other, self.at(version, 10))], ["passes"])
        self.ok("port scan and IP sweep: the fifth port, the fifth address is one too many; other sources pass")

    @again
    def limits(self):
        for version in (4, 6):
            one, refused = self.at(version, 1), "session limit (source), untrust"
            dests = {self.next(): self.at(version, 10 + i) for i in range(AT_A_TIME + 2)}
            passed = self.expect_fates([self.tcp_to(one, dest, own=own) for own, dest in dests.items()],
                                       AT_A_TIME * ["passes"] + 2 * [refused], "server")[0]
            own = int(passed.rsplit(":", 1)[1])
            self.expect_fates([self.tcp_to(one, dests[own], flags=RST, own=own)], ["passes"], "server")
            expect('reason="TCP RST"' in self.close_of(passed), "another reason")
            self.expect_fates([self.tcp_to(one, self.at(version, 30))], ["passes"], "server")
            self.expect_fates([self.tcp_to(one, self.at(version, 31))], [refused], "server")
            self.expect_fates([self.tcp_to(self.at(version, 40 + i), self.at(version, 2)) for i in range(AT_A_TIME + 2)],
                              AT_A_TIME * ["passes"] + 2 * ["session limit (destination), untrust"], "server")
        self.ok("session limits by source and by destination; a session that ended makes room for one")

    # ---- flows ----

    # What either end sends, by turns; a number is flags of TCP, a datagram is UDP.
    ENDS = (("idle Timeout", ("datagram", "datagram")), ("idle Timeout", ("datagram", None)),
            ("idle Timeout", (SYN, SYN_ACK, ACK)), ("aged out", (SYN, None)), ("aged out", (SYN, SYN_ACK)),
            ("TCP FIN", (SYN, SYN_ACK, ACK, FIN_ACK, FIN_ACK)), ("TCP RST", (SYN, RST | ACK)))

    def turn(self, flows, n):
        """The n-th packet of each flow that has one, all in one direction."""
        packets = []
        for (_, parts), (client, port, server) in flows:
            part = parts[n] if n < len(parts) else None
            if part is None:
                continue
            there = (client, server, 700, port) if n % 2 == 0 else (server, client, port, 700)
            packets.append(self.udp_to(*there) if part == "datagram" else self.tcp_to(there[0], there[1], there[2], part, there[3]))
        self.expect_fates(packets, len(packets) * ["passes"], "server" if n % 2 else "client")

    @again
    def reasons(self):
        self.hang_up(timeouts="tcp-initial = 3 tcp-established = 3 tcp-half-closed = 3 tcp-closing = 1 udp-initial = 3 udp = 3")
        flows = [(end, (self.at(version, 10 + i), self.next(), self.at(version, 100 + i)))
                 for version in (4, 6) for i, end in enumerate(self.ENDS)]
        for n in range(5):
            self.turn(flows, n)
        for (why, parts), (client, port, _) in flows:
            r = self.close_of(who(client, port))
            expect('reason="%s"' % why in r, "not %s: %s" % (why, r))
            for side, name in enumerate(("client", "server")):
                sent = [p for p in parts[side::2] if p is not None]
                expect('packets-from-%s="%d"' % (name, len(sent)) in r, "%d packets of the %s: %s" % (len(sent), name, r))
                size = sum((36 if p == "datagram" else 40) + (20 if ":" in client else 0) for p in sent)
                expect('bytes-from-%s="%d"' % (name, size) in r, "%d bytes of the %s: %s" % (size, name, r))
        self.ok("sessions close for the reason that was, with what each end sent: idle, aged out, FIN, RST")

    @again
    def rematch(self):
        self.hang_up()
        flows = [(self.udp_to(self.at(v, 1), self.at(v, 2), port)) for v in (4, 6) for port in (700, 701)]
        self.expect_fates(flows, 4 * ["passes"])
        self.hang_up(out="tcp")
        self.expect_fates(flows, 4 * ["passes"])
        self.hang_up(out="tcp", mode="policy-rematch = true")
        got = self.play(flows)
        expect(got == ["passes", "denied", "passes", "denied"], "after a rematch: %s" % got)
        for name in (flows[1][0], flows[3][0]):
            expect('reason="Rejected by policy"' in self.close_of(name), "another reason")
        self.ok("policy-rematch: a session that the new policies refuse ends as rejected, its packet is denied; off, it lives on")

    @again
    def syn_check(self):
        self.hang_up(mode="tcp-syn-check = true")
        for version in (4, 6):
            client, server = self.at(version, 1), self.at(version, 2)
            middle = self.tcp_to(client, server, flags=ACK)
            self.vanishes(middle, "no_session")
            self.vanishes(self.tcp_to(client, server, flags=SYN_ACK), "no_session")
            port = self.next()
            for flags in (SYN, ACK):
                self.expect_fates([self.tcp_to(client, server, 80, flags, port)], ["passes"])
            self.expect_fates([self.tcp_to(client, server, 9000, ACK)], ["denied"])
            expect(not any(middle[0] in r or 'source-port="%s"' % middle[0].rsplit(":", 1)[1] in r for r in self.records()),
                   "a packet that belongs to nothing has a record")
        self.hang_up()
        self.expect_fates([middle], ["passes"])
        self.ok("tcp-syn-check: what does not begin with a SYN is dropped and counted; off, it is taken up in its middle")

    @again
    def full(self):
        def aged_out():
            return sum('reason="aged out"' in r for r in self.records())
        before = aged_out()
        flows = [self.udp_to(self.at(4, 1000 + i), self.at(4, 1), 700) for i in range(CAPACITY + 100)]
        for i in range(0, len(flows), 300):
            self.expect_fates(flows[i:i + 300], len(flows[i:i + 300]) * ["passes"])
        wait("a full table", lambda: self.stats()["dataplane"]["sessions"] == CAPACITY)
        wait("who was never answered to make room", lambda: aged_out() >= before + 100)
        for name, _ in flows:
            address, port = name.split(":")
            self.ends_of["server"].send(frame(self.udp_to(self.at(4, 1), address, int(port), 700)[1], "server"))

        late, refused = [self.udp_to(self.at(4, 2), self.at(4, 3)) for _ in range(100)], self.counted("no_room")
        undecided, passed = self.inactive(), set()
        for _, p in late:
            self.ends_of["client"].send(frame(p))

        def all_known():
            passed.update(arrived(self.ends_of["server"]))
            there = sum(name in passed for name, _ in late)
            return self.counted("no_room") - refused == len(late) - there > 0 or self.inactive() > undecided
        wait("each to pass or to be counted as without room", all_known)
        if self.inactive() > undecided:
            raise Again()
        self.ok("a full table: who was never answered makes room and is told as aged out; when all were, that is counted")

    # ---- a storm ----

    def suppressed(self):
        return sum(int(m[1]) for m in (re.search(r'EVREP_SUPPRESSED .*kind="POLICY_DENY" zone="trust" cause="capped" count="(\d+)"', r)
                                       for r in self.records()) if m)

    def settled(self):
        stats = self.stats()
        return self.rendered() == {kind: stats[kind]["tagged"] for kind in self.KINDS} and \
            self.suppressed() == stats["policy_deny"]["capped"]

    def send_storm(self):
        """Of each 16 packets one opens a session, the others are denied, while evrepd takes nothing; its word on activity
        is good for two seconds."""
        evrepd, end = self.children["evrepd"], self.ends_of["client"]
        evrepd.send_signal(signal.SIGSTOP)
        try:
            for i in range(12000):
                port, self.storm = (700 if i % 16 == 0 else 9000), self.storm + 1
                source = "10.%d.%d.%d" % (64 + (self.storm >> 16), self.storm >> 8 & 255, self.storm & 255)
                end.send(frame(self.udp_to(source, self.at(4, 1), port, 4000)[1]))
        finally:
            evrepd.send_signal(signal.SIGCONT)

    @again
    def storms(self):
        before, self.storm = self.stats(), 0

        def over():
            wait("all to be rendered or stated", self.settled)
            self.send_storm()
            return self.stats()["policy_deny"]["capped"] > 0
        wait("telemetry to be at its cap", over)
        wait("all to be rendered or stated", self.settled)
        after = self.stats()
        opened = after["session_open"]["tagged"] - before["session_open"]["tagged"]
        expect(opened >= 100, "%d sessions opened in the storm" % opened)
        for kind in ("session_open", "session_close"):
            expect(after[kind]["tagged"] == after[kind]["decided"], "%s lost: %s" % (kind, after[kind]))
        self.ok("a deny storm while evrepd takes nothing: %d sessions opened, no event of theirs is lost; of %d denies %d are "
                "stated as suppressed, the rest is there" % (opened, after["policy_deny"]["decided"], after["policy_deny"]["capped"]))

    # ---- all ----

    def starts(self):
        self.generic.starts()
        super().starts()
        for end in ("client", "server"):
            self.ends_of[end] = open_end(self.ns[end], "wire")

    def accounts(self):
        stats = self.ends()
        for kind in self.KINDS:
            row = stats[kind]
            expect(row["tagged"] + row["capped"] == row["decided"], "%s: %s" % (kind, row))
        screened = sum(port["screened"] for port in stats["dataplane"]["interfaces"])
        expect(screened == stats["screen_drop"]["decided"] == self.rendered()["screen_drop"] > 0, "screened: %d" % screened)
        expect(self.suppressed() == stats["policy_deny"]["capped"], "suppressed: %d" % self.suppressed())
        self.ok("each kind is rendered as often as it was decided, less what is stated; every session that opened closed once: %s" %
                ", ".join("%s %d" % (k, stats[k]["decided"]) for k in self.KINDS))

    def run(self):
        self.network()
        self.configure()
        self.generic.network()
        for step in (self.starts, self.floods, self.scans, self.limits, self.reasons, self.rematch, self.syn_check, self.storms, self.full,
                     self.generic.passes, self.accounts):
            step()

    def clean_up(self):
        self.generic.clean_up()
        super().clean_up()


class Generic:
    """A wire one end of which is a macvlan: it has no native mode."""

    def __init__(self, run):
        self.run, self.ns = run, {}
        self.dir = run.dir + "/generic"
        os.mkdir(self.dir)
        self.box = dataplane.Programs(run, self.dir, run.id + "g0")
        self.sent = 0

    def network(self):
        for name in ("gbox", "ghosts"):
            self.ns[name] = Namespace("%s-%s" % (self.run.id, name))
        box, hosts = self.ns["gbox"], self.ns["ghosts"]
        for name in ("under", "right"):
            sh("ip", "link", "add", name, "netns", hosts.name, "type", "veth", "peer", "name", name, "netns", box.name)
            hosts.run("sysctl", "-qw", "net.ipv6.conf.%s.disable_ipv6=1" % name)
            hosts.ip("link", "set", name, "up")
            box.ip("link", "set", name, "up")
        box.ip("link", "add", "macvlan", "link", "under", "type", "macvlan", "mode", "passthru")
        box.ip("link", "set", "macvlan", "up")

    def configure(self, mode="", out="any"):
        for name, text in (("evdp.conf", GENERIC), ("evrepd.conf", EVREPD)):
            with open(os.path.join(self.dir, name), "w") as f:
                f.write(text.format(dir=self.dir, ring=self.box.ring, mode=mode, out=out))

    def starts(self):
        self.configure("mode = native")
        line = self.run.fails("evdp", ["-c", self.dir + "/evdp.conf"], self.ns["gbox"])
        expect("interface macvlan: cannot attach the XDP program: Operation not supported" in line, line)
        self.configure()
        subprocess.run([self.run.bin("evrepctl"), "keygen", self.dir + "/cluster.key"], check=True)
        os.mkdir(self.dir + "/state")
        self.box.spawn_in(self.ns["gbox"], "evdp", "evdp.conf")
        wait("evdp to be up", lambda: "evdp: wire w" in self.box.log("evdp"))
        said = "wire w: macvlan (generic, for native: Operation not supported) - right (native), 1 queues"
        expect(said in self.box.log("evdp"), "the mode and why: " + self.box.log("evdp"))
        self.box.spawn_in(self.ns["gbox"], "evrepd", "evrepd.conf")

    def records(self):
        try:
            with open(self.dir + "/rt_flow.log") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def passes(self):
        run, left, right = self.run, open_end(self.ns["ghosts"], "under"), open_end(self.ns["ghosts"], "right")
        there, back = run.udp_to("10.60.0.1", "10.60.0.2", 7, 9), run.udp_to("10.60.0.2", "10.60.0.1", 9, 7)
        land = run.udp_to("10.60.0.3", "10.60.0.3", 7)

        def until_there(end, p, at, other):
            def comes():
                end.send(frame(p[1], at))
                return p[0] in arrived(other)
            wait("%s to pass" % p[0], comes)
        until_there(left, there, "client", right)
        until_there(right, back, "server", left)
        left.send(frame(land[1]))
        wait("its records", lambda: "SCREEN_DROP screen=LAND attack" in self.records() and "RT_FLOW_SESSION_CREATE" in self.records())
        modes = [p["mode"] for p in self.box.stats_of("evdp", "evdp.conf")["dataplane"]["interfaces"]]
        expect(modes == ["generic", "native"], "modes: %s" % modes)
        run.ok("an interface without native mode: refused where that is asked for, else generic, which is said, and it works")
        self.overflows(left)
        self.ends(left)

    def stats(self):
        return self.box.stats_of("evdp", "evdp.conf")

    def flow(self, number):
        source = "10.%d.%d.%d" % (64 + (number >> 16), number >> 8 & 255, number & 255)
        return frame(self.run.udp_to(source, "10.60.0.2", 7, 9)[1])

    def open_many(self, left):
        """More sessions than the ring has slots, each with an open that was rendered.  Those that were sent for them."""
        first = self.sent

        def many():
            for _ in range(2000):
                self.sent += 1
                left.send(self.flow(self.sent))
            return self.stats()["dataplane"]["sessions"] > 20000
        wait("sessions", many)
        wait("each open to be rendered", lambda: self.records().count("SESSION_CREATE") == self.stats()["session_open"]["tagged"])
        return range(first + 1, self.sent + 1)

    def refuse(self, left, flows):
        """The rules are others; the next packet of each session ends it, while evrepd takes nothing."""
        self.configure("policy-rematch = true", "tcp")
        self.box.hang_up("evdp")
        evrepd = self.box.children["evrepd"]
        evrepd.send_signal(signal.SIGSTOP)
        try:
            for number in flows:
                left.send(self.flow(number))
        finally:
            evrepd.send_signal(signal.SIGCONT)
        self.configure()
        self.box.hang_up("evdp")

    def overflows(self, left):
        def over():
            self.refuse(left, self.open_many(left))
            return self.stats()["session_close"]["ring_full"]
        wait("closes that find the ring full", over)

        def stated():
            marks = re.findall(r'EVREP_SUPPRESSED .*kind="SESSION_CLOSE" zone="a" cause="ring_full" count="(\d+)"', self.records())
            row = self.stats()["session_close"]
            return row["decided"] == row["tagged"] + row["ring_full"] + row["not_owner"] and \
                self.records().count("SESSION_CLOSE ") == row["tagged"] and sum(map(int, marks)) == row["ring_full"]
        wait("each close to be rendered, or stated as one that found the ring full", stated)
        row = self.stats()["session_close"]
        opened, living = self.stats()["session_open"]["tagged"], self.stats()["dataplane"]["sessions"]
        expect(row["decided"] == opened - living, "%d opened, %d live: %s" % (opened, living, row))
        self.run.ok("closes that find the ring full: of %d ended sessions %d are stated, the others are there" %
                    (row["decided"], row["ring_full"]))

    def ends(self, left):
        """More sessions than the ring has slots, each with a close."""
        evdp, evrepd, before = self.box.children.pop("evdp"), self.box.children["evrepd"], self.stats()
        self.open_many(left)
        evrepd.send_signal(signal.SIGSTOP)
        try:
            evdp.send_signal(signal.SIGTERM)
            wait("the ring to be full, or evdp to end",
                 lambda: self.stats()["session_close"]["decided"] > before["session_close"]["decided"] + 16000)
        finally:
            evrepd.send_signal(signal.SIGCONT)
        expect(evdp.wait(dataplane.PATIENCE_S) == 0, "evdp ended badly: " + self.box.log("evdp"))
        end = self.stats()
        for kind in ("session_open", "session_close"):
            row, full = end[kind], before[kind]["ring_full"]
            expect(row["ring_full"] == full and row["tagged"] + row["not_owner"] + full == row["decided"] > 40000, "%s: %s" % (kind, row))
        wait("each close to be rendered", lambda: self.records().count("SESSION_CLOSE ") == end["session_close"]["tagged"])
        self.run.ok("more sessions than the ring has slots, while evrepd stands still: evdp ends when all are told: %d" %
                    end["session_close"]["tagged"])

    def clean_up(self):
        self.box.clean_up(self.ns.values())


def tell(run):
    evdp.tell(run)
    for program in ("evdp", "evrepd"):
        print("---- %s, generic\n%s" % (program, run.generic.box.log(program)[-2000:]))


if __name__ == "__main__":
    sys.exit(dataplane.main(Screens, tell))
