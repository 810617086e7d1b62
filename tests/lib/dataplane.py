"""What tests of dataplanes on real interfaces share: namespaces, frames, processes, and how a run ends."""
import ctypes
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "integration", "lib"))
from net import remove_leftovers, sh  # noqa: E402

PATIENCE_S = 30  # A wait is for a condition, never for a time.

EVREPD = """node = 0
cluster-id = 7
hostname = "fw1"
state-dir = "{dir}/state"
control-socket = "{dir}/evrep.sock"
peer {{
  key-file = "{dir}/cluster.key"
  heartbeat-ms = 300 dead-after-ms = 3000 lease-ms = 2000
  link "control" {{ local = "127.0.0.1:5900" remote = "127.0.0.2:5900" }}
}}
redundancy-group "1" {{ priority = 200 }}
source "dp" {{ type = ring ring = "{ring}" }}
sink "local" {{ type = file path = "{dir}/rt_flow.log" format = structured }}
"""


class Failed(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Failed(what)


def wait(what, test):
    until = time.monotonic() + PATIENCE_S
    while True:
        value = test()
        if value:
            return value
        expect(time.monotonic() < until, "waited %d s in vain for: %s" % (PATIENCE_S, what))
        time.sleep(0.02)


class Namespace:
    libc = ctypes.CDLL(None, use_errno=True)

    def __init__(self, name):
        self.name = name
        sh("ip", "netns", "add", name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *args):
        return sh("ip", "-n", self.name, *args)

    def run(self, *args):
        return sh("ip", "netns", "exec", self.name, *args)

    def socket(self, *args):
        """A socket made there: it stays there."""
        with open("/proc/self/ns/net") as own, open("/run/netns/" + self.name) as there:
            self.libc.setns(there.fileno(), 0)
            try:
                return socket.socket(*args)
            finally:
                self.libc.setns(own.fileno(), 0)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source, destination, protocol, payload, fragment=0, options=b""):
    src, dst = socket.inet_aton(source), socket.inet_aton(destination)
    head = struct.pack("!BBHHHBBH4s4s", 0x45 + len(options) // 4, 0, 20 + len(options) + len(payload), 77, fragment, 64,
                       protocol, 0, src, dst) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(source, destination, protocol, payload, extensions=b"", first=None):
    """first: the kind of the first of `extensions`."""
    src, dst = (socket.inet_pton(socket.AF_INET6, x) for x in (source, destination))
    return struct.pack("!IHBB", 6 << 28, len(extensions) + len(payload), first if extensions else protocol, 64) + \
        src + dst + extensions + payload


def tcp(port, flags, source_port=40000):
    """Numbers as of a first segment and its answer."""
    return struct.pack("!HHIIBBHHH", source_port, port, 1, 2 if flags & 16 else 0, 0x50, flags, 1024, 0, 0)


class Run:
    """One run of a test: its folder, its name, what passed."""
    KIND = ""

    def __init__(self, build):
        self.build = build
        self.id = "evrep%d" % os.getpid()
        self.dir = tempfile.mkdtemp(prefix="evrep-%s-%d-" % (self.KIND, os.getpid()))
        self.passed = 0

    def bin(self, name):
        return os.path.join(self.build, "bin", name)

    def ok(self, what):
        self.passed += 1
        print("ok      " + what, flush=True)

    def fails(self, program, arguments, ns=None):
        """The one line that a program says as it refuses."""
        command = [self.bin(program)] + arguments
        r = subprocess.run((["ip", "netns", "exec", ns.name] if ns else []) + command, capture_output=True, text=True,
                           timeout=2 * PATIENCE_S)
        text = r.stderr + r.stdout
        expect(r.returncode == 1 and text.count("\n") == 1, "%s %s: %d, %s" % (program, arguments, r.returncode, text))
        return text

    def clean_up(self):
        shutil.rmtree(self.dir, ignore_errors=True)


class Programs:
    """evdp or evbpf, and evrepd, in a namespace: their logs and records are files of `folder`."""

    def __init__(self, run, folder, ring):
        self.run, self.folder, self.ring, self.children = run, folder, ring, {}

    def path(self, name):
        return os.path.join(self.folder, name)

    def spawn_in(self, ns, program, config):
        with open(self.path(program + ".log"), "ab") as log:
            self.children[program] = subprocess.Popen(
                ["ip", "netns", "exec", ns.name, self.run.bin(program), "-c", self.path(config)], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL)

    def log(self, program):
        try:
            with open(self.path(program + ".log"), errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def stats_of(self, program, config):
        r = subprocess.run([self.run.bin(program), "-c", self.path(config), "--stats"], capture_output=True, text=True)
        return json.loads(r.stdout)

    def hang_up(self, program):
        before = self.log(program).count("configuration read again")
        self.children[program].send_signal(signal.SIGHUP)
        wait("the configuration to be read again", lambda: self.log(program).count("configuration read again") > before)

    def clean_up(self, namespaces):
        for child in self.children.values():
            child.kill()
            child.wait()
        for n in namespaces:
            sh("ip", "netns", "del", n.name, check=False)
        for name in os.listdir("/dev/shm"):
            if name.startswith(self.ring):
                os.unlink("/dev/shm/" + name)


def main(kind, tell):
    """Runs kind(BUILD).run(); tell(run): what helps when it fails."""
    if len(sys.argv) != 2 or os.getuid() != 0:
        print("usage (root): %s BUILD-FOLDER" % sys.argv[0], file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    remove_leftovers()
    run = kind(os.path.abspath(sys.argv[1]))
    try:
        run.run()
        print("%d passed, 0 failed" % run.passed)
        return 0
    except (Failed, RuntimeError, OSError) as e:
        print("FAILED  %s: %s" % (type(e).__name__, e))
        tell(run)
        print("%d passed, 1 failed" % run.passed)
        return 1
    finally:
        run.clean_up()
