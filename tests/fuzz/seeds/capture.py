#!/usr/bin/env python3
"""Makes the captures beside it anew (root): conversations of real programs and of the kernel's own stack over a router,
in namespaces of this script's own.  One file a conversation, one frame a line: the end of the wire that it came in by
(0: the client's, 1: the other's), a blank, its bytes in hex.  usage: tests/fuzz/seeds/capture.py"""
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "lib"))
from dataplane import Namespace, remove_leftovers, sh  # noqa: E402

FRAMES_MAX = 24
CLIENT, SERVER = {4: "10.0.0.1", 6: "2001:d00::1"}, {4: "10.9.0.2", 6: "2001:db8::2"}


class Stage:
    """client - router - server; what the client's interface sends and gets is captured."""

    def __init__(self):
        self.id = "evrep%d" % os.getpid()
        self.ns = {}

    def link(self, host, mtu, address4, address6, router4, router6):
        a, b = self.ns[host], self.ns["router"]
        sh("ip", "link", "add", "wire", "netns", a.name, "type", "veth", "peer", "name", host, "netns", b.name)
        for n, name, v4, v6 in ((a, "wire", address4, address6), (b, host, router4, router6)):
            n.run("ethtool", "-K", name, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
            n.ip("link", "set", name, "mtu", str(mtu), "up")
            n.ip("addr", "add", v4, "dev", name)
            n.ip("addr", "add", v6, "dev", name, "nodad")
        a.ip("route", "add", "default", "via", router4.split("/")[0])
        a.ip("-6", "route", "add", "default", "via", router6.split("/")[0])

    def build(self):
        for name in ("client", "router", "server"):
            self.ns[name] = Namespace("%s-%s" % (self.id, name))
        self.ns["router"].run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        self.link("client", 1500, "10.0.0.1/24", "2001:d00::1/64", "10.0.0.254/24", "2001:d00::fe/64")
        self.link("server", 1280, "10.9.0.2/24", "2001:db8::2/64", "10.9.0.254/24", "2001:db8::fe/64")

    def socket(self, host, version, kind, port=0):
        s = self.ns[host].socket(socket.AF_INET if version == 4 else socket.AF_INET6, kind)
        s.settimeout(3)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(((CLIENT if host == "client" else SERVER)[version], port))
        return s

    def try_run(self, *command):
        subprocess.run(["ip", "netns", "exec", self.ns["client"].name, *command], capture_output=True, timeout=20)

    def clean_up(self):
        for n in self.ns.values():
            sh("ip", "netns", "del", n.name, check=False)


class Capture:
    def __init__(self, stage):
        self.s = stage.ns["client"].socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.s.bind(("wire", 3))
        self.s.setsockopt(263, 8, 1)
        self.s.settimeout(0.3)

    def frames(self):
        """All until nothing more comes."""
        out = []
        while True:
            try:
                data, extra, _, where = self.s.recvmsg(4000, 64)
            except TimeoutError:
                return out
            for e in extra:
                status, _, _, _, _, tci, tpid = struct.unpack("=IIIHHHH", e[2][:20])
                if status & 0x10:  # The kernel keeps the tag beside the frame.
                    data = data[:12] + struct.pack("!HH", tpid or 0x8100, tci) + data[12:]
            out.append((0 if where[2] == socket.PACKET_OUTGOING else 1, data))


# ---- conversations ----

def ping(*options):
    return lambda stage, v: stage.try_run("ping", "-%d" % v, "-c", "2", "-i", "0.2", "-W", "1", *options, SERVER[v])


def http(stage, v):
    listener = stage.socket("server", v, socket.SOCK_STREAM, 80)
    listener.listen()

    def serve():
        s, _ = listener.accept()
        s.recv(4000)
        s.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"a" * 2000)
        s.close()
    t = threading.Thread(target=serve)
    t.start()
    if shutil.which("curl"):
        stage.try_run("curl", "-sg", "http://%s/" % (SERVER[v] if v == 4 else "[%s]" % SERVER[v]))
    else:
        c = stage.socket("client", v, socket.SOCK_STREAM)
        c.connect((SERVER[v], 80))
        c.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while c.recv(4000):
            pass
        c.close()
    t.join()
    listener.close()


def refused(stage, v):
    c = stage.socket("client", v, socket.SOCK_STREAM)
    try:
        c.connect((SERVER[v], 22))
    except ConnectionRefusedError:
        pass
    u = stage.socket("client", v, socket.SOCK_DGRAM)
    u.sendto(b"nobody", (SERVER[v], 53))
    time.sleep(0.1)


def reset(stage, v):
    listener = stage.socket("server", v, socket.SOCK_STREAM, 443)
    listener.listen()
    c = stage.socket("client", v, socket.SOCK_STREAM)
    c.connect((SERVER[v], 443))
    s, _ = listener.accept()
    c.sendall(b"hello")
    s.recv(10)
    s.send(b"!", socket.MSG_OOB)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.close()
    listener.close()


def datagrams(stage, v):
    s = stage.socket("server", v, socket.SOCK_DGRAM, 53)
    c = stage.socket("client", v, socket.SOCK_DGRAM)
    s.settimeout(0.3)
    for size in (0, 30, 2400):
        for _ in range(5):  # The first of a size finds out how much the path takes.
            c.sendto(b"q" * size, (SERVER[v], 53))
            try:
                _, to = s.recvfrom(4000)
            except TimeoutError:
                continue
            s.sendto(b"a" * size, to)
            c.recvfrom(4000)
            break


def expires(stage, v):
    c = stage.socket("client", v, socket.SOCK_DGRAM)
    if v == 4:
        c.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
    else:
        c.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 1)
    for port in (33434, 33435):
        c.sendto(b"traceroute", (SERVER[v], port))


def too_big(stage, v):
    c = stage.socket("client", v, socket.SOCK_DGRAM)
    if v == 4:
        c.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER, IP_PMTUDISC_DO
    c.sendto(b"x" * 1400, (SERVER[v], 53))


def source_routed(stage, v):
    c = stage.socket("client", v, socket.SOCK_DGRAM)
    if v == 4:
        c.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\x83\x07\x04" + socket.inet_aton("10.9.0.2") + b"\0")
        c.sendto(b"routed", ("10.0.0.254", 53))
    else:
        c.setsockopt(socket.IPPROTO_IPV6, 54, struct.pack("!BBBBI", 0, 0, 5, 2, 0))  # IPV6_HOPOPTS: router alert
        c.setsockopt(socket.IPPROTO_IPV6, 59, struct.pack("!BB6s", 0, 0, b"\1\4\0\0\0\0"))  # IPV6_DSTOPTS: padding
        c.sendto(b"options", (SERVER[v], 53))


def groups(stage, v):
    if v == 4:
        c = stage.socket("client", v, socket.SOCK_DGRAM)
        c.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("239.1.2.3") + socket.inet_aton(CLIENT[4]))
    else:
        c = stage.socket("client", v, socket.SOCK_DGRAM)
        index = int(stage.ns["client"].run("cat", "/sys/class/net/wire/ifindex"))
        c.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, "ff02::1234") + struct.pack("I", index))
    time.sleep(0.5)


CONVERSATIONS = {"ping": ping("-s", "56"), "ping-fragments": ping("-s", "1800"), "ping-route": ping("-R"), "ping-time": ping("-T", "tsandaddr"),
                 "http": http, "refused": refused, "reset": reset, "datagrams": datagrams, "expires": expires, "too-big": too_big,
                 "options": source_routed, "groups": groups}


def write(name, frames):
    with open(os.path.join(HERE, name + ".hex"), "w") as f:
        for port, data in frames[:FRAMES_MAX]:
            f.write("%d %s\n" % (port, data.hex()))


def main():
    remove_leftovers()
    stage = Stage()
    try:
        stage.build()
        for name, story in CONVERSATIONS.items():
            for v in (4, 6):
                if v == 6 and name in ("ping-route", "ping-time"):  # Options of IPv4.
                    continue
                capture = Capture(stage)
                story(stage, v)
                frames = capture.frames()
                write("%s-%d" % (name, v), frames)
                if name in ("http", "ping-fragments"):  # There may be no VLAN interfaces: tagged by hand.
                    write("%s-%d-tagged" % (name, v), [(p, f[:12] + b"\x81\0\0\5" + f[12:]) for p, f in frames])
                print("%s-%d: %d frames" % (name, v, len(frames)))
    finally:
        stage.clean_up()


if __name__ == "__main__":
    if os.getuid() != 0:
        sys.exit("usage (root): tests/fuzz/seeds/capture.py")
    main()
