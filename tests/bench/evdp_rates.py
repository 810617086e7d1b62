#!/usr/bin/env python3
"""evdp against a program that only forwards, and with hooks against without: tests/bench/evdp_rates.py BUILD [ROUNDS].
Native mode on veth, one queue; the rounds of what is compared alternate, the medians of their ratios count.  On a machine
with other work only the ratio for a second of CPU time says something.  Root."""
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "integration", "lib"))
from net import remove_leftovers, sh  

SECONDS = float(os.environ.get("EVREP_BENCH_SECONDS", "2"))

# All of policy, screens and filters is on; limits are out of the way of the load.
EVDP = """ring = "{ring}"
node = 0
event-rate = 1000
sessions = 65536
zone "trust" {{ screens = {{ "land", "ping-of-death", "teardrop", "syn-fin", "tcp-no-flag", "fin-no-ack", "winnuke",
  "source-route", "syn-frag", "syn-flood", "icmp-flood", "udp-flood", "port-scan", "ip-sweep", "session-limit-source",
  "session-limit-destination" }} udp-flood-rate = 100000000 session-limit-source = 100000
  session-limit-destination = 100000 }}
zone "untrust" {{ }}
wire "w0" {{ left = "left" right = "right" left-zone = "trust" right-zone = "untrust" }}
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
        policies = "".join(POLICY.format(n=i, a=i // 256, b=i % 256) for i in range(1000))
        with open(self.dir + "/evdp.conf", "w") as f:
            f.write(EVDP.format(ring=self.ring, policies=policies))

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
        return os.path.join(self.build, "bin" if name.startswith("evdp") else "tests", name)

    def start(self, name):
        if name.startswith("evdp"):
            return self.spawn("box", self.program(name), "-c", self.dir + "/evdp.conf", until="evdp: wire")[0]
        return self.spawn("box", self.program(name), "left", "right", until="ready")[0]

    def received(self):
        out = json.loads(sh("ip", "-s", "-j", "-n", self.ns["server"], "link", "show", "wire"))
        return out[0]["stats64"]["rx"]["packets"]

    def stats(self):
        r = subprocess.run([self.program("evdp"), "-c", self.dir + "/evdp.conf", "--stats"], capture_output=True, text=True)
        return json.loads(r.stdout)

    @staticmethod
    def cpu_seconds(child):
        """Of all its threads, the kernel's work for it included."""
        tasks = "/proc/%d/task" % child.pid
        return sum(int(open("%s/%s/schedstat" % (tasks, t)).read().split()[0]) for t in os.listdir(tasks)) / 1e9

    def rate(self, name, permitted):
        """Frames that come out at the other end: a second, and a second of the program's CPU time."""
        child = self.start(name)
        self.traffic(0.3, permitted)
        before, begin, cpu = self.received(), time.monotonic(), self.cpu_seconds(child)
        self.traffic(SECONDS, permitted)
        out = self.received() - before
        rates = out / (time.monotonic() - begin), out / (self.cpu_seconds(child) - cpu)
        self.end(child)
        return rates

    def traffic(self, seconds, permitted):
        subprocess.run(["ip", "netns", "exec", self.ns["client"], self.program("bench_evdp_traffic"), "wire", str(seconds),
                        str(permitted)], check=True, stdout=subprocess.DEVNULL)

    def compare(self, what, a, b, permitted, rounds):
        rates = {a: [], b: []}
        for i in range(rounds):
            for name in (a, b) if i % 2 == 0 else (b, a):
                rates[name].append(self.rate(name, permitted))
        print("%s (medians of %d)" % (what, rounds))
        for i, unit in enumerate(("a second", "a second of its CPU time")):
            ratio = statistics.median(x[i] / y[i] for x, y in zip(rates[a], rates[b]))
            print("  %s %.0f, %s %.0f frames %s, ratio %.2f" % (
                a, statistics.median(x[i] for x in rates[a]), b, statistics.median(x[i] for x in rates[b]), unit, ratio),
                flush=True)

    def run(self, rounds):
        self.network()
        reader, log = self.spawn("box", self.program("bench_evdp_reader"), self.ring, until="ready")
        self.compare("policy, screens and filters on, 1001 policies, 64 flows", "evdp", "bench_evdp_forward", 64, rounds)
        self.compare("deny storm, 16 of 64 frames permitted: what is forwarded", "evdp", "evdp-nohooks", 16, rounds)
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
        shutil.rmtree(self.dir, ignore_errors=True)


if __name__ == "__main__":
    remove_leftovers()
    bench = Bench(os.path.abspath(sys.argv[1]))
    try:
        bench.run(int(sys.argv[2]) if len(sys.argv) > 2 else 5)
    finally:
        bench.clean_up()
