"""Rate and processor time of each record, from where it is made to the confirmation, for evrepd (two nodes, journal and
peer on) and for rsyslog and syslog-ng with the same records and the same light collector.  Runs are interleaved."""
import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

TICK = os.sysconf("SC_CLK_TCK")

EVREPD = """node = {n}
cluster-id = 7
hostname = "fw1"
state-dir = "{dir}/n{n}"
control-socket = "{dir}/n{n}.sock"
peer {{
  key-file = "{dir}/key"
  link "control" {{ local = "127.0.1.{n}:5900" remote = "127.0.1.{other}:5900" }}
}}
redundancy-group "1" {{ priority = {priority} }}
source "dp" {{ type = ring ring = "{ring}-{n}" }}
sink "siem" {{ type = syslog transport = {transport} address = "127.0.0.1:601" window = 8192 {more} }}
"""

RSYSLOG = """global(workDirectory="@DIR@" maxMessageSize="8k")
main_queue(queue.type="direct")
module(load="imptcp" threads="1")
module(load="omrelp")
template(name="raw" type="string" string="%rawmsg%")
template(name="line" type="string" string="%rawmsg%\\n")
ruleset(name="out" queue.type="direct") {
  action(@ACTION@)
}
input(type="imptcp" port="602" ruleset="out")
"""

QUEUE = 'queue.dequeueBatchSize="1024" queue.workerThreads="1" queue.timeoutEnqueue="60000" queue.timeoutShutdown="1" '
OMFWD = 'type="omfwd" target="127.0.0.1" port="601" protocol="tcp" template="raw" '

SYSLOG_NG = """@version: 3.38
options { stats-freq(0); };
source s { network(ip("127.0.0.1") port(602) transport("tcp") flags(no-parse) max-connections(4) log-iw-size(40000)); };
destination d { network("127.0.0.1" port(601) transport("tcp") template("$MSG\\n")
  disk-buffer(reliable(yes) disk-buf-size(2000000000) mem-buf-size(10000000) dir("@DIR@"))); };
log { source(s); destination(d); flags(flow-control); };
"""


def cpu_s(pid):
    with open("/proc/%d/stat" % pid) as f:
        v = f.read().rsplit(")", 1)[1].split()
    return (int(v[11]) + int(v[12])) / TICK


class Run:
    def __init__(self, o):
        self.o = o
        self.dir = tempfile.mkdtemp(prefix="evrep-bench-")
        self.processes = []

    def spawn(self, *args, **more):
        log = open(self.dir + "/log", "ab")
        p = subprocess.Popen(args, stdin=subprocess.DEVNULL, stderr=log, stdout=more.pop("stdout", log), **more)
        self.processes.append(p)
        return p

    def collector(self, kind, count):
        self.result = open(self.dir + "/result", "w+")
        self.spawn(self.o.build + "/tests/lightcol", kind, "601", str(count), stdout=self.result)

    def collected(self, seconds=300):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.result.seek(0)
            text = self.result.read()
            if text.endswith("\n"):
                return json.loads(text)
            time.sleep(0.005)
        raise RuntimeError("the collector does not get all; " + open(self.dir + "/log").read()[-800:])

    def wait(self, what, test, seconds=30):
        until = time.monotonic() + seconds
        while not test():
            if time.monotonic() > until:
                raise RuntimeError("waited in vain: " + what + "; " + open(self.dir + "/log").read()[-800:])
            time.sleep(0.01)

    def ctl(self, n, command):
        r = subprocess.run([self.o.build + "/bin/evrepctl", "-s", "%s/n%d.sock" % (self.dir, n), "--json", command],
                           capture_output=True, text=True)
        return json.loads(r.stdout) if r.returncode == 0 else None

    def close(self):
        for p in self.processes:
            p.kill()
        for p in self.processes:
            p.wait()
        for name in os.listdir("/dev/shm"):
            if name.startswith(os.path.basename(self.dir)):
                os.unlink("/dev/shm/" + name)
        shutil.rmtree(self.dir, ignore_errors=True)


def evrep(o, count, transport, more):
    """evrepd of node 0, whose peer is node 1; both nodes' processor time counts."""
    r = Run(o)
    ring = os.path.basename(r.dir)
    try:
        subprocess.run([o.build + "/bin/evrepctl", "keygen", r.dir + "/key"], check=True, capture_output=True)
        r.collector(transport, count)
        nodes = []
        for n in (0, 1):
            os.mkdir("%s/n%d" % (r.dir, n))
            with open("%s/%d.conf" % (r.dir, n), "w") as f:
                f.write(EVREPD.format(n=n, other=1 - n, dir=r.dir, ring=ring, priority=200 - n, transport=transport, more=more))
            subprocess.run([o.build + "/tests/evload", "%s-%d" % (ring, n), str(n)], check=True)
            nodes.append(r.spawn(o.build + "/bin/evrepd", "-c", "%s/%d.conf" % (r.dir, n)))
        r.wait("a session", lambda: all((r.ctl(n, "watermark") or {"session": {"state": ""}})["session"]["state"] == "up"
                                        for n in (0, 1)))
        r.wait("the sink", lambda: r.ctl(0, "sinks")["sinks"][0]["state"] == "up")
        before = sum(cpu_s(p.pid) for p in nodes)
        made = json.loads(subprocess.run([o.build + "/tests/evload", ring + "-0", "0", "1", str(count)],
                                         capture_output=True, text=True, check=True).stdout)
        try:
            c = r.collected(60)
        except RuntimeError:
            print(json.dumps([r.ctl(n, c) for n in (0, 1) for c in ("sinks", "watermark")]))
            raise
        r.wait("all confirmed", lambda: r.ctl(0, "sinks")["sinks"][0]["backlog"] == 0)
        return (c["last"] - made["first"]) / 1e9, sum(cpu_s(p.pid) for p in nodes) - before
    finally:
        r.close()


def listens():
    """Somebody does, on port 602."""
    return any(re.search(r":025A 0+:0000 0A", open("/proc/net/" + name).read()) for name in ("tcp", "tcp6"))


def feed(path, count, lines):
    s = socket.create_connection(("127.0.0.1", 602))
    begin = time.time_ns()
    with open(path, "rb") as f:
        for _ in range(count // lines):
            f.seek(0)
            s.sendfile(f)
    return begin, s


def other(o, count, kind, command, name, conf):
    r = Run(o)
    try:
        r.collector(kind, count)
        with open(r.dir + "/conf", "w") as f:
            f.write(conf.replace("@DIR@", r.dir))
        p = r.spawn(*[a.replace("@DIR@", r.dir) for a in command], env=dict(os.environ, LD_LIBRARY_PATH=":".join(o.syslog_ng + "/usr/lib/" + d for d in ("x86_64-linux-gnu", "syslog-ng"))))
        r.wait(name + " listens", listens)
        before = cpu_s(p.pid)
        begin, s = feed(o.lines, count, o.line_count)
        c = r.collected()
        s.close()
        return (c["last"] - begin) / 1e9, cpu_s(p.pid) - before
    finally:
        r.close()


def rsyslog(action, kind="tcp"):
    conf = RSYSLOG.replace("@ACTION@", action)
    return lambda o, count: other(o, count, kind, ["rsyslogd", "-n", "-iNONE", "-f", "@DIR@/conf"], "rsyslogd", conf)


def syslog_ng(o, count):
    root = o.syslog_ng
    return other(o, count, "tcp", [root + "/usr/sbin/syslog-ng", "-F", "-f", "@DIR@/conf", "-R", "@DIR@/p", "-c", "@DIR@/ctl",
                                   "-p", "@DIR@/pid", "--module-path", root + "/usr/lib/syslog-ng/3.38",
                                   "--no-caps"], "syslog-ng", SYSLOG_NG)


CASES = {  # Name: what, share of the records, run.
    "evrep-tcp": ("evrepd, TCP, two nodes", 1, lambda o, n: evrep(o, n, "tcp", "framing = newline")),
    "evrep-relp": ("evrepd, RELP, two nodes", 1, lambda o, n: evrep(o, n, "relp", "")),
    "omfwd": ("rsyslog omfwd TCP, memory only", 1,
              rsyslog(OMFWD + 'tcp_framing="traditional" queue.type="linkedList" queue.size="100000" ' + QUEUE)),
    "omrelp": ("rsyslog omrelp, window 8192, memory only", 1,
               rsyslog('type="omrelp" target="127.0.0.1" port="601" template="raw" windowSize="8192" queue.type="linkedList"'
                       ' queue.size="100000" ' + QUEUE, "relp")),
    "da-queue": ("rsyslog disk-assisted queue, synced", 0.5,
                 rsyslog(OMFWD + 'queue.type="linkedList" queue.fileName="q" queue.size="20000" queue.highWatermark="2000"'
                         ' queue.lowWatermark="200" queue.syncQueueFiles="on" queue.maxDiskSpace="4g" ' + QUEUE)),
    "disk-queue": ("rsyslog disk queue, synced", 0.1,
                   rsyslog(OMFWD + 'queue.type="disk" queue.fileName="q" queue.syncQueueFiles="on" queue.maxDiskSpace="4g"'
                           ' queue.checkpointInterval="1000" ' + QUEUE)),
    "syslog-ng": ("syslog-ng, reliable disk buffer", 0.5, syslog_ng),
}


def make_lines(o):
    """The records as evrepd renders them, for the others to carry."""
    r = Run(o)
    ring = os.path.basename(r.dir)
    try:
        with open(r.dir + "/conf", "w") as f:
            f.write('node = 0\nhostname = "fw1"\nstate-dir = "%s"\ncontrol-socket = "%s/n0.sock"\nredundancy-group "1" { }\n'
                    'source "dp" { type = ring ring = "%s" }\nsink "f" { type = file path = "%s/lines" }\n' % (r.dir, r.dir, ring, r.dir))
        subprocess.run([o.build + "/tests/evload", ring, "0"], check=True)
        r.spawn(o.build + "/bin/evrepd", "-c", r.dir + "/conf")
        subprocess.run([o.build + "/tests/evload", ring, "0", "1", "10000"], check=True, capture_output=True)
        r.wait("lines", lambda: os.path.exists(r.dir + "/lines") and open(r.dir + "/lines").read().count("\n") > 10000)
        with open(r.dir + "/lines") as f:
            lines = [line for line in f if " EVREP " not in line][:10000]
        o.lines, o.line_count = "/tmp/evrep-bench-lines-%d" % os.getpid(), len(lines)
        with open(o.lines, "w") as f:
            f.writelines(lines)
        return sum(map(len, lines)) / len(lines)
    finally:
        r.close()


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("cases", nargs="*", help=", ".join(CASES))
    a.add_argument("--runs", type=int, default=5)
    a.add_argument("--records", type=int, default=400000)
    a.add_argument("--build")
    a.add_argument("--syslog-ng")
    o = a.parse_args()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for to in ("127.0.0.0/8", "127.0.0.1"):  # A namespace may not change its default, where that is bbr: half of cubic here.
        subprocess.run(["ip", "route", "replace", "local", to, "dev", "lo", "proto", "kernel", "scope", "host", "src", "127.0.0.1",
                        "table", "local", "congctl", "cubic"], check=True)
    names = [n for n in CASES if not o.cases or n in o.cases]
    size = make_lines(o)
    results = {n: [] for n in names}
    for i in range(o.runs):
        for n in names:
            count = int(o.records * CASES[n][1]) // 10000 * 10000
            try:
                seconds, cpu = CASES[n][2](o, count)
                results[n].append((count / seconds, cpu / count * 1e6))
                print("# %s, run %d: %.0f records/s, %.2f us of processor time each" % ((n, i + 1) + results[n][-1]), flush=True)
            except RuntimeError as e:
                print("# %s, run %d: %s" % (n, i + 1, e), flush=True)
    os.unlink(o.lines)
    base = statistics.median(r for r, _ in results[names[0]])
    print("\nmedians of %d interleaved runs, records of %d bytes, 2 nodes, collector and generator on %d cores, load %.1f\n" %
          (o.runs, size, os.cpu_count(), os.getloadavg()[0]))
    print("| | records/s | us of processor time each | %s is |\n| --- | ---: | ---: | ---: |" % CASES[names[0]][0])
    for n in names:
        if results[n]:
            rate = statistics.median(r for r, _ in results[n])
            print("| %s | %d | %.2f | %.2f times |" % (CASES[n][0], rate, statistics.median(c for _, c in results[n]), base / rate))


if __name__ == "__main__":
    main()
