"""A reader of a JetStream stream: `nats.py make ADDRESS` creates the stream, `nats.py read ADDRESS RAW TRACE` writes
what is stored in it, in its order, until SIGTERM.  It speaks the text protocol itself and reads what the server
stored, not what was published; after a restart of the server it goes on behind what it has."""
import datetime
import json
import signal
import socket
import sys
import time

STREAM, SUBJECTS = "RTFLOW", "rtflow.*"


class Connection:
    INBOX, DELIVER = "1", "2"

    def __init__(self, address, user=""):
        """user: whose password is his name."""
        host, port = address.split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=5)
        self.socket.settimeout(None)
        self.file = self.socket.makefile("rb")
        self.file.readline()  # INFO
        self.early = []
        self.send('CONNECT {"verbose":false,"headers":true,"name":"drill","user":"%s","pass":"%s"}\r\n'
                  "SUB inbox 1\r\nSUB deliver 2\r\n" % (user, user))

    def send(self, text):
        self.socket.sendall(text.encode())

    def request(self, subject, value):
        body = json.dumps(value)
        self.send("PUB %s inbox %d\r\n%s\r\n" % (subject, len(body), body))
        while True:
            message = self.read()
            if message[0] == self.INBOX:
                return json.loads(message[2])
            self.early.append(message)  # A consumer delivers before it is said that it is made.

    def next(self):
        return self.early.pop(0) if self.early else self.read()

    def read(self):
        """(subscription, reply, body)"""
        while True:
            line = self.file.readline()
            if not line:
                raise ConnectionError("closed")
            words = line.decode().split()
            if words and words[0] == "PING":
                self.send("PONG\r\n")
            if words and words[0] in ("MSG", "HMSG"):
                body = self.file.read(int(words[-1]) + 2)[:-2]
                headers = int(words[-2]) if words[0] == "HMSG" else 0
                sizes = 2 if words[0] == "HMSG" else 1
                return words[2], words[3] if len(words) > 3 + sizes else "", body[headers:]


def make(address):
    until = time.monotonic() + 60
    while True:
        try:
            reply = Connection(address).request("$JS.API.STREAM.CREATE." + STREAM, {
                "name": STREAM, "subjects": [SUBJECTS], "retention": "limits", "storage": "file", "num_replicas": 1,
                "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_age": 0, "discard": "old",
                "duplicate_window": 120000000000})
            if "error" in reply:
                sys.exit("nats: %s" % reply["error"])
            return
        except (OSError, ValueError):
            if time.monotonic() > until:
                sys.exit("nats: no server at " + address)
            time.sleep(0.1)


def follow(address, start, raw, trace):
    """Reads from a sequence on until the connection ends; returns the sequence to go on from."""
    c = Connection(address)
    c.request("$JS.API.CONSUMER.CREATE." + STREAM, {"stream_name": STREAM, "config": {
        "deliver_subject": "deliver", "deliver_policy": "by_start_sequence", "opt_start_seq": start,
        "ack_policy": "none", "replay_policy": "instant"}})
    try:
        while True:
            sid, reply, body = c.next()
            place = reply.split(".")  # $JS.ACK.stream.consumer.deliveries.sequence.its own.time.pending
            if sid != c.DELIVER or int(place[5]) != start:
                continue
            at = datetime.datetime.fromtimestamp(int(place[7]) / 1e9, datetime.timezone.utc).isoformat()
            raw.write(body + b"\n")
            trace.write(("%s - " % at).encode() + body + b"\n")
            start += 1
            if place[8] == "0":
                raw.flush()
                trace.flush()
    except OSError:
        return start


def read(address, raw_name, trace_name):
    start = 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with open(raw_name, "ab") as raw, open(trace_name, "ab") as trace:
        while True:
            try:
                start = follow(address, start, raw, trace)
            except (OSError, ValueError, KeyError):
                time.sleep(0.1)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2])
    else:
        read(*sys.argv[2:])
