"""Collectors that behave badly in TLS and in RELP; see hostile.py.  What they have acknowledged they have written."""
import re
import socket
import ssl
import struct

from hostile import HostileTcp


class HostileTls(HostileTcp):
    """certificates: (certificate, key), good ones, a new one for each connection; bad: one that is refused."""

    def __init__(self, path, port, r, certificates, bad):
        super().__init__(path, port, r)
        self.contexts, self.bad = [self.context(*c) for c in certificates], self.context(*bad)
        self.ends = {}  # socket -> [TLS object, its input, its output]

    @staticmethod
    def context(certificate, key):
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        c.load_cert_chain(certificate, key)
        return c

    def end_of(self, s):
        if s not in self.ends:
            context = self.bad if self.faulty and self.random.random() < 0.1 else self.contexts[self.connections % len(self.contexts)]
            context.maximum_version = self.random.choice([ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
            i, o = ssl.MemoryBIO(), ssl.MemoryBIO()
            self.ends[s] = [context.wrap_bio(i, o, server_side=True), i, o]
        return self.ends[s]

    def flush(self, s):
        data = self.ends[s][2].read()
        if data and self.faulty and not self.ends[s][0].version() and self.random.random() < 0.2:
            data = data[:self.random.randrange(len(data))]  # Half of a handshake, and a reset.
            self.kinds["half_handshake"] += 1
            s.sendall(data)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise ConnectionError("and no more")
        s.sendall(data)

    def take(self, s, data):
        o, i, _ = self.end_of(s)
        i.write(data)
        try:
            try:
                o.do_handshake()
                while True:
                    super().take(s, o.read(1 << 16))
            except ssl.SSLWantReadError:
                pass
            self.flush(s)
        except ssl.SSLError as e:  # It refuses our certificate, or has had enough of us.
            self.kinds["ended by the sink"] += 1
            raise ConnectionError(str(e))

    def forget(self, s):
        self.ends.pop(s, None)
        if s in self.open:
            super().forget(s)

    def shaken(self, s):
        return s in self.ends and self.ends[s][0].version() is not None

    def speak(self, s):
        """A collector has nothing to say, and says it."""
        if self.shaken(s):
            self.ends[s][0].write(self.random.randbytes(1000))
            self.flush(s)

    def close_notify(self, s):
        if self.shaken(s):
            try:
                self.ends[s][0].unwrap()
            except ssl.SSLError:
                pass  # It waits for the sink's.
            self.flush(s)

    def half_record(self, s):
        s.sendall(b"\x17\x03\x03\x40\x00" + self.random.randbytes(self.random.choice([0, 1, 1000])))

    KINDS = ["close_it", "reset", "half_close", "stall", "nonsense", "nonsense_and_close", "speak", "close_notify", "half_record"]


class HostileRelp(HostileTcp):
    """A record counts once the answer to it was given, and is written before."""
    FRAME = re.compile(rb"(\d{1,9}) (\w+) (\d{1,9}) ")

    def __init__(self, path, port, r):
        super().__init__(path, port, r)
        self.pending = {}  # socket -> [(number, record)]

    def take(self, s, data):
        data = self.open[s] + data
        at = 0
        while m := self.FRAME.match(data, at):
            end = m.end() + int(m[3])
            if end + 1 > len(data):
                break
            assert data[end:end + 1] == b"\n", data[at:end + 1]
            self.frame(s, int(m[1]), m[2], data[m.end():end])
            at = end + 1
        self.open[s] = data[at:]
        self.answer(s)

    def frame(self, s, number, command, record):
        if command == b"open":
            offer = b"200 OK\nrelp_version=0\nrelp_software=hostile,1\ncommands=syslog,starttls"
            s.sendall(b"%d rsp %d %s\n" % (number, len(offer), offer))
        else:
            self.pending.setdefault(s, []).append((number, record))

    def answer(self, s):
        """Mostly in order; some wait, some come out of order, some twice, some byte by byte."""
        p = self.pending.get(s, [])
        keep = self.random.randrange(len(p)) if p and self.faulty and self.random.random() < 0.2 else 0
        now, self.pending[s] = p[:len(p) - keep], p[len(p) - keep:]
        if self.faulty and self.random.random() < 0.3:
            self.random.shuffle(now)
        self.out.write(b"".join(record + b"\n" for _, record in now))
        self.out.flush()
        text = b"".join(b"%d rsp 6 200 OK\n" % number for number, _ in now)
        try:
            s.setblocking(True)
            if self.faulty and self.random.random() < 0.05:
                for i in range(min(len(text), 300)):
                    s.sendall(text[i:i + 1])
                text = text[300:]
            s.sendall(text)
        finally:
            s.setblocking(False)

    def forget(self, s):
        self.pending.pop(s, None)
        super().forget(s)

    def say(self, s, text):
        s.sendall(text)

    def huge_number(self, s):
        self.say(s, b"99999999999999999999 rsp 6 200 OK\n")

    def number_of_nobody(self, s):
        self.say(s, b"999999999 rsp 6 200 OK\n")

    def negative_length(self, s):
        self.say(s, b"1 rsp -1 200 OK\n")

    def huge_length(self, s):
        self.say(s, b"1 rsp 999999999 200 OK\n")

    def refuses(self, s):
        for number, _ in self.pending.get(s, [])[:1]:
            self.say(s, b"%d rsp 13 500 disk full\n" % number)

    def says_goodbye(self, s):
        self.say(s, b"0 serverclose 0\n")

    def other_command(self, s):
        self.say(s, b"1 syslog 3 abc\n")

    KINDS = ["close_it", "reset", "half_close", "stall", "nonsense", "huge_number", "number_of_nobody", "negative_length",
             "huge_length", "refuses", "says_goodbye", "other_command"]
