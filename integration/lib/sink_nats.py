"""The story of what can be wrong between evrepd and a nats-server, all of it at once: a line for each, and no restart."""
import json
import signal
import socket
import subprocess
import time

from nats import Connection

SERVER = """listen: "127.0.0.1:4222"
jetstream {{ store_dir: "{dir}/nats" }}
authorization {{ users = [ {{ user: op, password: op }}, {{ user: evrep, password: right }}{more} ] }}
"""
DENIED = ', { user: poor, password: p, permissions: { publish: "none.>", subscribe: "none.>" } }'
GRANTED = ', { user: poor, password: p }, { user: late, password: p }'
SECRET = """listen: "127.0.0.1:4223"
jetstream {{ store_dir: "{dir}/secret" }}
{tls}
"""
TLS = 'tls {{ cert_file: "{dir}/cert.pem", key_file: "{dir}/key.pem" }}'

# Name of the sink and of its stream, where it publishes, and what it says first.
WRONG = (
    ("missing", "nats://evrep:right@127.0.0.1:4222", "stream missing does not exist: create it, for subject missing.0"),
    ("queue", "nats://evrep:right@127.0.0.1:4222", "stream queue has another retention than limits"),
    ("short", "nats://evrep:right@127.0.0.1:4222", "stream short removes records before anybody may have read them "
                                                   "(max_msgs_per_subject is 1)"),
    ("full", "nats://evrep:right@127.0.0.1:4222", "stream full refuses a record: maximum messages exceeded (10077)"),
    ("poor", "nats://poor:p@127.0.0.1:4222", "the server does not permit it: Permissions Violation for"),
    ("late", "nats://late:p@127.0.0.1:4222", "nats://127.0.0.1:4222: Authentication Violation: Authorization Violation"),
    ("secret", "nats://127.0.0.1:4223", "nats://127.0.0.1:4223: SSL Error: SSL handshake error: 18:self-signed certificate"),
)


def request(port, subject, value=None):
    """To the server's operator, once it is there."""
    until = time.monotonic() + 20
    while True:
        try:
            c = Connection("127.0.0.1:%d" % port, "op")
            c.socket.settimeout(2)  # A server that has just reloaded may answer nothing.
            reply = c.request("$JS.API." + subject, value or {})
            c.socket.close()
            if "error" not in reply:
                return reply
            raise ValueError(reply)
        except (OSError, ValueError):
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def stream(name, port=4222, verb="CREATE", **more):
    request(port, "STREAM.%s.%s" % (verb, name), dict({"name": name, "subjects": [name + ".*"], "retention": "limits",
            "storage": "file", "num_replicas": 1, "max_msgs": -1, "max_msgs_per_subject": -1, "discard": "old"}, **more))


def delete(port, name):
    try:
        request(port, "STREAM.DELETE." + name)
    except ValueError as e:
        if e.args[0]["error"]["code"] != 404:  # The answer to an earlier request was lost.
            raise


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Server:
    def __init__(self, s, name, port):
        self.s, self.name, self.port = s, name, port

    def start(self, text):
        self.s.write(self.name + ".conf", text)
        self.process = self.s.spawn(self.name, "nats-server", "-c", self.s.path(self.name + ".conf"))
        self.s.wait("the server listens", lambda: listens(self.port))

    def reload(self, text):
        self.s.write(self.name + ".conf", text)
        self.process.send_signal(signal.SIGHUP)


def mend(s, server, secret):
    server.reload(SERVER.format(dir=s.dir, more=GRANTED))
    delete(4222, "queue")
    for name in ("missing", "queue", "poor", "late"):
        stream(name)
    stream("short", verb="UPDATE")
    stream("full", verb="UPDATE")
    s.end(secret.process)
    secret.start(SECRET.format(dir=s.dir, tls=""))
    stream("secret", 4223)


def stored(name, port):
    """Messages of our own origin; their ids say that each is there once."""
    info = request(port, "STREAM.INFO." + name)
    return info["state"]["messages"]


def jetstream(s, r):
    """Whatever is wrong with a stream, a permission or a password is one line, and mended without a restart."""
    server, secret = Server(s, "nats", 4222), Server(s, "secret", 4223)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
          "-subj", "/CN=a.example", "-keyout", s.path("key.pem"), "-out", s.path("cert.pem")], check=True, capture_output=True)
    server.start(SERVER.format(dir=s.dir, more=DENIED))
    secret.start(SECRET.format(dir=s.dir, tls=TLS.format(dir=s.dir)))
    stream("queue", retention="workqueue")
    stream("short", max_msgs_per_subject=1)
    stream("full", max_msgs=3, discard="new")
    s.configure(*('sink "%s" { type = jetstream url = "%s" stream = "%s" subject = "%s" }' % (name, url, name, name)
                  for name, url, _ in WRONG))
    s.start()
    s.generated(s.generate(2000))
    for name, _, says in WRONG:
        s.wait_said(says, name)
    mend(s, server, secret)
    for name, _, _ in WRONG:
        s.wait_drained(name)
    log = s.read("evrepd.log")
    print("    %s" % json.dumps({name: stored(name, 4223 if name == "secret" else 4222) for name, _, _ in WRONG}))
    for name, _, says in WRONG:
        assert log.count(says) == 1, "said %d times: %s" % (log.count(says), says)
        assert stored(name, 4223 if name == "secret" else 4222) > s.tagged
