#!/usr/bin/env python3
"""evdp on real AF_XDP sockets: tests/evdp.py BUILD-FOLDER (root).  A client, evdp and evrepd, a server, each in a
network namespace; every kind of event decided, counted and rendered; two queues, VLAN tags, IPv6, NAT, rejects, SIGHUP."""
import os
import re
import signal
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import dataplane  # noqa: E402
from dataplane import EVREPD, PATIENCE_S, Failed, Namespace, expect, ipv4, sh, tcp, wait  # noqa: E402

CLIENT_MAC, SERVER_MAC = "02:00:00:00:00:51", "02:00:00:00:00:52"
PACKET_AUXDATA, SOL_PACKET = 8, 263

EVDP = """ring = "{ring}"
node = 0
event-rate = 0
timeouts {{ tcp-closing = 1 }}
{mode}
zone "trust" {{ screens = {{ "land", "syn-fin", "tcp-no-flag", "fin-no-ack", "winnuke", "syn-frag", "source-route",
                            "ping-of-death", "teardrop", "udp-flood"{cookie} }} udp-flood-rate = 500
               syn-flood-rate = 1 }}
zone "untrust" {{ }}
wire "w0" {{ left = "left" right = "right" left-zone = "trust" right-zone = "untrust"
            left-address = {{ "10.50.0.254", "fd50::fe" }} }}
application "echo" {{ protocol = udp ports = {{ "7000-7009" }} }}
policy "refuse" {{ from-zone = "trust" to-zone = "untrust" ports = {{ "9000-9049" }} action = reject }}
policy "{policy}" {{ from-zone = "trust" to-zone = "untrust" protocol = tcp ports = {{ "{web}" }} action = permit
               log = {{ "session-init", "session-close" }} }}
policy "echo" {{ from-zone = "trust" to-zone = "untrust" applications = {{ "echo" }} action = permit
                log = {{ "session-init", "session-close" }} }}
policy "ping" {{ from-zone = "trust" to-zone = "untrust" protocol = icmp action = permit }}
filter "audit" {{ term "count" {{ protocol = udp ports = {{ "7005" }} count = true }}
                 term "log" {{ protocol = udp ports = {{ "7001" }} syslog = true }} }}
filter "leaving" {{ on = output term "log" {{ zone = "untrust" protocol = udp ports = {{ "7002" }} log = true }} }}
filter "route" {{ on = pbr term "log" {{ protocol = udp ports = {{ "7003" }} log = true }} }}
filter "self" {{ on = lo0 term "log" {{ protocol = icmp log = true }} }}
nat "hide" {{ from-zone = "trust" to-zone = "untrust" protocol = udp ports = {{ "7004" }} pool = {{ "192.0.2.8/30", "fd92::8/126" }} }}
"""


def udp(port, data=b"x" * 24):
    return struct.pack("!HHHH", 40001, port, 8 + len(data), 0) + data


class Run(dataplane.Run):
    KIND = "evdp"
    CONFIG, QUEUES = EVDP, 2
    DEFAULTS = {"policy": "web", "web": "80-89", "mode": "", "cookie": ""}

    def __init__(self, build):
        super().__init__(build)
        self.ring = self.id + "n0"
        self.box = dataplane.Programs(self, self.dir, self.ring)
        self.children, self.log = self.box.children, self.box.log
        self.ns, self.said = {}, 0

    # ---- set-up ----

    def veth(self, host, inner, mac, address4, address6):
        queues = ("numrxqueues", str(self.QUEUES), "numtxqueues", str(self.QUEUES))
        sh("ip", "link", "add", "wire", *queues, "netns", self.ns[host].name, "type", "veth", "peer", "name", inner, *queues,
           "netns", self.ns["box"].name)
        n = self.ns[host]
        n.run("sysctl", "-qw", "net.ipv6.conf.wire.accept_dad=0", "net.ipv6.conf.wire.router_solicitations=0")
        self.ns["box"].run("sysctl", "-qw", "net.ipv6.conf.%s.disable_ipv6=1" % inner)
        n.ip("link", "set", "wire", "address", mac, "up")
        self.ns["box"].ip("link", "set", inner, "up")
        n.ip("addr", "add", address4 + "/24", "dev", "wire")
        n.ip("addr", "add", address6 + "/64", "dev", "wire", "nodad")
        n.run("ethtool", "-K", "wire", "tx", "off", "tso", "off", "gso", "off", "gro", "off")

    def network(self):
        for name in ("client", "box", "server"):
            self.ns[name] = Namespace("%s-%s" % (self.id, name))
        self.veth("client", "left", CLIENT_MAC, "10.50.0.1", "fd50::1")
        self.veth("server", "right", SERVER_MAC, "10.50.0.2", "fd50::2")
        server = self.ns["server"]
        server.ip("route", "add", "192.0.2.0/24", "dev", "wire")
        server.ip("route", "add", "fd92::/64", "dev", "wire")
        for last in range(8, 12):
            server.ip("neigh", "replace", "192.0.2.%d" % last, "lladdr", CLIENT_MAC, "dev", "wire")
            server.ip("neigh", "replace", "fd92::%x" % last, "lladdr", CLIENT_MAC, "dev", "wire")

    def configure(self, **values):
        values = {**self.DEFAULTS, **values, "ring": self.ring, "dir": self.dir}
        for name, text in (("evdp.conf", self.CONFIG), ("evrepd.conf", EVREPD)):
            with open(os.path.join(self.dir, name), "w") as f:
                f.write(text.format(**values))

    def spawn(self, program):
        self.box.spawn_in(self.ns["box"], program, program + ".conf")

    def records(self):
        try:
            with open(os.path.join(self.dir, "rt_flow.log"), errors="replace") as f:
                return f.read().splitlines()
        except FileNotFoundError:
            return []

    def record(self, *parts):
        """Waits for a record that has all these parts."""
        return wait("a record with " + " ".join(parts),
                    lambda: next((r for r in self.records() if all(p in r for p in parts)), None))

    def stats(self):
        return self.box.stats_of("evdp", "evdp.conf")

    # ---- hosts ----

    def host(self, name, kind, address=None, port=0):
        family = socket.AF_INET6 if address and ":" in address else socket.AF_INET
        s = self.ns[name].socket(family, kind)
        s.settimeout(PATIENCE_S)
        if kind == socket.SOCK_STREAM:  # Two datagram sockets with it may be given one port, and only one of them hears.
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address:
            s.bind((address, port))
        if name == "server" and kind == socket.SOCK_STREAM:
            s.listen(8)
        return s

    def raw(self, name):
        s = self.ns[name].socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.bind(("wire", 3))
        s.settimeout(PATIENCE_S)
        s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        return s

    def say(self, c, s, to):
        """A datagram of its own, until it is there: a busy machine may let evrepd's word of activity run out for a moment,
        and one that was sent again may come twice.  Returns whom it came from."""
        self.said += 1
        data = b"word %d" % self.said
        s.settimeout(1)
        for _ in range(PATIENCE_S):
            c.sendto(data, to)
            try:
                got, seen = s.recvfrom(2000)
                while got != data:
                    got, seen = s.recvfrom(2000)
                return seen
            except TimeoutError:
                pass
        raise Failed("no datagram came to %s" % (to,))

    def connect(self, address, port):
        listener = self.host("server", socket.SOCK_STREAM, address, port)
        c = self.host("client", socket.SOCK_STREAM, "fd50::1" if ":" in address else "10.50.0.1")
        c.connect((address, port))
        s, _ = listener.accept()
        s.settimeout(PATIENCE_S)
        listener.close()
        return c, s

    def frame(self, payload, tags=b""):
        macs = bytes.fromhex((SERVER_MAC + CLIENT_MAC).replace(":", ""))
        return macs + tags + b"\x08\x00" + payload

    # ---- the story ----

    def refuses_jumbo(self):
        self.ns["box"].ip("link", "set", "left", "mtu", "9000")
        text = self.fails("evdp", ["-c", self.dir + "/evdp.conf"], self.ns["box"])
        expect("jumbo frames" in text, "no clear line about the MTU: " + text)
        self.ns["box"].ip("link", "set", "left", "mtu", "1500")
        self.configure(mode="queues = 1")
        text = self.fails("evdp", ["-c", self.dir + "/evdp.conf"], self.ns["box"])
        expect("has 2 receive queues" in text, "no clear line about queues: " + text)
        self.configure()
        self.ok("jumbo frames and queues that nobody would read are refused clearly")

    def starts(self):
        subprocess.run([self.bin("evrepctl"), "keygen", self.dir + "/cluster.key"], check=True)
        os.mkdir(self.dir + "/state")
        self.spawn("evdp")
        wait("evdp to be up", lambda: "evdp: wire w0" in self.log("evdp"))
        expect("left (native) - right (native), %d queues" % self.QUEUES in self.log("evdp"), "mode and queues: " + self.log("evdp"))
        self.spawn("evrepd")
        c, s = self.host("client", socket.SOCK_DGRAM, "10.50.0.1"), self.host("server", socket.SOCK_DGRAM, "10.50.0.2", 7000)
        s.settimeout(0.1)

        def passes():
            c.sendto(b"?", ("10.50.0.2", 7000))
            try:
                return s.recv(100)
            except TimeoutError:
                return None
        wait("the group to be active, and a datagram to pass", passes)
        self.ok("native mode, %d queues; passes once its group is active" % self.QUEUES)

    def second(self):
        path = os.path.join(self.dir, "evdp.conf")
        wait("statistics", lambda: self.stats()["dataplane"]["interfaces"])
        before = self.stats()["dataplane"]
        expect("another evdp runs on it" in self.fails("evdp", ["-c", path], self.ns["box"]), "a second evdp on one ring")
        after = self.stats()["dataplane"]
        expect(after["pid"] == before["pid"] and len(after["terms"]) == len(before["terms"]) == 1 and
               all(b["received"] >= a["received"] > 0 for a, b in zip(before["interfaces"][:1], after["interfaces"])),
               "the second one cleared what the first counts: %s, %s" % (before, after))
        other = os.path.join(self.dir, "other.conf")
        with open(path) as f, open(other, "w") as to:
            to.write(f.read().replace(self.ring, self.ring + "x"))
        expect("No such file" in self.fails("evdp", ["-c", other, "--stats"]), "statistics of a ring that is not there")
        expect(not os.path.exists("/dev/shm/%sx" % self.ring), "--stats made a ring")
        self.ok("a second evdp touches nothing, --stats makes nothing")

    def tcp_sessions(self):
        for address in ("10.50.0.2", "fd50::2"):
            c, s = self.connect(address, 80)
            c.sendall(b"a" * 5000)
            got = b""
            while len(got) < 5000:
                got += s.recv(5000)
            s.sendall(b"b" * 300)
            expect(c.recv(300)[:1] == b"b", "no answer")
            c.close()
            s.close()
        for own in ("10.50.0.1", "fd50::1"):
            where = 'source-address="%s"' % own
            self.record("RT_FLOW_SESSION_CREATE", where, 'destination-port="80"', 'policy-name="web"')
            r = self.record("RT_FLOW_SESSION_CLOSE", where, 'reason="TCP FIN"', 'destination-port="80"')
            expect(int(re.search(r'bytes-from-client="(\d+)"', r)[1]) > 5000, "bytes of the client: " + r)
            expect(int(re.search(r'packets-from-server="(\d+)"', r)[1]) >= 3, "packets of the server: " + r)
        self.ok("TCP sessions over IPv4 and IPv6 open and close, with what they carried")

    def rejects(self):
        for address in ("10.50.0.2", "fd50::2"):
            c = self.host("client", socket.SOCK_STREAM, "fd50::1" if ":" in address else "10.50.0.1")
            try:
                c.connect((address, 9001))
                raise Failed("a refused connection came about")
            except ConnectionRefusedError:
                pass
        listener = self.raw("client")
        u = self.host("client", socket.SOCK_DGRAM, "10.50.0.1")
        listener.settimeout(1)
        f = bytes(40)
        while f[12:14] != b"\x08\x00" or f[23] != 1 or f[34] != 3:
            try:
                f = listener.recv(2000)
            except TimeoutError:
                pass
            u.sendto(b"?", ("10.50.0.2", 9002))
        expect(f[35] == 13, "unreachable, but not by policy")
        self.record("RT_FLOW_SESSION_DENY", 'policy-name="refuse"', 'destination-port="9002"')
        u.sendto(b"?", ("10.50.0.2", 9500))
        self.record("RT_FLOW_SESSION_DENY", 'policy-name="default-deny"', 'destination-port="9500"')
        self.ok("a reject is told to the sender: RST over IPv4 and IPv6, ICMP; the default deny is logged")

    def screens(self):
        raw = self.raw("client")
        own, server = "10.50.0.1", "10.50.0.2"
        frames = {
            "LAND attack": ipv4(server, server, 6, tcp(80, 2)),
            "TCP SYN+FIN": ipv4(own, server, 6, tcp(80, 3)),
            "TCP no-flag": ipv4(own, server, 6, tcp(80, 0)),
            "TCP FIN-no-ACK": ipv4(own, server, 6, tcp(80, 1)),
            "WinNuke": ipv4(own, server, 6, tcp(139, 0x38)),
            "SYN fragment": ipv4(own, server, 6, tcp(80, 2) + b"abcd", fragment=0x2000),
            "IP source-route": ipv4(own, server, 6, tcp(80, 2), options=b"\x83\x07\x04\x0a\x00\x00\x01\x00"),
            "ping of death": ipv4(own, server, 1, b"x" * 40, fragment=65512 // 8),
        }
        for frame in frames.values():
            raw.send(self.frame(frame))
        raw.send(self.frame(ipv4(own, server, 17, udp(7000), fragment=0x2000)))
        raw.send(self.frame(ipv4(own, server, 17, b"y" * 16, fragment=2)))
        for name in list(frames) + ["tear drop"]:
            self.record("RT_FLOW SCREEN_DROP screen=%s " % name, "zone=trust")
        flood = self.frame(ipv4(own, "10.50.0.77", 17, udp(7000)))  # Nobody else's rate.

        def flooded():
            for _ in range(700):
                raw.send(flood)
            return any("screen=UDP flood " in r for r in self.records())
        wait("a UDP flood to be seen", flooded)
        self.ok("screens of packets, fragments and rates drop and are named")

    def filters(self):
        c = self.host("client", socket.SOCK_DGRAM, "10.50.0.1")
        servers = [self.host("server", socket.SOCK_DGRAM, "10.50.0.2", 7001 + i) for i in range(5)]
        for i in (1, 2, 2, 3, 5):
            self.say(c, servers[i - 1], ("10.50.0.2", 7000 + i))
        self.record("RT_FLOW FILTER_LOG", "source=input", "filter=1 term=2")
        self.record("RT_FLOW FILTER_LOG", "source=output", "zone=trust->untrust")
        self.record("RT_FLOW FILTER_LOG", "source=cached-output")
        self.record("RT_FLOW FILTER_LOG", "source=pbr")
        for address in ("10.50.0.254", "fd50::fe"):
            self.ns["client"].run("ping", "-c", "1", "-W", str(PATIENCE_S), address)
        self.record("RT_FLOW FILTER_LOG", "source=lo0", "dst=10.50.0.254:0")
        self.record("RT_FLOW FILTER_LOG", "source=lo0", "dst=[fd50::fe]:0")
        wait("the counter", lambda: self.stats()["dataplane"]["terms"] and self.stats()["dataplane"]["terms"][0]["packets"] >= 1)
        expect(not any(":7005 " in r for r in self.records() if "FILTER_LOG" in r), "a counter logged")
        self.ok("filters log at their five places, count without logging; its own addresses answer a ping")

    def nat(self):
        for own, there, pool in (("10.50.0.1", "10.50.0.2", "192.0.2."), ("fd50::1", "fd50::2", "fd92::")):
            c, s = self.host("client", socket.SOCK_DGRAM, own), self.host("server", socket.SOCK_DGRAM, there, 7004)
            seen = self.say(c, s, (there, 7004))
            expect(seen[0].startswith(pool), "the server saw %s" % seen[0])
            self.say(s, c, seen[:2])
            self.record("RT_FLOW_SESSION_CREATE", 'source-address="%s"' % own, 'nat-source-address="%s"' % seen[0],
                        'nat-source-port="%d"' % seen[1])
        self.ok("source NAT there and back, IPv4 and IPv6, and its fields are told")

    def vlan(self):
        raw, there = self.raw("client"), self.raw("server")
        for end in ("left", "right"):
            expect("rx-vlan-offload: off" in self.ns["box"].run("ethtool", "-k", end), end + ": tags are taken out of frames")
        for tags in (b"\x81\x00\x00\x05", b"\x88\xa8\x00\x06\x81\x00\x00\x07"):
            raw.send(self.frame(ipv4("10.50.0.1", "10.50.0.2", 17, udp(7000, b"tagged")), tags))
            while True:
                data, extra, _, _ = there.recvmsg(2000, 64)
                tci = next((struct.unpack("=IIIHHHH", e[2][:20])[5] for e in extra if e[1] == PACKET_AUXDATA), 0)
                if data.endswith(b"tagged") and tci == tags[3]:
                    break
            expect(len(tags) == 4 or data[12:16] == tags[4:], "the inner tag was lost")
        self.ok("802.1Q and QinQ tags stay on")

    def queues(self):
        sockets = [self.host("client", socket.SOCK_DGRAM, "10.50.0.1") for _ in range(40)]

        def both():
            for s in sockets:
                s.sendto(b"?", ("10.50.0.2", 7006))
            return all(n > 40 for n in self.stats()["dataplane"]["received_by_queue"])
        wait("packets on both queues", both)
        c, s = self.host("client", socket.SOCK_DGRAM, "10.50.0.1"), self.host("server", socket.SOCK_DGRAM, "10.50.0.2", 7007)
        for s2 in sockets[:16]:
            self.say(s, s2, self.say(s2, s, ("10.50.0.2", 7007)))
        c.close()
        self.ok("both queues work, and a flow's answers may come by the other one")

    def hang_up(self, **values):
        self.configure(**values)
        self.box.hang_up("evdp")

    def cookies(self):
        """More than one SYN a second: two kernels that do not know of each other's numbers."""
        self.hang_up(cookie=', "syn-cookie"')
        for address in ("10.50.0.2", "fd50::2"):
            pairs = [self.connect(address, 83) for _ in range(3)]
            self.record("RT_FLOW SCREEN_DROP screen=SYN cookie src=%s:" % ("[fd50::1]" if ":" in address else "10.50.0.1"))
            for c, s in pairs:
                s.sendall(b"hello")
                expect(c.recv(10) == b"hello", "the server's first word was lost")
                for a, b in ((c, s), (s, c)):
                    data, got = os.urandom(60000), b""
                    a.sendall(data)
                    while len(got) < len(data):
                        got += b.recv(65536)
                    expect(got == data, "what came is not what was sent")
                c.close()
                s.close()
        self.raw("client").send(self.frame(ipv4("10.50.0.1", "10.50.0.2", 6, tcp(83, 0x10, 40099))))
        self.record("RT_FLOW SCREEN_DROP screen=SYN cookie src=10.50.0.1:40099")
        self.ok("SYN cookies: challenged clients of a real kernel are connected, a wrong cookie is dropped")

    def reload(self):
        self.hang_up()
        c, s = self.connect("10.50.0.2", 81)
        self.hang_up(web="82", policy="site")
        c.sendall(b"still")
        expect(s.recv(10) == b"still", "a session was lost")
        other = self.host("client", socket.SOCK_STREAM, "10.50.0.1")
        other.setblocking(False)
        other.connect_ex(("10.50.0.2", 81))
        self.record("RT_FLOW_SESSION_DENY", 'policy-name="default-deny"', 'destination-port="81"')
        other.close()
        self.configure(web="82", mode="queues = 1")
        self.children["evdp"].send_signal(signal.SIGHUP)
        wait("other queues to be refused", lambda: "evdp.conf: 'queues' cannot change while evdp runs" in self.log("evdp"))
        self.configure(web="82")
        with open(os.path.join(self.dir, "evdp.conf"), "a") as f:
            f.write('policy "broken" { }\n')
        self.children["evdp"].send_signal(signal.SIGHUP)
        wait("the bad one to be refused", lambda: "the old configuration stays in force" in self.log("evdp"))
        os.unlink(os.path.join(self.dir, "evdp.conf"))
        os.mkdir(os.path.join(self.dir, "evdp.conf"))
        self.children["evdp"].send_signal(signal.SIGHUP)
        wait("a folder to be refused", lambda: "evdp.conf: is a folder, not a configuration file; the old" in self.log("evdp"))
        s.sendall(b"again")
        expect(c.recv(10) == b"again", "a session was lost")
        os.rmdir(os.path.join(self.dir, "evdp.conf"))
        self.configure(web="82")
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.close()
        self.record("RT_FLOW_SESSION_CLOSE", 'reason="TCP RST"', 'destination-port="81"', 'policy-name="web"')
        self.ok("SIGHUP: sessions live on, new flows meet the new rules, a bad file or a folder changes nothing")

    KINDS = {"session_open": "RT_FLOW_SESSION_CREATE", "session_close": "RT_FLOW_SESSION_CLOSE",
             "policy_deny": "RT_FLOW_SESSION_DENY", "screen_drop": "RT_FLOW SCREEN_DROP", "filter_log": "RT_FLOW FILTER_LOG"}

    def rendered(self):
        records = self.records()
        return {kind: sum(mark in r for r in records) for kind, mark in self.KINDS.items()}

    def ends(self):
        """evdp ends, and what it counted balances."""
        evdp = self.children.pop("evdp")
        evdp.send_signal(signal.SIGTERM)
        expect(evdp.wait(PATIENCE_S) == 0, "evdp ended badly: " + self.log("evdp"))
        stats = self.stats()
        for kind in self.KINDS:
            row = stats[kind]
            expect(row["decided"] == sum(row[k] for k in row if k != "decided"), "%s does not balance: %s" % (kind, row))
        expect(stats["session_open"]["decided"] == stats["session_close"]["decided"], "opens and closes: %s" % stats)
        wait("all that was tagged to be rendered", lambda: self.rendered() == {k: stats[k]["tagged"] for k in self.KINDS})
        return stats

    def tables(self):
        return [n for n in os.listdir("/dev/shm") if n.startswith(self.ring + ".names.")]

    def accounts(self):
        expect(len(self.tables()) > 1, "the name tables of two configurations, of which sessions live: %s" % self.tables())
        stats = self.ends()
        for kind in self.KINDS:
            expect(stats[kind]["tagged"] == stats[kind]["decided"] > 0, "%s: %s" % (kind, stats[kind]))
        for port in stats["dataplane"]["interfaces"]:
            fates = sum(port[k] for k in ("forwarded", "local", "dropped"))
            expect(fates == port["received"], "frames of %s: %s" % (port["name"], port))
            expect(port["rx_ring_full"] == 0 and port["tx_full"] == 0, "frames lost at %s: %s" % (port["name"], port))
        wait("the name tables to be removed", lambda: not self.tables())
        self.ok("each kind is rendered as often as it was decided; every session that opened closed once: %s" %
                ", ".join("%s %d" % (k, stats[k]["decided"]) for k in self.KINDS))

    def run(self):
        self.network()
        self.configure()
        for step in (self.refuses_jumbo, self.starts, self.second, self.tcp_sessions, self.rejects, self.screens, self.filters,
                     self.nat, self.vlan, self.queues, self.cookies, self.reload, self.accounts):
            step()

    def clean_up(self):
        self.box.clean_up(self.ns.values())
        super().clean_up()


def tell(run):
    for program in ("evdp", "evrepd"):
        print("---- %s\n%s" % (program, run.log(program)[-3000:]))
    print("---- records\n" + "\n".join(run.records()[-10:]))


if __name__ == "__main__":
    sys.exit(dataplane.main(Run, tell))
