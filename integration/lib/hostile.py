"""A TCP collector that behaves badly, and knows all the same what its TCP stack has acknowledged: before it throws a
connection away it cuts it off with nftables and reads what has come."""
import collections
import select
import socket
import struct
import subprocess
import time


class HostileTcp:
    def __init__(self, path, port, r):
        self.out = open(path, "wb")
        self.port, self.random, self.faulty = port, r, True
        self.listener = socket.create_server(("127.0.0.1", port), backlog=16)
        self.listener.setblocking(False)
        self.open, self.connections, self.kinds = {}, 0, collections.Counter()

    def counted(self):
        return dict(self.kinds)

    def stop_faults(self):
        self.faulty = False

    def nft(self, text):
        subprocess.run(["nft", text], check=True)

    # ---- bytes to records ----

    def take(self, s, data):
        """Octet-counted frames; what is left of one at the end of a connection was never whole."""
        data = self.open[s] + data
        at = 0
        while True:
            blank = data.find(b" ", at, at + 6)
            if blank < 0 or blank + 1 + int(data[at:blank]) > len(data):
                break
            end = blank + 1 + int(data[at:blank])
            self.out.write(data[blank + 1:end] + b"\n")
            at = end
        self.open[s] = data[at:]
        self.out.flush()

    def drain(self, s):
        """false: the other side has closed."""
        try:
            while True:
                data = s.recv(1 << 20)
                if not data:
                    return False
                self.take(s, data)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False

    def forget(self, s):
        del self.open[s]
        s.close()

    # ---- faults ----

    def cut(self, s):
        """Nothing more is acknowledged from here on; then what was is read."""
        port = s.getpeername()[1]
        self.nft("add table inet hostile")
        self.nft("add chain inet hostile in { type filter hook input priority -300; }")
        self.nft("add rule inet hostile in tcp sport %d tcp dport %d drop" % (port, self.port))
        self.drain(s)

    def uncut(self):
        self.nft("delete table inet hostile")

    def close_it(self, s):
        self.cut(s)
        self.forget(s)
        self.uncut()

    def reset(self, s):
        self.cut(s)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.forget(s)
        self.uncut()

    def half_close(self, s):
        s.shutdown(socket.SHUT_WR)

    def stall(self, s):
        time.sleep(self.random.uniform(0.1, 0.8))

    def nonsense(self, s):
        s.setblocking(True)
        s.sendall(self.random.randbytes(self.random.choice([1, 100, 100000])))
        s.setblocking(False)

    def nonsense_and_close(self, s):
        self.nonsense(s)
        self.close_it(s)

    def sip(self, s):
        """A window of next to nothing."""
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        for _ in range(50):
            self.take(s, s.recv(1))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)

    KINDS = ["close_it", "reset", "half_close", "stall", "nonsense", "nonsense_and_close", "sip"]

    def fault(self):
        if not self.open:
            return
        s = self.random.choice(list(self.open))
        name = self.random.choice(self.KINDS)
        self.kinds[name] += 1
        try:
            getattr(self, name)(s)
        except (ConnectionError, OSError):
            if s in self.open and s.fileno() >= 0:
                self.give_up(s)

    def give_up(self, s):
        """What was acknowledged until now is read: the story says that nothing of it is thrown away."""
        s.setblocking(False)
        try:
            self.close_it(s)
        except OSError:  # It has no peer any more.
            self.drain(s)
            self.forget(s)

    # ---- the loop ----

    def serve(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            ready, _, _ = select.select([self.listener] + list(self.open), [], [], 0.01)
            for s in ready:
                if s is self.listener:
                    c, _ = s.accept()
                    c.setblocking(False)
                    self.open[c] = b""
                    self.connections += 1
                elif not self.drain(s):
                    self.forget(s)
        return False

    def run_until(self, test):
        while not test():
            self.serve(self.random.choice([0, 0.02, 0.1, 0.4]))
            self.fault()

    def close(self):
        for s in list(self.open):
            self.forget(s)
        self.listener.close()
        self.out.close()
