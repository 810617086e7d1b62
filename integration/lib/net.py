"""Six network namespaces of one run: node0, node1, client, server, collector and a switch between them."""
import os
import re
import subprocess

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
        m = re.match(r"%s(\d+)n\d" % PREFIX, name)
        if m and not os.path.exists("/proc/" + m.group(1)):
            os.unlink("/dev/shm/" + name)


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

    def veth(self, a, ifa, b, ifb, mac=None):
        sh("ip", "link", "add", ifa, "numrxqueues", "1", "numtxqueues", "1", "netns", self.ns(a), "type", "veth",
           "peer", "name", ifb, "numrxqueues", "1", "numtxqueues", "1", "netns", self.ns(b))
        if mac:
            self.ip(a, "link", "set", ifa, "address", mac)
        for host, name in ((a, ifa), (b, ifb)):
            self.run(host, "sysctl", "-qw", "net.ipv6.conf.%s.disable_ipv6=%d" % (name, name != "wire"))
            self.ip(host, "link", "set", name, "up")

    def up(self):
        for h in self.HOSTS:
            sh("ip", "netns", "add", self.ns(h))
            self.ip(h, "link", "set", "lo", "up")
        for b in ("left", "right", "log"):
            self.ip("switch", "link", "add", b, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
            self.run("switch", "sysctl", "-qw", "net.ipv6.conf.%s.disable_ipv6=1" % b)
            self.ip("switch", "link", "set", b, "up")
        self.veth("client", "wire", "switch", "client", "02:00:00:00:00:51")
        self.veth("server", "wire", "switch", "server", "02:00:00:00:00:52")
        self.veth("collector", "log", "switch", "collector")
        for n in (0, 1):
            node = "node%d" % n
            for side in ("left", "right", "log"):
                self.veth(node, side, "switch", "n%d%s" % (n, side))
                self.ip("switch", "link", "set", "n%d%s" % (n, side), "master", side)
                if side != "log":  # What the client sends reaches both nodes: the active one takes it.
                    sh("bridge", "-n", self.ns("switch"), "link", "set", "dev", "n%d%s" % (n, side), "learning", "off")
            self.ip(node, "addr", "add", "10.97.0.%d/24" % (n + 1), "dev", "log")
        self.veth("node0", "control", "node1", "control")
        self.veth("node0", "fabric", "node1", "fabric")
        for n in (0, 1):
            self.ip("node%d" % n, "addr", "add", "10.99.0.%d/24" % (n + 1), "dev", "control")
            self.ip("node%d" % n, "addr", "add", "10.98.0.%d/24" % (n + 1), "dev", "fabric")
        for name, bridge in (("client", "left"), ("server", "right"), ("collector", "log")):
            self.ip("switch", "link", "set", name, "master", bridge)
        self.ip("collector", "addr", "add", "10.97.0.10/24", "dev", "log")
        self.hosts()

    def hosts(self):
        for h, n in (("client", 1), ("server", 2)):
            self.ip(h, "addr", "add", "10.50.0.%d/24" % n, "dev", "wire")
            self.ip(h, "addr", "add", "fd50::%d/64" % n, "dev", "wire", "nodad")
            self.run(h, "ethtool", "-K", "wire", "tx", "off", "tso", "off", "gso", "off", "gro", "off")
            for a in ("10.50.0.%d" % (3 - n), "fd50::%d" % (3 - n)):
                self.ip(h, "neigh", "replace", a, "lladdr", "02:00:00:00:00:5%d" % (3 - n), "dev", "wire")

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
