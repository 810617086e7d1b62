#!/usr/bin/env python3
"""evdp and evbpf against programs that only forward or only drop, and evdp with hooks against without:
tests/bench/evdp_rates.py BUILD [ROUNDS].  Native mode on veth, one queue; the rounds of what is compared alternate, the
medians of their ratios count.  On a machine with other work only the ratio for a second of CPU time says something, and of
evbpf, which works in the sender's time, that of the time in the XDP program as the kernel counts it; or all of it is run
under `chrt -f 1`.  What only drops is soon done and sleeps between frames, so that it may take fewer than evdp.  Root."""
import ctypes
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "integration", "lib"))
from net import remove_leftovers, sh  # noqa: E402

SECONDS = float(os.environ.get("EVREP_BENCH_SECONDS", "2"))

# All of policy, screens and filters is on; limits are out of the way of the load.
EVDP = """ring = "{ring}"
node = 0
pin = "{pin}"
event-rate = 1000
sessions = 65536
zone "trust" {{ screens = {{ "land", "ping-of-death", "teardrop", "syn-fin", "tcp-no-flag", "fin-no-ack", "winnuke",
  "source-route", "syn-frag", "syn-flood", "icmp-flood", "udp-flood", "port-scan", "ip-sweep", "session-limit-source",
  "session-limit-destination" }} udp-flood-rate = 100000000 session-limit-source = 100000
  session-limit-destination = 100000 }}
zone "untrust" {{ }}
wire "w0" {{ left = "left" right = "right" left-zone = "trust" right-zone = "untrust" backend = {backend} }}
{policies}policy "dns" {{ from-zone = "trust" to-zone = "untrust" protocol = udp ports = {{ "53" }} action = permit
  log = {{ "session-init", "session-close" }} }}
filter "in" {{ term "t" {{ protocol = udp ports = {{ "54" }} log = true }} }}
filter "out" {{ on = output term "t" {{ protocol = udp ports = {{ "53" }} count = true }} }}
"""
POLICY = """policy "p{n}" {{ from-zone = "trust" to-zone = "untrust" destination = {{ "20.{a}.{b}.0/24" }} action = deny }}
"""


class Bench:
    def __init__(self, build):
        self.build, self.id = build, "evrep%d" % os.getpid()
        self.ring = self.id + "n0"
        self.dir = tempfile.mkdtemp(prefix="evrep-rates-")
        self.children = []
        self.ns = {n: "%s-%s" % (self.id, n) for n in ("client", "box", "server")}

    def network(self):
        for name in self.ns.values():
            sh("ip", "netns", "add", name)
        for host, inner in (("client", "left"), ("server", "right")):
            sh("ip", "link", "add", "wire", "numrxqueues", "1", "numtxqueues", "1", "netns", self.ns[host], "type", "veth",
               "peer", "name", inner, "numrxqueues", "1", "numtxqueues", "1", "netns", self.ns["box"])
            for ns, name in ((host, "wire"), ("box", inner)):
                sh("ip", "netns", "exec", self.ns[ns], "sysctl", "-qw", "net.ipv6.conf.%s.disable_ipv6=1" % name)
                sh("ip", "-n", self.ns[ns], "link", "set", name, "up")
        # A frame that XDP sends on is taken by a veth end only where NAPI runs there: GRO makes it run.
        for host in ("client", "server"):
            sh("ip", "netns", "exec", self.ns[host], "ethtool", "-K", "wire", "gro", "on")
        policies = "".join(POLICY.format(n=i, a=i // 256, b=i % 256) for i in range(1000))
        os.mkdir(self.dir + "/bpffs")
        sh("mount", "-t", "bpf", "none", self.dir + "/bpffs")
        for name, backend in (("evdp", "af-xdp"), ("evbpf", "ebpf")):
            with open("%s/%s.conf" % (self.dir, name), "w") as f:
                f.write(EVDP.format(ring=self.ring, policies=policies, backend=backend, pin=self.dir + "/bpffs/events"))

    def spawn(self, ns, *command, until):
        log = open(os.path.join(self.dir, os.path.basename(command[0]) + ".log"), "w+")
        child = subprocess.Popen(["ip", "netns", "exec", self.ns[ns]] + list(command), stdout=log, stderr=log)
        self.children.append(child)
        end = time.monotonic() + 30
        while until not in open(log.name).read():
            if child.poll() is not None or time.monotonic() > end:
                raise RuntimeError("%s: %s" % (command[0], open(log.name).read()))
            time.sleep(0.02)
        return child, log.name

    def end(self, child):
        child.terminate()
        child.wait(30)
        self.children.remove(child)

    def program(self, name):
        return os.path.join(self.build, "tests" if name.startswith("bench") else "bin", name)

    def start(self, name):
        """`evdp`, `evbpf`, or a program of this folder, which takes words behind its own."""
        name, *words = name.split()
        if name.startswith("bench"):
            return self.spawn("box", self.program(name), "left", "right", *words, until="ready")[0]
        config = "evbpf.conf" if name == "evbpf" else "evdp.conf"
        return self.spawn("box", self.program(name), "-c", os.path.join(self.dir, config), until=": wire w0")[0]

    def stats(self):
        r = subprocess.run([self.program("evdp"), "-c", self.dir + "/evdp.conf", "--stats"], capture_output=True, text=True)
        return json.loads(r.stdout)

    # ---- what is measured, at a moment: each only grows ----

    def forwarded(self, _child):
        out = json.loads(sh("ip", "-s", "-j", "-n", self.ns["server"], "link", "show", "wire"))
        return out[0]["stats64"]["rx"]["packets"]

    def at_left(self, what):
        text = sh("ip", "netns", "exec", self.ns["box"], "ethtool", "-S", "left")
        return int(re.search(r"rx_queue_0_%s: (\d+)" % what, text)[1])

    def taken(self, _child):
        """By the AF_XDP socket."""
        return self.at_left("xdp_redirect")

    def seen(self, _child):
        """By the XDP program."""
        return self.at_left("xdp_packets")

    @staticmethod
    def wall_seconds(_child):
        return time.monotonic()

    @staticmethod
    def cpu_seconds(child):
        """Of all its threads, the kernel's work for it included."""
        tasks = "/proc/%d/task" % child.pid
        return sum(int(open("%s/%s/schedstat" % (tasks, t)).read().split()[0]) for t in os.listdir(tasks)) / 1e9

    @staticmethod
    def program_seconds(_child):
        """In the XDP programs of evbpf and of its rival."""
        found = [p for p in json.loads(sh("bpftool", "-j", "prog", "show")) if p.get("name") in ("evbpf", "plain")]
        return sum(p.get("run_time_ns", 0) for p in found) / 1e9

    UNITS = {"wall_seconds": "a second", "cpu_seconds": "a second of its CPU time",
             "program_seconds": "a second in its XDP program"}

    def rates(self, name, permitted, opening, frames, units):
        child = self.start(name)
        self.traffic(0.3, permitted, opening)
        before = [getattr(self, m)(child) for m in (frames,) + units]
        self.traffic(SECONDS, permitted, opening)
        after = [getattr(self, m)(child) for m in (frames,) + units]
        self.end(child)
        return [(after[0] - before[0]) / (b - a) for a, b in zip(before[1:], after[1:])]

    def traffic(self, seconds, permitted, opening):
        subprocess.run(["ip", "netns", "exec", self.ns["client"], self.program("bench_evdp_traffic"), "wire", str(seconds),
                        str(permitted), str(opening)], check=True, stdout=subprocess.DEVNULL)

    def compare(self, what, a, b, permitted, rounds, opening=0, frames="forwarded", units=("wall_seconds", "cpu_seconds")):
        rates = {a: [], b: []}
        for i in range(rounds):
            for name in (a, b) if i % 2 == 0 else (b, a):
                rates[name].append(self.rates(name, permitted, opening, frames, units))
        print("%s (medians of %d)" % (what, rounds))
        for i, unit in enumerate(units):
            ratio = statistics.median(x[i] / y[i] for x, y in zip(rates[a], rates[b]))
            print("  %s %.0f, %s %.0f frames %s %s, ratio %.2f" % (
                a, statistics.median(x[i] for x in rates[a]), b, statistics.median(x[i] for x in rates[b]), frames,
                self.UNITS[unit], ratio), flush=True)

    def count_time_in_programs(self):
        """As long as this process lives."""
        expected = ctypes.create_string_buffer(128)  # BPF_STATS_RUN_TIME
        return ctypes.CDLL(None).syscall(321, 32, expected, 128)  # bpf(BPF_ENABLE_STATS)

    def run(self, rounds):
        self.network()
        reader, log = self.spawn("box", self.program("bench_evdp_reader"), self.ring, until="ready")
        on = "policy, screens and filters on, 1001 policies, 64 flows"
        self.compare(on, "evdp", "bench_evdp_forward", 64, rounds)
        self.compare(on, "evdp", "bench_evdp_forward drop", 64, rounds, frames="taken")
        self.compare("deny storm, 16 of 64 frames permitted, one of them opens a session: what is forwarded", "evdp",
                     "evdp-nohooks", 16, rounds, opening=1)
        self.count_time_in_programs()
        for words in ("", " drop"):
            self.compare(on, "evbpf", "bench_evbpf_forward" + words, 64, rounds, frames="seen" if words else "forwarded",
                         units=("wall_seconds", "program_seconds"))
        self.account(reader, log)

    def account(self, reader, log):
        stats = self.stats()
        self.end(reader)
        taken = json.loads(open(log).read().splitlines()[-1])
        for kind in ("session_open", "session_close", "policy_deny"):
            row = stats[kind]
            print("%s: decided %d, rate_limited %d, capped %d, ring_full %d, tagged %d, read %d: %s" % (
                kind, row["decided"], row["rate_limited"], row["capped"], row["ring_full"], row["tagged"], taken[kind],
                "balances" if row["decided"] == sum(v for k, v in row.items() if k != "decided") and
                row["tagged"] == taken[kind] else "DOES NOT BALANCE"))
        print("session events lost: %d; holes in the sequence: %d" % (
            sum(stats[k]["decided"] - stats[k]["tagged"] for k in ("session_open", "session_close")), taken["holes"]))

    def clean_up(self):
        for child in self.children:
            child.kill()
            child.wait()
        for name in self.ns.values():
            sh("ip", "netns", "del", name, check=False)
        for name in os.listdir("/dev/shm"):
            if name.startswith(self.ring):
                os.unlink("/dev/shm/" + name)
        sh("umount", self.dir + "/bpffs", check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


if __name__ == "__main__":
    remove_leftovers()
    bench = Bench(os.path.abspath(sys.argv[1]))
    try:
        bench.run(int(sys.argv[2]) if len(sys.argv) > 2 else 5)
    finally:
        bench.clean_up()
