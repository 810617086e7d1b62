"""Six network namespaces of one run: node0, node1, client, server, collector and a switch between them."""
import os
import re
import shutil
import subprocess
import tempfile

PREFIX = "evrep"


def sh(*args, check=True):
    r = subprocess.run(args, capture_output=True, text=True)
    if check and r.returncode != 0:
        raise RuntimeError("%s: %s" % (" ".join(args), r.stderr.strip()))
    return r.stdout


def remove_leftovers():
    """Namespaces and rings of runs whose process is gone."""
    for name in re.findall(r"^(%s(\d+)-\w+)" % PREFIX, sh("ip", "netns", "list"), re.M):
        if not os.path.exists("/proc/" + name[1]):
            for pid in sh("ip", "netns", "pids", name[0], check=False).split():
                os.kill(int(pid), 9)  # That run started it in a namespace of its own.
            sh("ip", "netns", "del", name[0], check=False)
    for name in os.listdir("/dev/shm"):
        m = re.match(r"%s(?:-(?:test|bench|bad|link)-)?(\d+)" % PREFIX, name)
        if m and not os.path.exists("/proc/" + m.group(1)):
            os.unlink("/dev/shm/" + name)
    for name in os.listdir(tempfile.gettempdir()):
        m = re.match(r"evrep-(?:drill|exact|evdp|bpf)-(\d+)-", name)
        if m and not os.path.exists("/proc/" + m.group(1)):
            sh("umount", os.path.join(tempfile.gettempdir(), name, "bpffs"), check=False)  # tests/bpf.py
            shutil.rmtree(os.path.join(tempfile.gettempdir(), name), ignore_errors=True)


def working_folder(kind):
    """remove_leftovers() knows by its name whose it is."""
    return tempfile.mkdtemp(prefix="evrep-%s-%d-" % (kind, os.getpid()))


def keep_folder(folder):
    """No run removes it any more, also when this one is gone."""
    kept = os.path.join(os.path.dirname(folder), "kept-" + os.path.basename(folder))
    os.rename(folder, kept)
    print("kept: " + kept)


class Net:
    HOSTS = ("node0", "node1", "client", "server", "collector", "switch")

    def __init__(self, pid):
        self.id = "%s%d" % (PREFIX, pid)

    def ns(self, host):
        return "%s-%s" % (self.id, host)

    def ip(self, host, *args):
        return sh("ip", "-n", self.ns(host), *args)

    def run(self, host, *args):
        return sh("ip", "netns", "exec", self.ns(host), *args)

    # Everything is made in few calls: on a busy machine each process costs.

    def veth(self, a, ifa, b, ifb):
        return ("link add %s numrxqueues 1 numtxqueues 1 netns %s type veth peer name %s numrxqueues 1 numtxqueues 1 "
                "netns %s" % (ifa, self.ns(a), ifb, self.ns(b)))

    def wires(self):
        """For each veth its two ends: host, interface, host, interface."""
        yield from (("client", "wire", "switch", "client"), ("server", "wire", "switch", "server"),
                    ("collector", "log", "switch", "collector"))
        for n in (0, 1):
            for side in ("left", "right", "log"):
                yield "node%d" % n, side, "switch", "n%d%s" % (n, side)
        for link in ("control", "fabric"):
            yield "node0", link, "node1", link

    def set_up_host(self, host, interfaces, lines, more=""):
        """IPv6 only on the wire, addresses and bridges, then everything up."""
        v6 = ["net.ipv6.conf.%s.disable_ipv6=%d" % (x, x != "wire") for x in interfaces]
        batch = lines + ["link set %s up" % x for x in ["lo"] + interfaces]
        script = "sysctl -qw %s\nip -batch - <<END\n%s\nEND\n%s" % (" ".join(v6), "\n".join(batch), more)
        sh("ip", "netns", "exec", self.ns(host), "sh", "-ec", script)

    def up(self):
        wires = list(self.wires())
        lines = ["netns add " + self.ns(h) for h in self.HOSTS] + [self.veth(*w) for w in wires]
        subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True)
        for n in (0, 1):
            self.set_up_host("node%d" % n, list(self.LINKS), [
                "addr add 10.%d.0.%d/24 dev %s" % (net, n + 1, dev)
                for net, dev in ((97, "log"), (98, "fabric"), (99, "control"))])
        self.set_up_host("collector", ["log"], ["addr add 10.97.0.10/24 dev log"])
        self.hosts()
        self.switch([b for a, _, _, b in wires if a not in ("node0", "node1")] +
                    [w[3] for w in wires if w[2] == "switch" and w[0] in ("node0", "node1")])

    def hosts(self):
        for h, n in (("client", 1), ("server", 2)):
            lines = ["link set wire address 02:00:00:00:00:5%d" % n, "addr add 10.50.0.%d/24 dev wire" % n,
                     "addr add fd50::%d/64 dev wire nodad" % n]
            neighbours = "".join("ip neigh replace %s lladdr 02:00:00:00:00:5%d dev wire\n" % (a, 3 - n)
                                 for a in ("10.50.0.%d" % (3 - n), "fd50::%d" % (3 - n)))
            self.set_up_host(h, ["wire"], lines, neighbours + "ethtool -K wire tx off tso off gso off gro off >&2\n")

    def switch(self, ports):
        bridges = {"client": "left", "server": "right", "collector": "log"}
        lines = ["link add %s type bridge forward_delay 0 mcast_snooping 0" % b for b in ("left", "right", "log")]
        sh("ip", "netns", "exec", self.ns("switch"), "sh", "-ec", "ip -batch - <<END\n%s\nEND\n" % "\n".join(lines))
        masters = ["link set %s master %s" % (p, bridges.get(p) or p[2:]) for p in ports]
        # What the client sends reaches both nodes: the active one takes it.
        learning = ["link set dev n%d%s learning off" % (n, side) for n in (0, 1) for side in ("left", "right")]
        self.set_up_host("switch", ["left", "right", "log"] + ports, masters,
                         "bridge -batch - <<END\n%s\nEND\n" % "\n".join(learning))

    LINKS = ("left", "right", "log", "control", "fabric")

    def set_links(self, node, state, links=LINKS):
        lines = "".join("link set %s %s\n" % (name, state) for name in links)
        subprocess.run(["ip", "-n", self.ns(node), "-batch", "-"], input=lines, text=True, check=True)

    # ---- faults without a word: the links stay up, the frames vanish ----

    def cut(self, host, *devices):
        """Frames that arrive at these devices vanish, so that neither end is told."""
        rules = "".join("chain on_%s { type filter hook ingress device \"%s\" priority 0; drop; }\n" % (d, d)
                        for d in devices)
        self.heal(host)
        subprocess.run(["ip", "netns", "exec", self.ns(host), "nft", "-f", "-"],
                       input="table netdev drill {\n%s}\n" % rules, text=True, check=True)

    def heal(self, host):
        sh("ip", "netns", "exec", self.ns(host), "nft", "delete", "table", "netdev", "drill", check=False)

    def quieten(self, node, dead):
        """A dead host's kernel sends nothing more; that of a namespace would, for its orphaned sockets."""
        self.run(node, "sysctl", "-qw", "net.ipv4.tcp_orphan_retries=%d" % (1 if dead else 0))

    def down(self):
        for h in self.HOSTS:
            sh("ip", "netns", "del", self.ns(h), check=False)
