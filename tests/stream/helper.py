"""A double of the unchanged AF_XDP helper's end of the event stream (contract sections 1-3 and 12.2): one life of it
is one process, as its sequence is.  Reads commands as JSON lines, answers each with one."""
import json
import os
import random
import select
import socket
import struct
import sys
import time

REPLAY_MAX = 4096


class Helper:
    def __init__(self, path, seed):
        self.path, self.random = path, random.Random(seed)
        self.next = 1
        self.replay = []  # (number, frame), in the order in which workers enqueued them
        self.acked, self.controls, self.evicted, self.connects = 0, [], 0, 0
        self.paused, self.dialling, self.resyncs = False, True, []
        self.socket, self.half, self.out = None, b"", b""

    @staticmethod
    def frame(kind, number, payload=b""):
        return struct.pack("<IB3xQ", len(payload), kind, number) + payload

    def keep(self, number, frame):
        self.replay.append((number, frame))
        while len(self.replay) > REPLAY_MAX:
            self.replay.pop(0)
            self.evicted += 1

    def write(self, data):  # blocking, as the helper's replay is
        if self.socket is None:
            return
        try:
            self.socket.settimeout(5)
            self.socket.sendall(data)
        except OSError:
            self.lose()

    def lose(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None

    def dial(self):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            s.connect(self.path)
        except OSError:
            s.close()
            return
        self.socket, self.half = s, b""
        self.connects += 1
        oldest = self.replay[0][0] if self.replay else None
        if (oldest is None and self.acked > 0) or (oldest is not None and oldest > self.acked + 1):
            self.resyncs.append(self.take_number())
            self.write(self.frame(9, self.resyncs[-1]))  # FULL_RESYNC, not kept, and replays nothing
            return
        self.write(b"".join(f for n, f in self.replay if n > self.acked))

    def take_number(self):
        self.next += 1
        return self.next - 1

    def control(self):
        try:
            data = self.socket.recv(64)
        except OSError:
            data = b""
        if not data:
            self.lose()
            return
        self.half += data
        while len(self.half) >= 16:
            size, kind, number = struct.unpack("<IB3xQ", self.half[:16])
            if len(self.half) < 16 + size:
                return
            self.half = self.half[16 + size:]
            self.controls.append((kind, number))
            if kind == 4:
                self.acked = number
                while self.replay and self.replay[0][0] <= number:
                    self.replay.pop(0)
            elif kind == 5:
                self.paused = True
            elif kind == 6:
                self.paused = False
            elif kind == 7:
                self.write(b"".join(f for _, f in self.replay))
                self.write(self.frame(8, self.replay[-1][0] if self.replay else number))

    def events(self, events, shuffle=0, lose=()):
        """Each worker takes its number first and enqueues after: within `shuffle` they may swap."""
        frames = []
        for i, (kind, payload) in enumerate(events):
            number = self.take_number()
            if i not in lose:
                frames.append((number, self.frame(kind, number, bytes.fromhex(payload))))
        for i in range(0, len(frames), shuffle or 1):
            part = frames[i:i + (shuffle or 1)]
            self.random.shuffle(part)
            for number, frame in part:
                self.keep(number, frame)
            if not self.paused:
                self.write(b"".join(f for _, f in part))

    def command(self, c):
        what = c["do"]
        if what == "events":
            self.events(c["events"], c.get("shuffle", 0), c.get("lose", ()))
        elif what == "tear":  # 12.2, 18: something is written into the midst of a frame of which a part is out
            kind, payload = c["event"]
            number = self.take_number()
            frame = self.frame(kind, number, bytes.fromhex(payload))
            self.keep(number, frame)
            into = self.frame(10, 0)
            if c["drain"]:
                into = b"".join(f for _, f in self.replay) + self.frame(8, number)
            self.write(frame[:c["cut"]] + into + frame[c["cut"]:])
        elif what == "parts":  # one frame, in two writes
            kind, payload = c["event"]
            number = self.take_number()
            frame = self.frame(kind, number, bytes.fromhex(payload))
            self.keep(number, frame)
            self.write(frame[:c["cut"]])
            time.sleep(c["pause"])
            self.write(frame[c["cut"]:])
        elif what == "raw":
            self.write(bytes.fromhex(c["bytes"]))
        elif what == "cut":
            self.lose()
        elif what == "dial":
            self.dialling = c["on"]
            if not c["on"]:
                self.lose()
        elif what == "count":  # as after so many that another daemon acknowledged
            self.next, self.acked = c["acked"] + 1, c["acked"]
        elif what == "renumber":
            self.next, self.replay = 1, []
            self.acked = 0 if c["forget"] else self.acked
        return {"acked": self.acked, "next": self.next, "replay": len(self.replay), "evicted": self.evicted,
                "connected": self.socket is not None, "connects": self.connects,
                "resyncs": self.resyncs, "controls": self.controls[-2000:]}

    def run(self):
        tried = 0.0
        while True:
            if self.socket is None and self.dialling and time.monotonic() - tried > 0.1:
                tried = time.monotonic()
                self.dial()
            ready = select.select([0] + ([self.socket] if self.socket else []), [], [], 0.02)[0]
            if self.socket in ready:
                self.control()
            if 0 in ready:
                line = sys.stdin.readline()
                if not line:
                    os._exit(0)
                print(json.dumps(self.command(json.loads(line))), flush=True)


if __name__ == "__main__":
    Helper(sys.argv[1], int(sys.argv[2])).run()
