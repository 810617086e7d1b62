"""Traffic of the drill: `traffic.py server` answers, `traffic.py client SEED RATE FILE` sends until SIGTERM
and then writes what it has sent.  Real sockets for what a host would send, raw frames for the screens.
SIGUSR1 begins a storm of packets that are denied, SIGUSR2 ends it."""
import json
import random
import select
import signal
import socket
import struct
import sys
import time

V4, V6 = "10.50.0.2", "fd50::2"
OWN4, OWN6 = "10.50.0.1", "fd50::1"
PERMITTED, DENIED, LOGGED = 7000, 9000, 7001
STORM = 8  # So many times the packets, denied ones.


def server():
    socks = []
    for family, address in ((socket.AF_INET, V4), (socket.AF_INET6, V6)):
        for port in (PERMITTED, LOGGED):
            s = socket.socket(family, socket.SOCK_DGRAM)
            s.bind((address, port))
            socks.append(s)
        t = socket.socket(family, socket.SOCK_STREAM)
        t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        t.bind((address, PERMITTED))
        t.listen(16)
        socks.append(t)
    listeners = {s for s in socks if s.type == socket.SOCK_STREAM}
    while True:
        for s in select.select(socks, [], [])[0]:
            try:
                if s in listeners:
                    socks.append(s.accept()[0])
                elif s.type == socket.SOCK_STREAM:
                    data = s.recv(4096)
                    if not data:
                        socks.remove(s)
                        s.close()
                else:
                    data, peer = s.recvfrom(2048)
                    s.sendto(data, peer)
            except OSError:
                if s.type == socket.SOCK_STREAM and s not in listeners:
                    socks.remove(s)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def tcp_frame(macs, source, destination, port, flags):
    src, dst = socket.inet_aton(source), socket.inet_aton(destination)
    tcp = struct.pack("!HHIIBBHHH", 40000, port, 1, 0, 0x50, flags, 1024, 0, 0)
    pseudo = src + dst + struct.pack("!BBH", 0, 6, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0, src, dst)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return macs + b"\x08\x00" + ip + tcp


def screen_frames(macs):
    return {
        "land": tcp_frame(macs, V4, V4, 80, 2),
        "syn-fin": tcp_frame(macs, OWN4, V4, 80, 3),
        "no-flag": tcp_frame(macs, OWN4, V4, 80, 0),
        "fin-no-ack": tcp_frame(macs, OWN4, V4, 80, 1),
        "winnuke": tcp_frame(macs, OWN4, V4, 139, 0x38),
    }


class Client:
    def __init__(self, seed, rate, out):
        self.random = random.Random(seed)
        self.rate, self.out, self.stop = rate, out, False
        self.sent = {"denied": 0, "screened": 0, "logged": 0, "permitted": 0, "answered": 0, "connects": 0}
        self.storm = False
        self.udp = {4: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
                    6: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)}
        for s in self.udp.values():
            s.setblocking(False)
        self.raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.raw.bind(("wire", 0))
        own = self.raw.getsockname()[4]
        self.frames = list(screen_frames(bytes.fromhex("020000000052") + own).values())
        self.connecting = []

    def datagram(self, port, what):
        family = self.random.choice((4, 6))
        try:
            self.udp[family].sendto(b"x" * 32, (V4 if family == 4 else V6, port))
            self.sent[what] += 1
        except OSError:
            pass

    def connect(self):
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        s.setblocking(False)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1)
        s.connect_ex((V4, self.random.choice((PERMITTED, DENIED))))
        self.sent["connects"] += 1
        self.connecting.append(s)
        if len(self.connecting) > 50:
            self.connecting.pop(0).close()

    def one(self):
        x = self.random.random()
        if x < 0.60:
            self.datagram(DENIED + self.random.randrange(100), "denied")
        elif x < 0.75:
            try:
                self.raw.send(self.random.choice(self.frames))
                self.sent["screened"] += 1
            except OSError:
                pass
        elif x < 0.85:
            self.datagram(LOGGED, "logged")
        elif x < 0.98:
            self.datagram(PERMITTED, "permitted")
        else:
            self.connect()

    def drain(self):
        for s in self.udp.values():
            try:
                while s.recv(2048):
                    self.sent["answered"] += 1
            except OSError:
                pass

    def run(self):
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stop", True))
        signal.signal(signal.SIGUSR1, lambda *_: setattr(self, "storm", True))
        signal.signal(signal.SIGUSR2, lambda *_: setattr(self, "storm", False))
        begin, done = time.monotonic(), 0
        while not self.stop:
            due = int((time.monotonic() - begin) * self.rate)
            while done < due and not self.stop:
                self.one()
                done += 1
                for _ in range(STORM if self.storm else 0):
                    self.datagram(DENIED + self.random.randrange(100), "denied")
            self.drain()
            time.sleep(0.005)
        # A packet to the logged port makes an event, too; it is let through.
        self.sent["mustBeRefused"] = self.sent["denied"] + self.sent["screened"]
        with open(self.out, "w") as f:
            json.dump(self.sent, f)


if __name__ == "__main__":
    if sys.argv[1] == "server":
        server()
    else:
        Client(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]).run()
