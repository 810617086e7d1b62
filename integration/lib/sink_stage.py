"""One evrepd, one ring with a generator, and collectors, on the loopback of a network namespace."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

CONF = """node = 0
hostname = "fw1"
state-dir = "{dir}"
control-socket = "{dir}/evrep.sock"
redundancy-group "1" {{ priority = 100 }}
source "dp" {{ type = ring ring = "{ring}" }}
"""


class Stage:
    def __init__(self, build, name, seed, keep):
        self.build, self.seed, self.keep = build, seed, keep
        self.dir = tempfile.mkdtemp(prefix="evrep-sink-%s-" % name)
        self.ring = os.path.basename(self.dir)
        self.processes = []
        self.evrepd = None
        self.tagged = 0

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def read(self, name):
        try:
            with open(self.path(name), errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def lines(self, name):
        return self.read(name).count("\n")

    def spawn(self, name, *command, out=None):
        log = open(self.path(name + ".log"), "ab")
        p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out or log, stderr=log, cwd=self.dir)
        self.processes.append(p)
        return p

    def end(self, p, number=signal.SIGKILL):
        if p.poll() is None:
            p.send_signal(number)
        p.wait(timeout=20)
        self.processes.remove(p)

    def wait(self, what, test, seconds=20):
        until = time.monotonic() + seconds
        while not test():
            if time.monotonic() > until:
                raise AssertionError("waited %d s in vain for: %s" % (seconds, what))
            time.sleep(0.01)

    # ---- evrepd and the generator ----

    def configure(self, *sinks):
        self.write("evrepd.conf", CONF.format(dir=self.dir, ring=self.ring) + "\n".join(sinks) + "\n")

    def start(self):
        subprocess.run([self.build + "/tests/evload", self.ring, "0"], check=True)  # A ring without a limiter.
        self.evrepd = self.spawn("evrepd", self.build + "/bin/evrepd", "-c", self.path("evrepd.conf"))
        self.wait("evrepd is up", lambda: self.sinks() is not None)

    def restart(self):
        self.end(self.evrepd)
        self.start()

    def generate(self, count, rate=0, kinds="dsf"):
        """Starts to emit; its tags count once it has ended."""
        p = self.spawn("evload", self.build + "/tests/evload", self.ring, "0", str(self.seed), str(count), str(rate), kinds)
        self.tagged += count
        return p

    def generated(self, p, seconds=60):
        self.wait("the generator ends", lambda: p.poll() is not None, seconds)
        self.processes.remove(p)

    def sinks(self):
        r = subprocess.run([self.build + "/bin/evrepctl", "-s", self.path("evrep.sock"), "--json", "sinks"],
                           capture_output=True, text=True)
        return {s["name"]: s for s in json.loads(r.stdout)["sinks"]} if r.returncode == 0 else None

    def state(self, name, key):
        s = self.sinks()
        return s[name][key] if s else None

    def said(self, text):
        return text in self.read("evrepd.log")

    def wait_said(self, text, sink=None, seconds=15):
        self.wait("the log says: " + text, lambda: self.said(text), seconds)
        if sink:
            self.wait("evrepctl sinks says: " + text, lambda: text in (self.state(sink, "lastError") or ""), seconds)

    def wait_drained(self, name, seconds=60):
        """All that was generated is confirmed by this sink; EPOCH-OPENs and summaries come on top."""
        self.wait("sink %s has confirmed all" % name,
                  lambda: self.state(name, "backlog") == 0 and self.everything_journaled(), seconds)

    def everything_journaled(self):
        r = subprocess.run([self.build + "/bin/evrepctl", "-s", self.path("evrep.sock"), "--json", "watermark"],
                           capture_output=True, text=True)
        if r.returncode != 0:
            return False
        segments = json.loads(r.stdout)["streams"][0]["segments"]
        return all(g["journaled"] >= g["produced"] for g in segments)

    def rss_kib(self, peak=False):
        with open("/proc/%d/status" % self.evrepd.pid) as f:
            return int(re.search(r"Vm%s:\s+(\d+)" % ("HWM" if peak else "RSS"), f.read()).group(1))

    # ---- the verdict ----

    def audit(self, *files):
        r = subprocess.run([self.build + "/bin/evrepctl", "--json", "audit"] + list(files), capture_output=True, text=True)
        return json.loads(r.stdout)

    def expect(self, files, marked=False, covered=False):
        a = self.audit(*files)
        print("    %d once, %d again and marked, %d twice, %d missing, %d covered" %
              (a["once"], a["marked"], a["twice"], a["missing"], a["covered"]))
        assert a["verdict"] == "OK", a
        assert marked or a["marked"] == 0, "marked: %s" % a
        assert covered or a["covered"] == 0, "covered: %s" % a
        assert a["once"] + a["marked"] + a["covered"] >= self.tagged, "fewer than the %d tagged: %s" % (self.tagged, a)
        return a

    def close(self):
        for p in list(self.processes):
            self.end(p)
        for name in os.listdir("/dev/shm"):
            if name.startswith(self.ring):
                os.unlink("/dev/shm/" + name)
        if not self.keep:
            shutil.rmtree(self.dir, ignore_errors=True)


class Rsyslog:
    """A real rsyslogd whose input is given; what it takes is in `file`, one record a line, raw."""
    CONF = """global(maxMessageSize="64k" workDirectory="{dir}" parser.escapeControlCharactersOnReceive="off" {more})
{modules}
template(name="raw" type="string" string="%rawmsg%\\n")
ruleset(name="all" queue.type="direct") {{
  action(type="omfile" file="{dir}/{name}.received" template="raw" flushOnTXEnd="on")
}}
{inputs}
"""

    def __init__(self, stage, name, modules, inputs, more=""):
        self.stage, self.name, self.process = stage, name, None
        self.file = stage.path(name + ".received")
        stage.write(name + ".conf", self.CONF.format(dir=stage.dir, name=name, modules=modules, inputs=inputs, more=more))

    def start(self):
        self.process = self.stage.spawn(self.name, "rsyslogd", "-n", "-iNONE", "-f", self.stage.path(self.name + ".conf"))

    def kill(self, number=signal.SIGKILL):
        self.stage.end(self.process, number)

    def lines(self):
        return self.stage.read(self.name + ".received").count("\n")
