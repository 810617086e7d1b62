#!/usr/bin/env python3
"""evrep-keeper: what a program stores, the next one gets; what a stranger sends, nobody.
usage: tests/keeper.py BUILD-FOLDER"""
import array
import os
import signal
import socket
import subprocess
import sys
import tempfile

# The program that is kept: tells on its standard output what it was handed, then obeys lines of a FIFO.
CHILD = r'''
import array, os, socket, sys
def send(text, *fds):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    address = os.environ["NOTIFY_SOCKET"]
    s.sendmsg([text.encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [], 0,
              "\0" + address[1:])
n = int(os.environ["LISTEN_FDS"])
assert int(os.environ["LISTEN_PID"]) == os.getpid()
names = os.environ["LISTEN_FDNAMES"].split(":") if n else []
held = {name: os.read(3 + i, 100).decode() for i, name in enumerate(names)}
print(os.getpid(), os.environ["NOTIFY_SOCKET"], held, flush=True)
for line in open(sys.argv[1]):
    word = line.split()
    if word[0] == "store":
        r, w = os.pipe()
        os.write(w, word[2].encode())
        send("FDSTORE=1\nFDNAME=" + word[1], r)
    elif word[0] == "remove":
        send("FDSTOREREMOVE=1\nFDNAME=" + word[1])
    elif word[0] == "die":
        os.kill(os.getpid(), 9)
    elif word[0] == "end":
        sys.exit(int(word[1]))
'''


class Kept:
    def __init__(self, keeper, folder):
        self.fifo = os.path.join(folder, "fifo")
        if not os.path.exists(self.fifo):
            os.mkfifo(self.fifo)
        script = os.path.join(folder, "child.py")
        with open(script, "w") as f:
            f.write(CHILD)
        self.p = subprocess.Popen([keeper, sys.executable, script, self.fifo], stdout=subprocess.PIPE, text=True)

    def hello(self):
        pid, address, held = self.p.stdout.readline().split(" ", 2)
        return int(pid), address, eval(held)

    def say(self, *lines):
        with open(self.fifo, "w") as f:
            f.write("".join(line + "\n" for line in lines))


def check(name, good):
    print("%-7s %s" % ("ok" if good else "FAILED", name), flush=True)
    return bool(good)


def main():
    keeper = os.path.join(sys.argv[1], "bin", "evrep-keeper")
    signal.alarm(60)
    with tempfile.TemporaryDirectory() as folder:
        k = Kept(keeper, folder)
        pid, address, held = k.hello()
        good = check("at first it holds nothing", held == {})

        stranger = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        r, w = os.pipe()
        stranger.sendmsg([b"FDSTORE=1\nFDNAME=evil"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [r]))], 0,
                         "\0" + address[1:])
        k.say("store a one", "store b two", "store c three", "remove b", "die")
        again, _, held = k.hello()
        good &= check("a program that dies is started again", again != pid)
        good &= check("it gets what it stored just before, not what was removed, nor a stranger's",
                      held == {"a": "one", "c": "three"})

        k.say("remove a", "remove c", *["store n%d x%d" % (i, i) for i in range(40)], "die")
        _, _, held = k.hello()
        good &= check("a program that stores too much gets what there is room for",
                      held == {"n%d" % i: "x%d" % i for i in range(32)})

        k.say(*["remove n%d" % i for i in range(32)], "store z last")
        k.say("end 1")
        _, _, held = k.hello()
        good &= check("one that fails is started again", held == {"z": "last"})
        k.p.send_signal(signal.SIGUSR1)
        _, _, held = k.hello()
        good &= check("SIGUSR1 renews it", "z" in held)
        k.say("end 0")
        good &= check("one that ends well ends the keeper", k.p.wait(timeout=20) == 0)

        k = Kept(keeper, folder)
        pid, _, _ = k.hello()
        k.p.terminate()
        k.p.wait(timeout=20)
        good &= check("SIGTERM ends both", not os.path.exists("/proc/%d" % pid))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
