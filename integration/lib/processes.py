"""The processes of one drill, each in a namespace of its own.  Only these are ever signalled."""
import os
import signal
import subprocess
import sys


def end_on_signals():
    """Ends, and cleans up: a second signal must not end that."""
    both = (signal.SIGTERM, signal.SIGINT)

    def end(number, _):
        for n in both:
            signal.signal(n, lambda *_: None)  # Not ignored, as children would inherit that.
        sys.exit(128 + number)
    for n in both:
        signal.signal(n, end)


def descendants(pid):
    """Of a process that runs: its children, and theirs (what a keeper has started)."""
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            children = [int(c) for c in f.read().split()]
    except OSError:
        return []
    return children + [d for c in children for d in descendants(c)]


class Processes:
    def __init__(self, net, folder):
        self.net, self.folder = net, folder
        self.running, self.problems = {}, []

    def log(self, name):
        return os.path.join(self.folder, name + ".log")

    def spawn(self, name, host, *command, env=None):
        args = ["ip", "netns", "exec", self.net.ns(host)] + list(command)
        with open(self.log(name), "ab") as log:
            self.running[name] = subprocess.Popen(args, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                                  env=dict(os.environ, **env) if env else None)

    def alive(self, name):
        p = self.running.get(name)
        return p is not None and p.poll() is None

    def send(self, name, number):
        if self.alive(name):
            self.running[name].send_signal(number)

    def end(self, name, number=signal.SIGTERM, wait=True):
        """Ends it; that it had ended by itself is a problem of the drill."""
        p = self.running.pop(name, None)
        if p is None:
            return
        if p.poll() is not None:
            if number != signal.SIGKILL:
                self.problems.append("%s had ended by itself (%d), see %s.log" % (name, p.returncode, name))
            return
        p.send_signal(number)
        if number != signal.SIGKILL:
            p.send_signal(signal.SIGCONT)
        if wait:
            try:
                p.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.problems.append("%s did not end within 30 s of signal %d" % (name, number))
                p.kill()
                p.wait()

    def ended(self, name):
        """Takes note that it ended by itself, as it should: its exit status; None while it runs."""
        p = self.running.get(name)
        if p is None or p.poll() is None:
            return None
        return self.running.pop(name).returncode

    def grep(self, name, what):
        try:
            with open(self.log(name), errors="replace") as f:
                return what in f.read()
        except FileNotFoundError:
            return False

    def clean_up(self):
        for name in list(self.running):
            p = self.running.pop(name)
            if p.poll() is not None:
                continue
            p.send_signal(signal.SIGSTOP)  # So that it starts nothing while its children end.
            for pid in descendants(p.pid):
                os.kill(pid, signal.SIGKILL)
            p.kill()
            p.wait()
