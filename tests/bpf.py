#!/usr/bin/env python3
"""Two backends, one record: tests/bpf.py BUILD-FOLDER (root).  The same frames through evdp on real AF_XDP sockets and
through evbpf's program on real veth, each with an evrepd of its own: the rendered records are compared byte for byte,
less tag and time, and so is what was passed on.  Then what the BPF ring loses, double sources, SIGHUP, kill -9."""
import glob
import itertools
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import dataplane  # noqa: E402
from dataplane import EVREPD, Failed, Namespace, checksum, expect, ipv4, ipv6, sh, tcp, wait  # noqa: E402

FORMATS = ("structured", "standard", "rfc5424")
DP = """ring = "{ring}"
node = 0
event-rate = {rate}
pin = "{pin}"
zone "bare" {{ }}
zone "dmz" {{ }}
zone "trust" {{ screens = {{ "land", "syn-fin", "tcp-no-flag", "fin-no-ack", "winnuke", "syn-frag", "source-route",
                            "ping-of-death", "teardrop" }} }}
zone "untrust" {{ }}
wire "w0" {{ left = "left" right = "right" left-zone = "trust" right-zone = "untrust" backend = {backend}
            left-address = {{ "10.50.0.254", "fd50::fe" }} }}
wire "w1" {{ left = "left1" right = "right1" left-zone = "bare" right-zone = "dmz" backend = {backend} }}
address "servers" {{ prefixes = {{ "198.51.100.0/28", "2001:db8:1::/64" }} }}
address "bad" {{ prefixes = {{ "203.0.113.0/24", "2001:db8:bad::/48" }} }}
application "echo" {{ protocol = udp ports = {{ "7000-7099" }} }}
application "dns" {{ protocol = udp ports = {{ "53" }} }}
policy "bad-sources" {{ from-zone = "trust" to-zone = "untrust" source = {{ "bad" }} action = deny }}
policy "servers" {{ from-zone = "trust" to-zone = "untrust" destination = {{ "servers" }} protocol = tcp action = permit }}
policy "no-dns" {{ from-zone = "trust" to-zone = "untrust" applications = {{ "dns" }} action = deny }}
policy "refuse" {{ from-zone = "trust" to-zone = "untrust" ports = {{ "9000-9049" }} action = reject }}
policy "telnet" {{ from-zone = "trust" to-zone = "untrust" protocol = tcp ports = {{ "{telnet}" }} action = deny }}
policy "web" {{ from-zone = "trust" to-zone = "untrust" protocol = tcp ports = {{ "80-89", "139" }} action = permit }}
policy "echo" {{ from-zone = "trust" to-zone = "untrust" applications = {{ "echo" }} action = permit }}
policy "ping" {{ from-zone = "trust" to-zone = "untrust" protocol = icmp action = permit }}
policy "gre" {{ from-zone = "trust" to-zone = "untrust" protocol = gre action = permit }}
policy "diameter" {{ from-zone = "trust" to-zone = "untrust" protocol = sctp ports = {{ "3868" }} source-ports = {{ "40000" }} action = permit }}
policy "answers" {{ from-zone = "untrust" to-zone = "trust" protocol = tcp source-ports = {{ "80-89" }} action = permit }}
policy "to-dmz" {{ from-zone = "trust" to-zone = "dmz" protocol = udp ports = {{ "7101" }} action = permit }}
policy "dmz-no" {{ from-zone = "trust" to-zone = "dmz" protocol = udp ports = {{ "7102" }} action = reject }}
policy "any" {{ from-zone = "bare" to-zone = "dmz" action = permit }}
filter "route" {{ on = pbr term "log" {{ protocol = udp ports = {{ "7003" }} log = true }}
                 term "dmz" {{ protocol = udp ports = {{ "7100-7109" }} wire = "w1" log = true }}
                 term "never" {{ protocol = udp ports = {{ "7110" }} action = deny log = true }} }}
filter "i\\"n\\\\" {{ term "count" {{ protocol = udp ports = {{ "7005" }} count = true }}
              term "log" {{ protocol = udp ports = {{ "7001" }} syslog = true }}
              term "deny" {{ protocol = udp ports = {{ "7020" }} action = deny log = true }}
              term "reject" {{ protocol = udp ports = {{ "7021" }} action = reject log = true }}
              term "quiet" {{ protocol = udp ports = {{ "7022" }} action = deny }} }}
filter "out" {{ on = output term "log" {{ zone = "untrust" protocol = udp ports = {{ "7002" }} log = true }}
               term "deny" {{ zone = "untrust" protocol = udp ports = {{ "7023" }} action = deny log = true }}
               term "dmz" {{ zone = "dmz" source = {{ "bad" }} action = reject log = true }} }}
filter "self" {{ on = lo0 term "ping" {{ protocol = icmp log = true }}
                term "ssh" {{ protocol = tcp ports = {{ "22" }} action = deny log = true }} }}
"""


# ---- frames ----

def l4(protocol, body, src, dst, at):
    """The transport's checksum put at offset `at`."""
    if at is None:
        return body
    pseudo = src + dst + struct.pack("!IHBB", len(body), 0, 0, protocol)
    if len(src) == 4:
        pseudo = src + dst + struct.pack("!BBH", 0, protocol, len(body))
    return body[:at] + struct.pack("!H", checksum(pseudo + body)) + body[at + 2:]


def udp(dport, sport, data=b"x" * 24, length=None):
    return struct.pack("!HHHH", sport, dport, 8 + len(data) if length is None else length, 0) + data


def sctp(dport, sport):
    return struct.pack("!HHII", sport, dport, 0, 0) + b"\0" * 8


class Maker:
    """Frames of one IP version, each from a source of its own, so that no flow is seen twice."""

    def __init__(self, version, tags):
        self.version, self.tags, self.cases, self.passing = version, tags, [], {}

    def net(self, text4, text6):
        return text4 if self.version == 4 else text6

    def packet(self, source, dest, protocol, payload, extensions=b"", options=b"", fragment=0, first=None):
        if self.version == 4:
            return ipv4(source, dest, protocol, payload, fragment, options)
        return ipv6(source, dest, protocol, payload, extensions, first)

    def put(self, name, packet, iface="left", kind=None):
        kind = kind or (b"\x08\x00" if self.version == 4 else b"\x86\xdd")
        macs = bytes.fromhex("020000000052" + "020000000051")
        self.cases.append(("v%d %s%s" % (self.version, name, " tags %d" % (len(self.tags) // 4) if self.tags else ""),
                           iface, macs + self.tags + kind + packet))

    def next(self, special=None):
        n = Maker.count = getattr(Maker, "count", 0) + 1
        if special == "bad":
            return "203.0.113.%d" % (n % 250 + 1) if self.version == 4 else "2001:db8:bad::%x" % n
        return "10.51.%d.%d" % (n >> 8, n & 255) if self.version == 4 else "fd51::%x" % n

    def udp_to(self, name, port, dest=None, special=None, iface="left", **how):
        dest = dest or self.net("10.50.0.2", "fd50::2")
        self.put(name, self.packet(self.next(special), dest, 17, udp(port, 40000), **how), iface)

    def tcp_to(self, name, port, flags=2, dest=None, source_port=40000, special=None, iface="left", extra=b"", **how):
        dest = dest or self.net("10.50.0.2", "fd50::2")
        self.put(name, self.packet(self.next(special), dest, 6, tcp(port, flags, source_port) + extra, **how), iface)

    def icmp(self, name, kind, dest=None, ident=77, rest=b"abcdefgh", **how):
        dest = dest or self.net("10.50.0.2", "fd50::2")
        body = struct.pack("!BBHHH", kind, 0, 0, ident, 1) + rest
        self.put(name, self.packet(self.next(), dest, self.net(1, 58), body, **how))

    def policies(self):
        self.tcp_to("web", 80)
        self.tcp_to("web, middle of a flow", 81, 0x10)
        self.tcp_to("web, RST", 82, 4)
        self.tcp_to("default deny", 9999)
        self.tcp_to("named deny", 23)
        self.tcp_to("reject tcp", 9001)
        self.udp_to("reject udp", 9049)
        self.udp_to("beside a range", 9050)
        self.udp_to("application denied", 53)
        self.udp_to("application permitted", 7000)
        self.tcp_to("prefix permitted", 4444, dest=self.net("198.51.100.15", "2001:db8:1::9"))
        self.tcp_to("beside the prefix", 4444, dest=self.net("198.51.100.16", "2001:db8:2::9"))
        self.tcp_to("bad source", 80, special="bad")
        self.icmp("echo", self.net(8, 128))
        self.icmp("echo reply", self.net(0, 129))
        self.icmp("timestamp, or a group's", self.net(13, 130))
        self.icmp("error that quotes nothing", self.net(11, 3), rest=b"")
        self.put("gre", self.packet(self.next(), self.net("10.50.0.2", "fd50::2"), 47, b"\0\0\x08\0" + b"z" * 20))
        self.put("esp", self.packet(self.next(), self.net("10.50.0.2", "fd50::2"), 50, b"\0\0\x01\0" + b"z" * 20))
        for to, source in ((80, 81), (3868, 40000), (3869, 40000), (3868, 40001)):
            packet = self.packet(self.next(), self.net("10.50.0.2", "fd50::2"), 132, sctp(to, source))
            self.passing[packet] = (to, source) == (3868, 40000)
            self.put("sctp from %d to %d" % (source, to), packet)
        self.put("no next header", self.packet(self.next(), self.net("10.50.0.2", "fd50::2"), 59, b""))
        self.tcp_to("answer", 45000, 0x10, source_port=80, iface="right")
        self.tcp_to("no answer", 45000, 0x10, source_port=90, iface="right")

    def filters(self):
        own = self.net("10.50.0.254", "fd50::fe")
        for name, port in (("count", 7005), ("input log", 7001), ("input deny", 7020), ("input reject", 7021),
                           ("input deny, quiet", 7022), ("output log", 7002), ("output deny", 7023), ("pbr log", 7003),
                           ("pbr to a wire, permitted", 7101), ("pbr to a wire, rejected", 7102),
                           ("pbr to a wire, default deny", 7103), ("pbr deny", 7110)):
            self.udp_to(name, port)
        self.udp_to("output of the other wire", 7101, special="bad")
        self.icmp("lo0 log", self.net(8, 128), dest=own)
        self.tcp_to("lo0 deny", 22, dest=own)
        self.udp_to("lo0 without a term", 123, dest=own)

    def screens(self):
        same = self.next()
        self.put("land", self.packet(same, same, 6, tcp(80, 2)))
        same = self.next()
        self.put("land and syn-fin: the lower flag", self.packet(same, same, 6, tcp(80, 3)))
        for name, port, flags in (("syn-fin", 80, 3), ("no flag", 80, 0), ("fin no ack", 80, 1), ("winnuke", 139, 0x38),
                                  ("urgent elsewhere", 80, 0x30), ("fin with ack", 80, 0x11), ("syn-fin-ack", 80, 0x13),
                                  ("upper bits alone", 80, 0xC0)):
            self.tcp_to(name, port, flags)
            self.tcp_to(name + ", no screens there", port, flags, iface="left1")
        for protocol, name in ((self.net(1, 58), "ping of death"), (17, "an oversize fragment of UDP")):
            self.fragment(name, protocol, b"x" * 40, 65512, False)
        self.fragment("syn fragment", 6, tcp(80, 2) + b"abcd", 0, True)
        self.fragment("syn fragment, no screens there", 6, tcp(80, 2) + b"abcd", 0, True, iface="left1")

    def fragment(self, name, protocol, payload, offset, more, iface="left"):
        source, dest = self.next(), self.net("10.50.0.2", "fd50::2")
        if self.version == 4:
            self.put(name, self.packet(source, dest, protocol, payload, fragment=offset // 8 | (0x2000 if more else 0)), iface)
        else:
            header = struct.pack("!BBHI", protocol, 0, offset | more, 0x5000 + len(self.cases))
            self.put(name, self.packet(source, dest, protocol, payload, extensions=header, first=44), iface)

    def fragments(self):
        self.fragment("first fragment", 17, udp(7000, 40000), 0, True)
        self.fragment("first fragment, denied", 17, udp(9500, 40000), 0, True)
        self.fragment("first fragment of odd length", 17, udp(7000, 40000, b"x" * 21), 0, True)
        self.fragment("later fragment, alone", 17, b"y" * 16, 1480, False)
        self.fragment("later fragment of TCP, alone", 6, b"y" * 16, 1480, True)
        self.fragment("a fragment within TCP's header", 6, b"y" * 16, 8, True)
        self.fragment("a fragment of nothing", 17, b"", 1480, False)
        self.fragment("whole, with a fragment header", 17, udp(7000, 40000), 0, False)

    def piece(self, source, dest, protocol, payload, offset, more, ident=0x7000, before=b""):
        """before: an extension header of IPv6 of 8 bytes that stands before the fragment header."""
        if self.version == 4:
            packet = self.packet(source, dest, protocol, payload, fragment=offset // 8 | (0x2000 if more else 0))
            packet = packet[:4] + struct.pack("!H", ident & 0xFFFF) + packet[6:]
            return packet[:10] + struct.pack("!H", checksum(packet[:10] + b"\0\0" + packet[12:20])) + packet[12:]
        header = struct.pack("!BBHI", protocol, 0, offset | more, ident)
        return self.packet(source, dest, protocol, payload, extensions=before + header, first=60 if before else 44)

    def datagram(self, name, protocol, data, cuts, order=None, dest=None, iface="left", passes=None, **later):
        """`data` cut at these offsets; passes: which fragments do, None: all; later: how the fragments after the
        first differ (ident, of: protocol, tags, end, source, before)."""
        source, dest = later.pop("from_", None) or self.next(), dest or self.net("10.50.0.2", "fd50::2")
        edges = [0] + list(cuts) + [len(data)]
        for n in order if order is not None else range(len(edges) - 1):
            how = dict(later) if n > 0 else {}
            tags, end = how.pop("tags", None), how.pop("end", iface)
            piece = self.piece(how.pop("source", source), dest, how.pop("of", protocol), data[edges[n]:edges[n + 1]], edges[n],
                               n < len(edges) - 2, **how)
            self.passing[piece] = passes is None or n in passes
            own, self.tags = self.tags, self.tags if tags is None else tags
            self.put("datagram %s, %d" % (name, n), piece, end)
            self.tags = own
        return source

    def refused(self, name, piece, iface):
        self.passing[piece] = False
        self.put("datagram " + name, piece, iface)

    def datagrams(self):
        """What the first fragment of a datagram said is so for its others, and which bytes may come."""
        icmp, own = self.net(1, 58), self.net("10.50.0.254", "fd50::fe")

        def of(port, size=72):
            return udp(port, 40000, b"d" * (size - 8))
        self.datagram("in two", 17, of(7000), (32,))
        self.datagram("in two, denied", 17, of(9500), (32,), passes=())
        self.datagram("in two, rejected", 17, of(9049), (32,), passes=())
        self.datagram("in two, logged at the input", 17, of(7001), (32,))
        self.datagram("in two, refused at the output", 17, of(7023), (32,), passes=())  # A log there is `cached-output` by evdp.
        self.datagram("in two, logged at pbr", 17, of(7003), (32,))
        self.datagram("in two, by another wire", 17, of(7101), (32,))
        self.datagram("in two, by another wire, rejected", 17, of(7102), (32,), passes=())
        self.datagram("in four, mixed", 17, of(7000), (24, 40, 56), (0, 3, 1, 2))
        self.datagram("in two, the later one first", 17, of(7000), (32,), (1, 0, 1))
        self.datagram("twice", 17, of(7000), (32,), (0, 1, 0, 1))
        self.datagram("the first one again", 17, of(7000), (32,), (0, 0, 1), passes=(0, 1))
        self.datagram("a later one again", 17, of(7000), (32, 48), (0, 1, 1, 2), passes=(0, 1))
        self.datagram("more gaps than anyone leaves", 17, of(7000, 200), range(16, 200, 8), list(range(0, 24, 2)) + [1], passes=range(0, 16, 2))
        for iface in ("left", "left1"):
            self.datagram("SYN in two at " + iface, 6, tcp(80, 2) + b"d" * 44, (32,), iface=iface, passes=() if iface == "left" else None)
            self.datagram("segment in two at " + iface, 6, tcp(80, 16) + b"d" * 44, (32,), iface=iface)
            self.datagram("RST in two at " + iface, 6, tcp(80, 4) + b"d" * 44, (32,), iface=iface, passes=(0,))
            source = self.datagram("overlapped at " + iface, 17, of(7000), (32, 48), (0,), iface=iface)
            dest = self.net("10.50.0.2", "fd50::2")
            for offset in (24, 32):  # What comes after an overlap is refused too.
                self.refused("overlapped at %s, %d" % (iface, offset), self.piece(source, dest, 17, b"o" * 16, offset, True), iface)
            source = self.datagram("of two ends at " + iface, 17, of(7000), (32, 48), (0, 2), iface=iface)
            self.refused("of two ends at " + iface, self.piece(source, dest, 17, b"o" * 16, 72, False), iface)
            source = self.datagram("with two first ones at " + iface, 17, of(7000), (32,), (0,), iface=iface)
            self.datagram("with two first ones at %s, other" % iface, 17, of(9500), (32,), iface=iface, from_=source, passes=())
        self.datagram("echo in two", icmp, struct.pack("!BBHHH", self.net(8, 128), 0, 0, 77, 1) + b"e" * 64, (32,))
        self.datagram("error in two", icmp, struct.pack("!BBHI", self.net(11, 3), 0, 0, 0) + b"e" * 64, (32,), passes=(0,))
        self.datagram("echo in two to the end itself", icmp, struct.pack("!BBHHH", self.net(8, 128), 0, 0, 77, 1) + b"e" * 64, (32,), dest=own, passes=())
        self.datagram("ssh in two to the end itself", 6, tcp(22, 16) + b"d" * 44, (32,), dest=own, passes=())
        self.datagram("gre in two", 47, b"\0\0\x08\0" + b"z" * 60, (32,))
        self.datagram("sctp in two", 132, sctp(3868, 40000) + b"s" * 48, (32,))
        self.datagram("of another id", 17, of(7000), (32,), ident=0x7001, passes=(0,))
        self.datagram("of another protocol", 17, of(7000), (32,), of=6, passes=self.net((0,), None))  # IPv6: the first tells it.
        self.datagram("of another source", 17, of(7000), (32,), source=self.next(), passes=(0,))
        self.datagram("of another tag", 17, of(7000), (32,), tags=self.tags[:-1] + b"\x09" if self.tags else b"\x81\0\0\x09", passes=(0,))
        self.datagram("of one tag more", 17, of(7000), (32,), tags=self.tags[:4] + b"\x81\0\0\x07" if len(self.tags) == 4 else b"\x81\0\0\5", passes=(0,))
        self.datagram("at another wire", 17, of(7000), (32,), end="left1", passes=(0,))
        if self.version == 6:
            self.datagram("with options before the rest", 17, of(7000), (32,), before=b"\x2c\0" + b"\0" * 6)

    def malformed(self):
        dest = self.net("10.50.0.2", "fd50::2")
        whole = self.packet(self.next(), dest, 6, tcp(80, 2))
        head = self.net(20, 40)
        for n in (0, 1, 10, head - 1, head, head + 1, head + 13, head + 19):
            self.put("cut at %d" % n, whole[:n])
        self.put("padded", self.packet(self.next(), dest, 17, udp(9600, 40000, b"")) + b"\xff" * 30)
        self.put("of the other version", bytes([whole[0] ^ 0x20]) + whole[1:])
        self.put("TCP header of 16", self.packet(self.next(), dest, 6, tcp(80, 2)[:12] + b"\x40" + tcp(80, 2)[13:]))
        self.put("TCP header beyond the end", self.packet(self.next(), dest, 6, tcp(80, 2)[:12] + b"\xf0" + tcp(80, 2)[13:]))
        self.put("UDP length 7", self.packet(self.next(), dest, 17, udp(7000, 40000, length=7)))
        self.put("UDP length beyond the end", self.packet(self.next(), dest, 17, udp(7000, 40000, length=99)))
        self.put("UDP cut", self.packet(self.next(), dest, 17, udp(7000, 40000)[:6]))
        self.put("ICMP cut", self.packet(self.next(), dest, self.net(1, 58), b"\x08\0\0\0"))
        self.put("ICMP of the other version", self.packet(self.next(), dest, self.net(58, 1), b"\x80\0\0\0\0\1\0\1"))
        self.put("SCTP cut", self.packet(self.next(), dest, 132, sctp(1, 2)[:11]))

    def options(self):
        dest = "10.50.0.2"
        cases = {"nop and end": b"\x01\x01\x00\xff", "record route": b"\x07\x07\x04\0\0\0\0\0", "loose": b"\x83\x07\x04\x0a\0\0\1\0",
                 "strict after nops": b"\x01\x01\x01\x89\x07\x04\x0a\0\0\1\0\0", "of length 0": b"\x07\x00\0\0", "of length 1": b"\x44\x01\0\0",
                 "beyond the end": b"\x07\x09\x04\0", "kind alone at the end": b"\x01\x01\x01\x07", "forty bytes": b"\x01" * 40,
                 "forty and a route": b"\x01" * 33 + b"\x83\x07\x04\x0a\0\0\1", "a route that is data": b"\x07\x07\x83\x07\x04\0\0\0",
                 "one of forty": b"\x07\x28" + b"\0" * 38}
        for name, options in cases.items():
            self.put("option " + name, self.packet(self.next(), dest, 17, udp(9700, 40000), options=options))
        self.put("header of 16", b"\x44" + self.packet(self.next(), dest, 17, udp(9700, 40000))[1:])
        self.put("header beyond the end", b"\x4f" + self.packet(self.next(), dest, 17, udp(9700, 40000, b""))[1:])

    def extensions(self):
        def chain(*kinds):
            out = b""
            for i, kind in enumerate(kinds):
                following = kinds[i + 1] if i + 1 < len(kinds) else 17
                out += struct.pack("!BB", following, 4 if kind == 51 else 0) + (b"\0" * (22 if kind == 51 else 6))
            return out
        for kinds in ((0,), (60,), (51,), (135,), (139,), (140,), (0, 60, 51), (0, 43, 60), (60,) * 15, (60,) * 16, (60,) * 17,
                      (43,), (44, 44), (0, 44, 60)):
            for port in (7000, 9800):
                self.udp_to("extensions %s to %d" % ("-".join(map(str, kinds)), port), port, extensions=chain(*kinds), first=kinds[0])
        self.udp_to("extension beyond the end", 7000, extensions=b"\x11\xff" + b"\0" * 6, first=0)
        self.udp_to("routing of type 2", 7000, extensions=b"\x11\x02\x02\x01" + b"\0" * 20, first=43)
        self.put("extension cut", self.packet(self.next(), "fd50::2", 0, b"\x11\0\0\0"))

    def discovery(self):
        """Neighbour discovery passes undecided when it is of the link, else it meets screens and policies."""
        far, link, everyone = "fd50::2", "fe80::2", "ff02::1"

        def put(name, kind, dest, size=24, target=None, hops=255, code=0, source=None, extensions=b"", first=58, passes=False):
            source = source or self.next("bad")  # Whom a policy denies everything.
            target = {None: bytes(16), "source": socket.inet_pton(socket.AF_INET6, source)}.get(target) or \
                socket.inet_pton(socket.AF_INET6, target)
            body = (struct.pack("!BBHI", kind, code, 0, 0) + target + b"T" * size)[:size]
            packet = self.packet(source, dest, 58, body, extensions=extensions, first=first)
            packet = packet[:7] + bytes([hops]) + packet[8:]
            self.put("discovery " + name, packet)
            self.passing[packet] = passes
        for kind, size in ((133, 8), (134, 16), (135, 24), (136, 24), (137, 40)):
            for dest in (link, everyone, "ff05::1", "ff12::1", far):
                put("%d to %s" % (kind, dest), kind, dest, size, passes=kind != 137 and dest in (link, everyone))
            put("%d, one byte short" % kind, kind, everyone, size - 1)
            put("%d of a large one" % kind, kind, link, 1200, passes=kind != 137)
            put("%d of code 1" % kind, kind, link, size, code=1)
            put("%d over a router" % kind, kind, link, size, hops=254)
            put("%d, a tunnel" % kind, kind, far, 1200, target=far)
            put("%d, a tunnel of its own address" % kind, kind, far, 1200, target="source")
            put("%d by a source route" % kind, kind, link, size, extensions=b"\x3a\x02\x00\x01" + b"\0" * 20, first=43)
            put("%d after options" % kind, kind, link, size, extensions=b"\x3a\0" + b"\0" * 6, first=60)
            put("%d with a fragment header" % kind, kind, link, size, extensions=b"\x3a\0" + b"\0" * 6, first=44)
        for kind in (135, 136):
            for target in (far, "source", "fd50::3"):
                for size in (24, 32, 33):
                    put("probe %d of %s, %d bytes" % (kind, target, size), kind, far, size, target,
                        passes=size <= 32 and target == (far if kind == 135 else "source"))
                put("probe %d of %s to a group" % (kind, target), kind, "ff05::1", 24, target)
        put("address detection", 135, "ff02::1:ff00:2", target=far, source="::", passes=True)
        put("139", 139, link)
        put("for the end's own address", 135, "ff02::1:ff00:fe", 32, "fd50::fe")
        put("probe of the end's own address", 135, "fd50::fe", 32, "fd50::fe")
        put("redirect to the end's own address", 137, "fd50::fe", 40)

    def others(self):
        self.put("LLDP", b"\x02\x07\x04" + b"\0" * 50, kind=b"\x88\xcc")
        self.put("three tags", self.packet(self.next(), "10.50.0.2", 17, udp(7000, 40000)), kind=b"\x81\0\0\5\x81\0\0\6\x81\0\0\7\x08\0")
        self.put("a tag that is cut", b"", kind=b"\x81\x00\x00")
        arp = struct.pack("!HHBBH", 1, 0x800, 6, 4, 1) + b"\2\0\0\0\0\x51" + socket.inet_aton("10.50.0.1") + b"\0" * 6
        arp += socket.inet_aton("10.50.0.9")
        for name, packet, passes in (("question", arp, True), ("answer", arp[:7] + b"\2" + arp[8:], True), ("padded", arp + b"\0" * 18, True),
                                     ("cut", arp[:27], False), ("tunnel", arp + b"t" * 37, False), ("of another kind", arp[:7] + b"\3" + arp[8:], False),
                                     ("of IPv6", arp[:2] + b"\x86\xdd" + arp[4:], False), ("of long names", arp[:4] + b"\x08" + arp[5:], False)):
            self.passing[b"\x08\x06" + packet] = passes
            self.put("ARP " + name, packet, kind=b"\x08\x06")


def cases():
    out, passing = [], {}
    for tags in (b"", b"\x81\x00\x00\x05", b"\x88\xa8\x00\x06\x81\x00\x00\x07"):
        for version in (4, 6):
            m = Maker(version, tags)
            m.policies()
            m.filters()
            m.screens()
            m.fragments()
            m.datagrams()
            m.malformed()
            if version == 4:
                m.options()
            else:
                m.extensions()
                m.discovery()
            if not tags:
                m.others() if version == 4 else None
            out += m.cases
            passing.update(m.passing)
    return out, passing


# ---- two boxes ----

class Box(dataplane.Programs):
    """A dataplane, its evrepd, and hosts on the four ends of its wires."""
    ENDS = ("left", "right", "left1", "right1")

    def __init__(self, run, name, program):
        self.run, self.name, self.program = run, name, program
        self.dir = os.path.join(run.dir, name)
        os.mkdir(self.dir)
        super().__init__(run, self.dir, "%s%s" % (run.id, name))
        self.raw = {}
        self.ns = Namespace("%s-%s" % (run.id, name))
        self.hosts = Namespace("%s-%sh" % (run.id, name))
        for end in self.ENDS:
            self.make_end(end)
        os.mkdir(self.dir + "/state")
        self.pin = os.path.join(run.bpffs, name, "events")
        subprocess.run([run.bin("evrepctl"), "keygen", self.dir + "/cluster.key"], check=True)

    def make_end(self, end, index=None):
        sh("ip", "link", "add", end, "index", str(index or 100 + self.ENDS.index(end)), "numrxqueues", "1", "numtxqueues", "1", "netns", self.ns.name,
           "type", "veth", "peer", "name", end, "numrxqueues", "1", "numtxqueues", "1", "netns", self.hosts.name)
        for n in (self.ns, self.hosts):
            n.run("sysctl", "-qw", "net.ipv6.conf.%s.disable_ipv6=1" % end)
            n.ip("link", "set", end, "up")
        # A frame that XDP sends on is taken by a veth end only where NAPI runs there: GRO makes it run.
        self.hosts.run("ethtool", "-K", end, "gro", "on")
        s = self.hosts.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.bind((end, 3))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        s.setsockopt(263, 8, 1)
        s.setblocking(False)
        self.raw[end] = s

    def configure(self, backend=None, **values):
        values = {"rate": 0, "telnet": "23", **values}
        backend = backend or ("ebpf" if self.program == "evbpf" else "af-xdp")
        with open(self.dir + "/dp.conf", "w") as f:
            f.write(DP.format(ring=self.ring, pin=self.pin, backend=backend, **values))
        text = EVREPD.format(dir=self.dir, ring=self.ring)
        text = text[:text.index('sink "local"')]
        if self.program == "evbpf":
            text += 'source "kernel" { type = bpf-ringbuf pin = "%s" interfaces = { "left", "right" } }\n' % self.pin
        for f in FORMATS:
            text += 'sink "%s" { type = file path = "%s/%s.log" format = %s }\n' % (f, self.dir, f, f)
        with open(self.dir + "/evrepd.conf", "w") as f:
            f.write(text)

    def spawn(self, program, config="dp.conf"):
        self.spawn_in(self.ns, program, config)

    def lines(self, form="structured"):
        try:
            with open(os.path.join(self.dir, form + ".log"), "rb") as f:
                return f.read().split(b"\n")[:-1]
        except FileNotFoundError:
            return []

    def stats(self):
        return self.stats_of(self.program, "dp.conf")

    def send(self, end, frame):
        while True:
            try:
                return self.raw[end].send(frame)
            except BlockingIOError:
                pass

    def received(self):
        """What came out at each end since the last look, without what was sent there."""
        out = []
        for end, s in self.raw.items():
            while True:
                try:
                    data, extra, _, where = s.recvmsg(4000, 64)
                except BlockingIOError:
                    break
                tci = [struct.unpack("=IIIHHHH", e[2][:20])[5] for e in extra if e[1] == 8]
                if where[2] != socket.PACKET_OUTGOING:
                    out.append((end, data, tci))
        return out

    def start(self):
        self.configure()
        self.spawn(self.program)
        wait(self.program + " to be up", lambda: "wire w1" in self.log(self.program) or self.ended(self.program))
        self.spawn("evrepd", "evrepd.conf")

    def passes(self):
        """Waits until a frame passes; what came out meanwhile."""
        seen = []
        probe = bytes.fromhex("020000000052020000000051") + b"\x08\x00" + ipv4("10.52.0.1", "10.50.0.2", 17, udp(7000, 1))

        def passes():
            self.send("left", probe)
            seen.extend(self.received())
            return any(data == probe for _, data, _ in seen)
        wait("a frame to pass " + self.program, passes)
        return seen

    def ended(self, program):
        if self.children[program].poll() is not None:
            raise Failed("%s ended: %s" % (program, self.log(program)))

    def clean_up(self):
        for s in self.raw.values():
            s.close()
        super().clean_up((self.ns, self.hosts))


TAG = re.compile(rb' evrep-origin="0" evrep-epoch="\d+" evrep-seq="\d+"| tag=0/\d+/\d+| session-id(-32)?="\d+"')
TIME = re.compile(rb"^(<\d+>)(1 \S+|\w+ [ \d]\d [\d:]+)")


def bare(line):
    return TIME.sub(rb"\1", TAG.sub(b"", line))


class Run(dataplane.Run):
    KIND = "bpf"

    def __init__(self, build):
        super().__init__(build)
        self.bpffs = self.dir + "/bpffs"
        self.box = {}

    def starts(self):
        os.mkdir(self.bpffs)
        sh("mount", "-t", "bpf", "none", self.bpffs)
        for name, program in (("x", "evdp"), ("k", "evbpf")):
            self.box[name] = Box(self, name, program)
            self.box[name].start()
        for box in self.box.values():
            box.passes()
            expect("rx-vlan-offload: off" in box.ns.run("ethtool", "-k", "left"), box.program + ": tags are taken out of frames")
        self.ok("both backends run on one configuration but for the word that gives the wires to one of them")

    def records(self, box, form):
        return sorted(bare(line) for line in box.lines(form) if b"RT_" in line or b"FW:" in line)

    def compares(self):
        """Each case is a source of its own, so records are compared as sets of lines, and the case is found by its line."""
        all_cases, passing = cases()
        last = Maker(4, b"")
        last.tcp_to("the last one", 65000)
        seen = {}
        for name, box in self.box.items():
            box.received()
            for _, end, frame in all_cases + last.cases:
                box.send(end, frame)
            for form in FORMATS:
                wait("the last record", lambda: any(b"65000" in line for line in box.lines(form)))
            stats = box.stats()
            decided = sum(stats[k]["decided"] for k in ("policy_deny", "screen_drop", "filter_log"))
            wait("every record", lambda: len(self.records(box, "structured")) == decided)
            seen[name] = sorted(box.received(), key=repr)
        for form in FORMATS:
            x, k = (self.records(self.box[name], form) for name in ("x", "k"))
            for line in set(x) ^ set(k):
                print("only %s: %s" % ("evdp" if line in x else "evbpf", line.decode(errors="replace")))
            expect(x == k, "%s: %d records by evdp, %d by evbpf, and not the same" % (form, len(x), len(k)))
        replies = [f for f in seen["x"] if f[0] in ("left", "left1")]  # Rejects, and answers for its own addresses.
        far = {name: [f for f in seen[name] if f not in replies] for name in seen}
        for f in [f for f in far["x"] if f not in far["k"]] + [f for f in far["k"] if f not in far["x"]]:
            print("passed by one only: %s %s %s" % (f[0], f[1].hex(), f[2]))
        expect(far["x"] == far["k"], "%d frames passed by evdp, %d by evbpf" % (len(far["x"]), len(far["k"])))
        passed = {data[-len(p):] for _, data, _ in far["k"] for p in passing if data.endswith(p)}
        for name, _, frame in all_cases:
            p = next((p for p in passing if frame.endswith(p)), None)
            expect(p is None or passing[p] == (p in passed), "%s: %s" % (name, "passes" if p in passed else "does not pass"))
        expect(len(all_cases) >= 200, "%d cases" % len(all_cases))
        kinds = {k: self.box["k"].stats()[k]["emitted"] for k in ("policy_deny", "screen_drop", "filter_log")}
        self.ok("%d frames: the same %d records in %s, the same %d frames passed on; %s" %
                (len(all_cases), len(self.records(self.box["k"], "structured")), ", ".join(FORMATS), len(far["k"]), kinds))

    # ---- one source of a decision ----

    def refuses_jumbo(self, box):
        sh("ip", "link", "add", "j0", "netns", box.ns.name, "mtu", "9000", "type", "veth", "peer", "name", "j1", "netns", box.ns.name)
        with open(box.dir + "/other.conf", "w") as f:
            f.write('ring = "%s"\nnode = 0\npin = "%sj"\nzone "a" { }\nzone "b" { }\n'
                    'wire "j" { left = "j0" right = "j1" left-zone = "a" right-zone = "b" backend = ebpf }\n' % (box.ring, box.pin))
        line = self.fails("evbpf", ["-c", box.dir + "/other.conf"], box.ns)
        expect("interface j0: its MTU is 9000; jumbo frames (above 3818) are not supported" in line, line)

    def checks_limits(self, text, backend):
        """--check has every limit that a start has."""
        path = os.path.join(self.dir, "limits.conf")
        with open(path, "w") as f:
            f.write(text)
            for i in range(4100):
                f.write('policy "q%d" { from-zone = "trust" to-zone = "untrust" destination = { "20.%d.%d.0/24" } action = deny }\n' %
                        (i, i // 256, i % 256))
        if backend == "af-xdp":
            line = self.fails("evbpf", ["-c", path, "--check"])
            expect("limits.conf: 41" in line and "the eBPF program searches at most 4096" in line, line)
        else:
            sh(self.bin("evdp"), "-c", path, "--check")

    def double_sources(self):
        x, k = self.box["x"], self.box["k"]
        self.refuses_jumbo(k)
        for box, program, backend in ((k, "evdp", "af-xdp"), (x, "evbpf", "ebpf")):
            with open(box.dir + "/dp.conf") as f:
                text = f.read()
            other = text.replace("backend = " + ("ebpf" if backend == "af-xdp" else "af-xdp"), "backend = " + backend)
            with open(box.dir + "/other.conf", "w") as f:
                f.write(other.replace(box.pin, box.pin + "2"))
            line = self.fails(program, ["-c", box.dir + "/other.conf"], box.ns)
            expect("interface left: %s decides there already" % box.program in line, line)
            line = self.fails(program, ["-c", box.dir + "/dp.conf", "--check"])
            expect("no wire has backend = " + backend in line, line)
            with open(box.dir + "/other.conf", "w") as f:
                f.write(text + 'wire "w2" { left = "left" right = "r2" left-zone = "bare" right-zone = "dmz" backend = %s }\n' % backend)
            self.checks_limits(text, backend)
            for each in ("evdp", "evbpf"):
                line = self.fails(each, ["-c", box.dir + "/other.conf", "--check"])
                expect("interface left is used twice" in line and "one backend" in line, line)
        with open(k.dir + "/evrepd.conf") as f:
            text = f.read()
        with open(k.dir + "/other.conf", "w") as f:
            f.write(text.replace("type = ring", 'type = ring interfaces = { "left1", "right" }'))
        line = self.fails("evrepd", ["--check", "-c", k.dir + "/other.conf"])
        expect('interface right is of source "dp" already' in line, line)
        with open(k.dir + "/other.conf", "w") as f:
            f.write(text + 'source "again" { type = bpf-ringbuf pin = "%s" }\n' % k.pin)
        line = self.fails("evrepd", ["--check", "-c", k.dir + "/other.conf"])
        expect("read the same" in line, line)
        self.ok("jumbo frames are refused; a double source is one clear line: at attach both ways, in the dataplane's configuration, in evrepd's")

    def second(self):
        """A second start touches nothing that the first one counts, or evrepd goes by."""
        k = self.box["k"]
        k.send("left", bytes.fromhex("020000000052020000000051") + b"\x08\x00" + ipv4("10.54.0.1", "10.50.0.2", 17, udp(7005, 1)))

        def terms():
            return k.stats()["dataplane"]["terms"]
        wait("the term to count", lambda: terms()[0]["packets"] > 0)
        before = terms()
        line = self.fails("evbpf", ["-c", k.dir + "/dp.conf"], k.ns)
        expect("another evbpf runs with it" in line, line)
        sh("ip", "link", "add", "q0", "netns", k.ns.name, "type", "veth", "peer", "name", "q1", "netns", k.ns.name)
        with open(k.dir + "/other.conf", "w") as f:
            f.write('ring = "%sz"\nnode = 0\npin = "%s"\nzone "a" { }\nzone "b" { }\n'
                    'wire "q" { left = "q0" right = "q1" left-zone = "a" right-zone = "b" backend = ebpf }\n' % (k.ring, k.pin))
        line = self.fails("evbpf", ["-c", k.dir + "/other.conf"], k.ns)
        expect("another evbpf runs with it" in line, line)
        expect(terms() == before, "the second one cleared %s to %s" % (before, terms()))
        self.ok("a second evbpf of the same wires, or of others with the same pin, is refused and touches nothing")

    # ---- nothing is dropped unseen ----

    def flood(self, count, port=9900):
        """Denied frames, each from a source of its own."""
        box = self.box["k"]
        for _ in range(count):
            self.flooded = getattr(self, "flooded", 0) + 1
            source = "10.%d.%d.%d" % (100 + (self.flooded >> 16), self.flooded >> 8 & 255, self.flooded & 255)
            box.send("left", bytes.fromhex("020000000052020000000051") + b"\x08\x00" + ipv4(source, "10.50.0.2", 6, tcp(port, 2)))

    def until_told(self, what, port, part):
        """The lease of an evrepd that was killed may run out meanwhile, so the frame is sent again."""
        def told():
            self.flood(1, port)
            return any(part in x and b'destination-port="%d"' % port in x for x in self.box["k"].lines())
        wait("a record " + what, told)

    def suppressed(self, cause):
        found = (re.search(rb'EVREP_SUPPRESSED .*kind="POLICY_DENY" zone="trust" cause="%s" count="(\d+)"' % cause.encode(), line)
                 for line in self.box["k"].lines())
        return sum(int(m[1]) for m in found if m)

    def accounts(self):
        """Every decision is a record or in a count that is stated; no frame is told under two tags."""
        box = self.box["k"]

        def balanced():
            row = box.stats()["policy_deny"]
            lines = [line for line in box.lines() if b"RT_FLOW_SESSION_DENY" in line and b'source-address="10.1' in line]
            tags = {}
            for line in lines:
                tags.setdefault(bare(line.replace(b' evrep-in-doubt="1"', b"")), set()).add(b"".join(TAG.findall(line)))
            self.last = (row, len(tags), sum(len(t) for t in tags.values()), self.suppressed("ring_full"), self.suppressed("rate_limited"))
            return row["decided"] == row["emitted"] + row["ring_full"] + row["rate_limited"] and \
                len(tags) == sum(len(t) for t in tags.values()) == row["emitted"] - self.before["emitted"] and \
                self.last[3] == row["ring_full"] and self.last[4] == row["rate_limited"]
        try:
            wait("the account to balance", balanced)
        except Failed as e:
            raise Failed("%s: counters %s, records %d, tags %d, suppressed by the ring %d, by the limiter %d" % ((e,) + self.last))

    def loses(self):
        box = self.box["k"]
        evrepd = box.children["evrepd"]
        self.before = box.stats()["policy_deny"]

        def full():
            evrepd.send_signal(signal.SIGSTOP)  # Its word on activity is good for two seconds.
            try:
                self.flood(9000)
            finally:
                evrepd.send_signal(signal.SIGCONT)
            return box.stats()["policy_deny"]["ring_full"] > 0
        wait("the BPF ring to be full", full)
        self.accounts()
        self.ok("what the BPF ring has no room for is counted and stated, the rest is there: %s" % box.stats()["policy_deny"])

    def dies(self):
        box = self.box["k"]
        for _ in range(2):
            self.flood(4000)
            box.children["evrepd"].kill()
            box.children["evrepd"].wait()
            self.flood(500)
            box.spawn("evrepd", "evrepd.conf")
            before = box.stats()["policy_deny"]["decided"]

            def decides():
                self.flood(1)
                return box.stats()["policy_deny"]["decided"] > before
            wait("the group to be active again", decides)
        self.accounts()
        self.ok("evrepd killed twice in the middle: no record lost, none told twice")

    def edit(self, box, old, new):
        with open(box.dir + "/dp.conf") as f:
            text = f.read()
        expect(old in text, "%s is not in the configuration" % old)
        with open(box.dir + "/dp.conf", "w") as f:
            f.write(text.replace(old, new))

    def limits(self, more):
        """Sends until the limiter has refused so many: on a busy machine it admits all that comes so slowly."""
        row = self.box["k"].stats()["policy_deny"]

        def limited():
            self.flood(500)
            return self.box["k"].stats()["policy_deny"]["rate_limited"] >= row["rate_limited"] + more
        wait("the limiter to refuse %d" % more, limited)

    def keeps_limit(self, box):
        """A reload is no way to a second burst of 1024: from an empty bucket, no more than its 100 a second pass."""
        self.limits(500)
        began, before = time.monotonic(), box.stats()["policy_deny"]["emitted"]
        box.hang_up("evbpf")
        self.limits(500)
        more = box.stats()["policy_deny"]["emitted"] - before
        expect(more < 100 * (time.monotonic() - began) + 512, "%d after a reload: the limiter began anew" % more)

    def moves_on(self, box):
        """The word on activity is brought while a program is loaded."""
        maps = [re.search(r"map_type:\t2\n.*max_entries:\t128\n.*map_id:\t(\d+)", open(f).read(), re.S)
                for f in glob.glob("/proc/%d/fdinfo/*" % box.children["evbpf"].pid)]
        active = next(m[1] for m in maps if m)

        def moves():
            said, words = box.log("evbpf").count("configuration read again"), set()
            box.children["evbpf"].send_signal(signal.SIGHUP)
            while box.log("evbpf").count("configuration read again") == said:
                words.add(sh("bpftool", "map", "lookup", "id", active, "key", "1", "0", "0", "0"))
            return len(words) > 3
        wait("activity to move on during a reload", moves)

    def goes_on(self, box):
        """A datagram whose first fragment came before a reload: its second one is permitted by it."""
        maker, numbers = Maker(4, b""), iter(range(1, 256))

        def passes():
            source = "10.58.0.%d" % next(numbers)
            first = maker.piece(source, "10.50.0.2", 17, udp(7000, 40000), 0, True)
            second = maker.piece(source, "10.50.0.2", 17, b"z" * 24, 32, False)
            head = bytes.fromhex("020000000052020000000051") + b"\x08\x00"
            box.received()
            box.send("left", head + first)
            box.hang_up("evbpf")
            box.send("left", head + second)
            return any(data.endswith(second) for _, data, _ in box.passes())
        wait("a datagram to go on across a reload", passes)

    def reloads(self):
        box = self.box["k"]
        box.configure(telnet="9924", rate=100)
        box.hang_up("evbpf")
        self.until_told("by the new rules", 9924, b'policy-name="telnet"')
        self.limits(1500)
        self.accounts()
        for b in self.box.values():
            terms = b.stats()["dataplane"]["terms"]
            expect([(t["filter"], t["term"]) for t in terms] == [("i\"n\\", "count")], "%s: %s" % (b.program, terms))
        with open(box.dir + "/dp.conf", "a") as f:
            f.write('nat "n" { from-zone = "trust" to-zone = "untrust" pool = { "192.0.2.0/29" } }\n')
        box.children["evbpf"].send_signal(signal.SIGHUP)
        wait("NAT to be refused", lambda: "has no sessions to translate" in box.log("evbpf"))
        expect("the old configuration stays in force" in box.log("evbpf"), box.log("evbpf"))
        for edit, what in (("node = 0", "node = 1"), "'ring' or 'node'"), (("node = 0", "node = 0 mode = generic"), "'mode'"), \
                (("node = 0", "node = 0 sessions = 2048"), "'sessions'"), ((box.pin, box.pin + "9"), "'pin'"), \
                (('"left1"', '"leftx"'), "the interfaces of a wire"):
            box.configure(rate=100)
            self.edit(box, *edit)
            box.children["evbpf"].send_signal(signal.SIGHUP)
            wait(what + " to be refused", lambda: re.search(
                r"dp.conf: .*%s.* cannot change while evbpf runs; the old configuration stays in force" % what, box.log("evbpf")))
        box.configure(rate=100)
        self.keeps_limit(box)
        self.goes_on(box)
        self.moves_on(box)
        os.unlink(box.dir + "/dp.conf")
        os.mkdir(box.dir + "/dp.conf")
        box.children["evbpf"].send_signal(signal.SIGHUP)
        wait("a folder to be refused", lambda: "dp.conf: is a folder, not a configuration file; the old" in box.log("evbpf"))
        os.rmdir(box.dir + "/dp.conf")
        box.configure()
        self.ok("SIGHUP: new rules and their limit at once, on the same rings; what it cannot do is refused")

    def ends(self):
        box = self.box["k"]
        evbpf = box.children.pop("evbpf")
        evbpf.send_signal(signal.SIGTERM)
        expect(evbpf.wait(60) == 0, "evbpf ended badly: " + box.log("evbpf"))
        expect("xdp" not in box.ns.ip("link", "show", "dev", "left"), "the program stayed")
        for port in box.stats()["dataplane"]["interfaces"]:
            expect(port["received"] == sum(v for k, v in port.items() if k not in ("name", "received")), "fates: %s" % port)
        expect(any(t["term"] == "count" for t in box.stats()["dataplane"]["terms"]), "the term that counts: %s" % box.stats())
        box.spawn("evbpf")
        wait("evbpf to be up again", lambda: box.log("evbpf").count("wire w1") == 2)
        self.until_told("after its restart", 9998, b"10.100.")
        self.ok("evbpf ends and leaves no program, its counters stay, and a new one goes on with the same rings")

    def cut_off(self):
        """Another process truncates the ring of each box: all that have it say so once, and live."""
        for box in self.box.values():
            programs = (box.program, "evrepd")
            os.truncate("/dev/shm/" + box.ring, 0)
            for program in programs:
                wait(program + " to say so", lambda: "another process cut its file off" in box.log(program))
            before = [p["inactive"] for p in box.stats()["dataplane"]["interfaces"]] if box.program == "evbpf" else [0]

            def drops():
                self.probe(box)
                return [p["inactive"] for p in box.stats()["dataplane"]["interfaces"]][0] > before[0]
            if box.program == "evbpf":
                wait("frames to be dropped", drops)
            for program in programs:
                box.ended(program)
                expect(box.log(program).count("another process cut its file off") == 1, program + " says it again and again")
        self.ok("the ring's file cut off by another process is one line of each, and nobody dies of it")

    def again(self, program, how):
        """What it was removed with is gone too: names and statistics lie beside the ring."""
        for box in self.box.values():
            for name in os.listdir("/dev/shm"):
                if name.startswith(box.ring):
                    os.unlink("/dev/shm/" + name)
            child = box.children.pop(program or box.program)
            child.send_signal(how)
            child.wait(60)
        for box in self.box.values():
            box.spawn(program or box.program, "evrepd.conf" if program else "dp.conf")

    def told(self, box, source):
        frame = bytes.fromhex("020000000052020000000051") + b"\x08\x00" + ipv4(source, "10.50.0.2", 6, tcp(9900, 2))

        def told():
            box.send("left", frame)
            return any(b'"%s"' % source.encode() in line and b'source-zone-name="trust"' in line for line in box.lines())
        wait("a record with names", told)

    def replaced(self):
        """The ring's file removed and made anew by whichever side starts then: the other follows, and says so once."""
        self.again("evrepd", signal.SIGKILL)
        for box in self.box.values():
            wait("it to follow", lambda: box.log(box.program).count("another one now, which is used from now on") == 1)
            box.passes()
            self.told(box, "10.58.0.1")
            expect(box.program == "evbpf" or box.stats()["dataplane"]["pid"] > 0, "no statistics")
        ups = {n: box.log("evrepd").count("is up") for n, box in self.box.items()}
        for box in self.box.values():  # As interfaces() left it, no dataplane would start.
            box.ns.ip("link", "set", "left1", "mtu", "1500")
        self.again(None, signal.SIGTERM)
        for n, box in self.box.items():
            if n == "x":
                wait("evrepd to start anew", lambda: box.log("evrepd").count("node 0 of cluster 7 is up") > ups[n])
            box.passes()
            self.told(box, "10.58.0.2")
            box.ended("evrepd")
            box.ended(box.program)
            expect(box.log("evrepd").count("its file is another one now") == 1, box.log("evrepd"))
        self.ok("a ring that was removed: the one that starts makes another, the one that runs goes on with it, names and all")

    def probe(self, box):
        box.send("left", bytes.fromhex("020000000052020000000051") + b"\x08\x00" + ipv4("10.55.0.1", "10.50.0.2", 17, udp(7000, 1)))

    def interfaces(self):
        """One that goes away and comes back, with the same number or another, is attached again; the others go on."""
        for box in self.box.values():
            for n, index in enumerate((None, 300)):
                box.raw.pop("left1").close()
                box.hosts.ip("link", "del", "left1")
                wait("the loss to be said", lambda: box.log(box.program).count("interface left1: is gone; its wire") == n + 1)
                box.passes()
                box.make_end("left1", index)
                frame = bytes.fromhex("020000000052020000000051") + b"\x08\x00" + ipv4("10.57.0.%d" % n, "10.50.0.2", 17, udp(7300, 1))

                def passes():
                    box.send("left1", frame)
                    return any(end == "right1" for end, _, _ in box.received())
                wait("left1 to work again", passes)
                wait("that to be said", lambda: box.log(box.program).count("interface left1: is back (native)") == n + 1)
                box.passes()
            box.ended(box.program)
            box.raw.pop("left1").close()
            box.hosts.ip("link", "del", "left1")
            wait("the loss to be said", lambda: box.log(box.program).count("interface left1: is gone; its wire") == 3)
            sh("ip", "link", "add", "left1", "mtu", "9000", "netns", box.ns.name, "type", "veth", "peer", "name", "left1x", "netns", box.ns.name)
            wait("why it is not used", lambda: "left1: its MTU is 9000; jumbo frames (above 3818) are not supported" in box.log(box.program))
            box.passes()
            expect("tried again each second" in box.log(box.program) and box.log(box.program).count("MTU is 9000") == 1, box.log(box.program))
            box.ns.ip("link", "del", "left1")
            box.make_end("left1")
            wait("one that can be used", lambda: box.log(box.program).count("interface left1: is back (native)") == 3)
        self.ok("an interface that goes and comes back, with another number too, is said and attached again; others go on")

    def new_rate(self):
        """evdp too takes another event-rate by SIGHUP, and what it admitted before counts."""
        x = self.box["x"]
        x.configure(rate=100)
        x.hang_up("evdp")
        numbers = iter(range(65536))

        def limited():
            for i in itertools.islice(numbers, 500):
                x.send("left", bytes.fromhex("020000000052020000000051") + b"\x08\x00" + ipv4("10.56.%d.%d" % (i >> 8, i & 255), "10.50.0.2", 17, udp(9908, 1)))
            row = x.stats()["policy_deny"]
            return row["rate_limited"] > 1500 and row["decided"] == sum(v for k, v in row.items() if k != "decided")
        wait("the limiter to refuse", limited)
        self.ok("evdp: another event-rate by SIGHUP, at once: %s" % x.stats()["policy_deny"])

    def run(self):
        for step in (self.starts, self.compares, self.double_sources, self.second, self.loses, self.dies, self.reloads, self.ends, self.new_rate, self.interfaces, self.cut_off, self.replaced):
            step()

    def clean_up(self):
        for box in self.box.values():
            box.clean_up()
        sh("umount", self.bpffs, check=False)
        super().clean_up()


def tell(run):
    for box in run.box.values():
        for program in (box.program, "evrepd"):
            print("---- %s of %s\n%s" % (program, box.name, box.log(program)[-2000:]))


if __name__ == "__main__":
    sys.exit(dataplane.main(Run, tell))
