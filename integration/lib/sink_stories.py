"""Stories of sinks: what a collector does to one, and what has to be true afterwards."""
import argparse
import os
import random
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import traceback

from hostile import HostileTcp
from hostile_more import HostileRelp, HostileTls
import sink_nats
from sink_stage import Rsyslog, Stage

STORIES = []


def story(f):
    STORIES.append(f)
    return f


@story
def udp(s, r):
    """Nothing goes to a port where nobody listens; IPv4 and IPv6."""
    v4 = Rsyslog(s, "v4", 'module(load="imudp")', 'input(type="imudp" address="127.0.0.1" port="514" ruleset="all" rcvbufSize="4m")')
    v6 = Rsyslog(s, "v6", 'module(load="imudp")', 'input(type="imudp" address="::1" port="514" ruleset="all" rcvbufSize="4m")')
    s.configure('sink "v4" { type = syslog transport = udp address = "127.0.0.1:514" datagram-rate = 8000 }',
                'sink "v6" { type = syslog transport = udp address = "[::1]:514" datagram-rate = 8000 format = structured }')
    s.start()
    s.wait_said("refused: nobody listens there", "v4")
    s.wait_said("refused: nobody listens there", "v6")
    s.generated(s.generate(8000))
    v4.start()
    v6.start()
    for name in ("v4", "v6"):
        s.wait_drained(name)
    s.wait("the collectors have written all", lambda: min(v4.lines(), v6.lines()) > s.tagged)
    s.expect([v4.file])
    s.expect([v6.file])


@story
def tcp(s, r):
    """A collector that is down at first, and restarts between two records: the first one after it arrives."""
    both = Rsyslog(s, "both", 'module(load="imtcp")', 'input(type="imtcp" address="127.0.0.1" port="601" ruleset="all")')
    s.configure('sink "siem" { type = syslog address = "127.0.0.1:601" framing = %s }' % r.choice(["newline", "octet-counting"]))
    s.start()
    s.wait_said("connection refused", "siem")
    both.start()
    for _ in range(3):
        p = s.generate(r.randint(1, 3000))
        s.generated(p)
        s.wait_drained("siem")
        s.wait("the collector has written all", lambda: both.lines() > s.tagged)
        both.kill()
        s.generated(s.generate(1))
        both.start()
        s.wait_drained("siem")
    assert s.state("siem", "state") == "up" and s.state("siem", "lastErrorAgeSeconds") is not None, s.sinks()
    s.wait("the collector has written all", lambda: both.lines() > s.tagged)
    s.expect([both.file])


def meet_hostile(s, c, sink, count, rate):
    """Beside it a file, which is not delayed."""
    s.configure('sink "siem" { type = syslog %s }' % sink, 'sink "local" { type = file path = "%s" }' % s.path("out.log"))
    s.start()
    p = s.generate(count, rate)
    try:
        c.run_until(lambda: p.poll() is not None)
    finally:
        c.stop_faults()
    s.generated(p)
    s.wait("sink siem has confirmed all", lambda: c.serve(0.05) or (s.state("siem", "backlog") == 0 and s.everything_journaled()), 60)
    s.wait_drained("local")
    c.serve(0.3)
    c.close()
    said = s.read("evrepd.log").count("sink siem: ")
    print("    %d connections, %d lines in the log; faults: %s" % (c.connections, said, c.counted()))
    s.expect([s.path("received")], marked=True)
    s.expect([s.path("out.log")])
    assert s.rss_kib(peak=True) < 64 << 10


@story
def tcp_hostile(s, r):
    """A collector that closes, resets, half-closes, stalls, sips and talks, again before the last is digested."""
    meet_hostile(s, HostileTcp(s.path("received"), 601, r), 'address = "127.0.0.1:601"', 30000, 10000)


@story
def words(s, r):
    """A port that says something and closes, as a server of something else does: the log has its words."""
    certificate(s, "ca", "Test CA")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate(s, "good", "logs.example", "ca"))
    listeners = {name: socket.create_server(("127.0.0.1", port)) for name, port in (("tcp", 601), ("floating", 602), ("tls", 6514))}
    for name, listener in listeners.items():
        threading.Thread(target=speak, args=(listener, b"421 %s is closed\r\n" % name.encode(), tls if name == "tls" else None), daemon=True).start()
    s.configure('sink "tcp" { type = syslog address = "127.0.0.1:601" }',
                'sink "floating" { type = syslog address = "127.0.0.1:602" source = "127.0.0.50" }',
                'sink "tls" { type = syslog transport = tls address = "127.0.0.1:6514" server-name = "logs.example" ca-file = "%s" }' %
                s.path("ca.crt"))
    try:
        s.start()
        for name in listeners:
            s.wait_said('says "421 %s is closed", which no collector of syslog does' % name)
            s.wait_said("closed by the collector", name)
    finally:
        for listener in listeners.values():
            listener.shutdown(socket.SHUT_RDWR)


def speak(listener, words, tls):
    while True:
        try:
            c, _ = listener.accept()
            c = tls.wrap_socket(c, server_side=True) if tls else c
            c.sendall(words)
            c.shutdown(socket.SHUT_WR)
            while c.recv(4096):
                pass
        except ssl.SSLError:
            pass
        except OSError:
            if listener.fileno() < 0:
                return
        c.close()


@story
def name_with_addresses(s, r):
    """A name that does not resolve; then to an address where nobody listens and to one where rsyslog does."""
    hosts = s.write("hosts", "127.0.0.1 localhost\n")
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
    c = Rsyslog(s, "c", 'module(load="imtcp")', 'input(type="imtcp" address="127.0.0.3" port="601" ruleset="all")')
    s.configure('sink "siem" { type = syslog address = "logs.example:601" }')
    try:
        s.start()
        s.wait_said('"logs.example" does not resolve', "siem")
        with open(hosts, "w") as f:
            f.write("127.0.0.2 logs.example\n127.0.0.3 logs.example\n")
        s.wait_said('none of the 2 addresses of "logs.example" answers', "siem")
        c.start()
        s.generated(s.generate(1000))
        s.wait_drained("siem")
    finally:
        subprocess.run(["umount", "/etc/hosts"], check=True)
    s.wait("the collector has written all", lambda: c.lines() > s.tagged)
    s.expect([c.file])


@story
def nobody_but_itself(s, r):
    """Where nobody listens, TCP and UDP can meet the very port that they come from: what goes there is lost."""
    ports = "/proc/sys/net/ipv4/ip_local_port_range"
    with open(ports, "w") as f:
        f.write("40601 40601")
    s.configure('sink "tcp" { type = syslog address = "127.0.0.1:40601" }',
                'sink "udp" { type = syslog transport = udp address = "127.0.0.1:40601" }')
    try:
        s.start()
        s.generated(s.generate(1000))
        for name in ("tcp", "udp"):
            s.wait_said("it met itself: nobody listens there", name)
    finally:
        with open(ports, "w") as f:
            f.write("32768 60999")
    assert s.state("tcp", "confirmed") == s.state("udp", "confirmed") == 0, s.sinks()
    c = Rsyslog(s, "c", 'module(load="imtcp")', 'input(type="imtcp" address="127.0.0.1" port="40601" ruleset="all")')
    c.start()
    s.wait_drained("tcp")
    s.wait("the collector has written all", lambda: c.lines() > s.tagged)
    s.expect([c.file])


@story
def second_address(s, r):
    """The first of two addresses takes connections and ends them, or has a wrong certificate."""
    hosts = s.write("hosts", "127.0.0.1 localhost\n127.0.0.2 logs.example\n127.0.0.3 logs.example\n")
    certificate(s, "ca", "Test CA")
    good, old = certificate(s, "good", "logs.example", "ca"), certificate(s, "old", "logs.example", "ca", -1)
    close = [socket.create_server(("127.0.0.2", port)) for port in (601, 2514)]
    for listener in close:
        threading.Thread(target=end_each, args=(listener,), daemon=True).start()
    collectors = [tls_rsyslog(s, "wrong", *old, address="127.0.0.2"), tls_rsyslog(s, "tls", *good, address="127.0.0.3"),
                  Rsyslog(s, "tcp", 'module(load="imtcp")', 'input(type="imtcp" address="127.0.0.3" port="601" ruleset="all")'),
                  Rsyslog(s, "relp", 'module(load="imrelp")', 'input(type="imrelp" address="127.0.0.3" port="2514" ruleset="all")')]
    for c in collectors:
        c.start()
    s.configure('sink "tcp" { type = syslog address = "logs.example:601" }',
                'sink "tls" { type = syslog transport = tls address = "logs.example:6514" ca-file = "%s" }' % s.path("ca.crt"),
                'sink "relp" { type = syslog transport = relp address = "logs.example:2514" }')
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
    try:
        s.start()
        s.generated(s.generate(1000))
        for c in collectors[1:]:
            s.wait_drained(c.name)
            s.wait("the collector has written all", lambda: c.lines() > s.tagged)
    finally:
        subprocess.run(["umount", "/etc/hosts"], check=True)
        for listener in close:
            listener.shutdown(socket.SHUT_RDWR)
    assert s.said("certificate has expired")
    for c in collectors[1:]:
        s.expect([c.file], marked=c.name == "tcp")


def end_each(listener):
    while True:
        try:
            c, _ = listener.accept()
        except OSError:
            return
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.close()


@story
def name_server_is_silent(s, r):
    """Names that wait for a name server keep no other sink waiting, nor the end of evrepd."""
    hosts, resolv = s.write("hosts", "127.0.0.1 localhost logs.example\n"), s.write("resolv.conf", "nameserver 127.0.0.99\n")
    for path, over in ((hosts, "/etc/hosts"), (resolv, "/etc/resolv.conf")):
        subprocess.run(["mount", "--bind", path, over], check=True)
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.99", 53))
    c = Rsyslog(s, "c", 'module(load="imtcp")', 'input(type="imtcp" address="127.0.0.1" port="601" ruleset="all")')
    c.start()
    s.configure(*['sink "s%d" { type = syslog transport = %s address = "s%d.example:601" }' % (i, r.choice(["tcp", "udp", "relp", "tls"]), i)
                  for i in range(6)],
                'sink "siem" { type = syslog address = "logs.example:601" }',
                'sink "local" { type = file path = "%s" }' % s.path("out.log"))
    try:
        s.start()
        s.generated(s.generate(1000))
        s.wait_drained("siem")
        s.wait_drained("local")
        s.wait("the collector has written all", lambda: c.lines() > s.tagged)
        s.wait("six wait for it", lambda: [s.state("s%d" % i, "state") for i in range(6)] == ["connecting"] * 6)
        begin = time.monotonic()
        s.end(s.evrepd, signal.SIGTERM)
        print("    ended within %.1f s" % (time.monotonic() - begin))
        assert not s.said("does not resolve"), "something took as long as the name server was waited for"
    finally:
        for over in ("/etc/hosts", "/etc/resolv.conf"):
            subprocess.run(["umount", over], check=True)
        silent.close()
    s.expect([c.file])
    s.expect([s.path("out.log")])


def certificate(s, name, subject, ca=None, days=30, before=None):
    """A key and a certificate for `subject`, signed by `ca` or by itself."""
    key, crt = s.path(name + ".key"), s.path(name + ".crt")
    run = lambda *a: subprocess.run(a, check=True, capture_output=True, cwd=s.dir)
    run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key,
        "-subj", "/CN=" + subject, "-out", name + ".csr")
    s.write(name + ".ext", "subjectAltName=DNS:%s\nbasicConstraints=%s\n" % (subject, "CA:FALSE" if ca else "critical,CA:TRUE"))
    sign = ["-CA", s.path(ca + ".crt"), "-CAkey", s.path(ca + ".key"), "-CAcreateserial"] if ca else ["-signkey", key]
    prefix = ["faketime", before] if before else []
    run(*prefix, "openssl", "x509", "-req", "-in", name + ".csr", "-days", str(days), "-extfile", name + ".ext", "-out", crt, *sign)
    return crt, key


def tls_rsyslog(s, name, cert, key, mode="anon", version="", address="127.0.0.1"):
    return Rsyslog(s, name, 'module(load="imtcp")', 'input(type="imtcp" address="%s" port="6514" ruleset="all"'
                   ' streamDriver.Name="ossl" streamDriver.Mode="1" streamDriver.AuthMode="%s"%s%s)' %
                   (address, mode, ' permittedPeer="fw1.example"' if mode == "x509/name" else "",
                    ' gnutlsPriorityString="%s"' % version if version else ""),
                   'defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="%s" defaultNetstreamDriverCertFile="%s"'
                   ' defaultNetstreamDriverKeyFile="%s"' % (s.path("ca.crt"), cert, key))


@story
def tls(s, r):
    """Each wrong certificate is refused with one clear line, and a right one mends it; TLS 1.2 and 1.3."""
    certificate(s, "ca", "Test CA")
    certificate(s, "otherca", "Other CA")
    good = certificate(s, "good", "logs.example", "ca")
    wrong = [("its certificate is refused: it is not for \"logs.example\"", certificate(s, "othername", "other.example", "ca")),
             ("its certificate is refused: ", certificate(s, "stranger", "logs.example", "otherca")),
             ("its certificate is refused: certificate has expired", certificate(s, "old", "logs.example", "ca", -1))]
    s.configure('sink "siem" { type = syslog transport = tls address = "127.0.0.1:6514" server-name = "logs.example"'
                ' ca-file = "%s" }' % s.path("ca.crt"))
    s.start()
    for line, (crt, key) in wrong:
        c = tls_rsyslog(s, "wrong", crt, key)
        c.start()
        s.wait_said(line, "siem")
        c.kill()
        assert c.lines() == 0
    files = []
    for version in ("MaxProtocol=TLSv1.2", "MinProtocol=TLSv1.3"):
        c = tls_rsyslog(s, version[-1], *good, version=version)
        files.append(c.file)
        before = s.tagged
        c.start()
        s.generated(s.generate(5000))
        s.wait_drained("siem")
        s.wait("the collector has written all", lambda: c.lines() >= s.tagged - before)
        c.kill()
    s.expect(files)


@story
def tls_hostile(s, r):
    """The same in TLS, also amid the handshake and amid a record; with another certificate at each connection."""
    certificate(s, "ca", "Test CA")
    good = [certificate(s, "good%d" % i, "localhost", "ca") for i in range(2)]
    bad = certificate(s, "bad", "localhost", "ca", -1)
    meet_hostile(s, HostileTls(s.path("received"), 6514, r, good, bad),
                 'transport = tls address = "127.0.0.1:6514" server-name = "localhost" ca-file = "%s"' % s.path("ca.crt"), 12000, 4000)


@story
def tls_client_certificate(s, r):
    """A collector that wants a certificate of ours: without it nothing counts as confirmed, with it all arrives."""
    certificate(s, "ca", "Test CA")
    good = certificate(s, "good", "logs.example", "ca")
    crt, key = certificate(s, "client", "fw1.example", "ca")
    sink = ('sink "siem" { type = syslog transport = tls address = "127.0.0.1:6514" server-name = "logs.example"'
            ' ca-file = "%s" %%s }' % s.path("ca.crt"))
    c = tls_rsyslog(s, "c", *good, mode="x509/name")
    c.start()
    s.configure(sink % "")
    s.start()
    s.generated(s.generate(500))
    s.wait("the sink is told off", lambda: s.state("siem", "reconnects") or s.state("siem", "lastError"))
    assert s.state("siem", "confirmed") == 0, s.sinks()
    s.end(s.evrepd)
    s.configure(sink % ('cert-file = "%s" key-file = "%s"' % (s.path("later.crt"), key)))
    s.start()
    s.wait_said('later.crt" cannot be used', "siem")
    os.rename(crt, s.path("later.crt"))
    s.wait_drained("siem")
    s.wait("the collector has written all", lambda: c.lines() > s.tagged)
    s.expect([c.file])


@story
def relp(s, r):
    """A collector that dies at random moments under load: nothing is missing, only what is marked comes twice."""
    c = Rsyslog(s, "c", 'module(load="imrelp")', 'input(type="imrelp" address="127.0.0.1" port="2514" ruleset="all")')
    s.configure('sink "siem" { type = syslog transport = relp address = "127.0.0.1:2514" window = 4096 }')
    s.start()
    c.start()
    p = s.generate(60000, 15000)
    for _ in range(4):
        s.wait("it confirms", lambda: s.state("siem", "state") == "up")
        time.sleep(r.uniform(0.05, 0.8))
        c.kill()
        c.start()
    s.generated(p)
    s.wait_drained("siem")
    s.expect([c.file], marked=True)


@story
def relp_hostile(s, r):
    """A collector that answers out of order, twice, byte by byte, with numbers that are none, and not at all."""
    meet_hostile(s, HostileRelp(s.path("received"), 2514, r), 'transport = relp address = "127.0.0.1:2514"', 12000, 4000)


@story
def file(s, r):
    """Rotation, SIGHUP and the death of evrepd at random moments: no loss, no repeat, nothing in doubt."""
    s.configure('sink "local" { type = file path = "%s" rotate-mib = 1 rotate-keep = 99 }' % s.path("out.log"))
    s.start()
    p = s.generate(60000, 20000)
    for i in range(6):
        time.sleep(r.uniform(0.05, 0.5))
        if r.random() < 0.5:
            os.rename(s.path("out.log"), s.path("moved.%d" % i))
            s.evrepd.send_signal(signal.SIGHUP)
            s.wait("it is opened again", lambda: os.path.exists(s.path("out.log")))
        else:
            s.restart()
    s.generated(p)
    s.wait_drained("local")
    files = [f for f in os.listdir(s.dir) if f.startswith("out.log") or f.startswith("moved")]
    print("    %d files" % len(files))
    s.expect([s.path(f) for f in files])


def cut_to_whole_lines(path):
    """A kill in the midst of a write leaves half a line, which evrepd mends in its own file alone."""
    with open(path, "r+b") as f:
        f.truncate(f.read().rfind(b"\n") + 1)


@story
def file_taken_away(s, r):
    """Others move the file, copy and cut it off, remove it, put a FIFO in its place, each twice, and evrepd dies among it."""
    s.configure('sink "local" { type = file path = "%s" }' % s.path("out.log"))
    s.start()
    p = s.generate(60000, 15000)
    for i in range(2):
        s.wait("it is written", lambda: s.lines("out.log") > 0)
        os.rename(s.path("out.log"), s.path("moved.%d" % i))
        time.sleep(r.uniform(0, 0.1))
        s.restart()
        cut_to_whole_lines(s.path("moved.%d" % i))
        s.wait("it is written", lambda: s.lines("out.log") > 0)
        os.kill(s.evrepd.pid, signal.SIGSTOP)  # What is written between copy and cut is lost to all who do so.
        os.waitid(os.P_PID, s.evrepd.pid, os.WSTOPPED)  # Not in the midst of a write.
        shutil.copy(s.path("out.log"), s.path("copied.%d" % i))
        os.truncate(s.path("out.log"), 0)
        os.kill(s.evrepd.pid, signal.SIGCONT)
        s.wait("it is written", lambda: s.lines("out.log") > 0)
        os.link(s.path("out.log"), s.path("kept.%d" % i))  # So that the audit has what is removed below.
        os.mkfifo(s.path("fifo"))
        os.rename(s.path("fifo"), s.path("out.log"))
        s.evrepd.send_signal(signal.SIGHUP)
        s.wait("it says so", lambda: s.read("evrepd.log").count("down: %s: not a file" % s.path("out.log")) > i)
        os.unlink(s.path("out.log"))
    s.generated(p)
    s.wait_drained("local")
    assert "\0" not in "".join(s.read(f) for f in os.listdir(s.dir) if f.startswith("out.log"))
    s.expect([s.path(f) for f in os.listdir(s.dir) if f.split(".")[0] in ("out", "moved", "copied", "kept") and not f.endswith("conf")], marked=True)
    s.generated(s.generate(1000))
    s.wait_drained("local")
    os.unlink(s.path("out.log"))
    s.generated(s.generate(1000))
    s.wait_drained("local")
    assert s.lines("out.log") >= 1000 and s.said("was removed, and what was in it: a new one is begun")


@story
def file_trouble(s, r):
    """No folder, a path that is one, a second writer, no space, read-only: one clear line, and it goes on once it is mended."""
    small = s.path("small")
    os.mkdir(small)
    os.mkdir(small + "/x.log")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", s.path("small")], check=True)
    log = small + "/in/x.log"
    try:
        s.configure('sink "local" { type = file path = "%s" sync = true }' % log)
        s.start()
        s.wait_said("the folder that it is to be in does not exist; make it", "local")
        os.makedirs(small + "/later/x.log")
        os.rename(small + "/later", small + "/in")
        s.wait_said("is a folder; 'path' has to name a file", "local")
        os.rmdir(log)
        s.wait("it is mended", lambda: s.state("local", "state") == "up")
        s.generated(s.generate(8000))
        s.wait_said("No space left on device", "local")
        s.wait("it can be made read-only", lambda: subprocess.run(["mount", "-o", "remount,ro", small], capture_output=True).returncode == 0)
        s.wait_said("its file system may only be read; mount it for writing", "local")
        subprocess.run(["mount", "-o", "remount,rw,size=64m", small], check=True)
        s.wait_drained("local")
        second = s.write("second.conf", s.read("evrepd.conf").replace(s.dir + '"', s.path("second") + '"')
                         .replace(s.path("evrep.sock"), s.path("second.sock")).replace(s.ring + '" }', s.ring + '2" }'))
        os.mkdir(s.path("second"))
        p = s.spawn("second", s.build + "/bin/evrepd", "-c", second)
        s.wait("the second says so", lambda: "another program has locked it" in s.read("second.log"))
        s.end(p)
        s.expect([log])
    finally:
        for p in list(s.processes):
            s.end(p)
        subprocess.run(["umount", small])


story(sink_nats.jetstream)


@story
def filters(s, r):
    """What is hidden is stated before what passes, the same after a restart; evrep's own records always pass."""
    s.configure('sink "errors" { type = file path = "%s" severity = error }' % s.path("errors.log"),
                'sink "rest" { type = file path = "%s" categories = { "policy", "firewall" } format = structured }' % s.path("rest.log"),
                'sink "all" { type = file path = "%s" }' % s.path("all.log"))
    s.start()
    for i in range(4):
        s.generated(s.generate(r.randint(1, 3000), kinds=r.choice(["dsf", "ddddf", "s", "dddddddddddddddds"])))
        if i & 1:
            s.restart()
    s.generated(s.generate(1, kinds="s"))
    s.generated(s.generate(1, kinds="d"))
    for name in ("errors", "rest", "all"):
        s.wait_drained(name)
    every = s.expect([s.path("all.log")])
    errors = s.expect([s.path("errors.log")], covered=True) if every else None
    rest = s.expect([s.path("rest.log")], covered=True)
    assert errors["covered"] > 0 and rest["covered"] > 0
    for line in s.read("errors.log").splitlines():
        assert "RT_SCREEN" in line or " EVREP - " in line, line
    assert "RT_SCREEN" not in s.read("rest.log")


@story
def dead_beside_live(s, r):
    """A sink that stalls and one that is dead delay no other, and take no memory."""
    c = HostileTcp(s.path("received"), 602, r)
    c.stop_faults()
    s.configure('sink "local" { type = file path = "%s" }' % s.path("out.log"),
                'sink "dead" { type = syslog address = "127.0.0.1:601" }',
                'sink "stalled" { type = syslog address = "127.0.0.1:602" }')
    s.start()
    s.wait("the stalled one is connected", lambda: s.state("stalled", "state") == "up")
    s.generated(s.generate(20000))
    s.wait_drained("local")
    before = s.rss_kib()
    s.generated(s.generate(200000))
    s.wait_drained("local")
    grown = s.rss_kib() - before
    print("    peak %d MiB, %d KiB more with 200000 more records waiting" % (s.rss_kib(peak=True) >> 10, grown))
    assert s.state("dead", "backlog") > 200000
    assert s.state("stalled", "backlog") > 100000
    assert grown < 4096
    assert s.rss_kib(peak=True) < 64 << 10
    s.expect([s.path("out.log")])
    c.close()


def main():
    a = argparse.ArgumentParser(prog="integration/sinks", description=__doc__)
    a.add_argument("names", nargs="*", help="; ".join(f.__name__ for f in STORIES))
    a.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    a.add_argument("--keep", action="store_true", help="keep the working folders")
    a.add_argument("--build")
    o = a.parse_args()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    failed = 0
    for f in STORIES:
        if o.names and f.__name__ not in o.names:
            continue
        s = Stage(o.build, f.__name__, o.seed, o.keep)
        begin = time.monotonic()
        try:
            f(s, random.Random("%d %s" % (o.seed, f.__name__)))
            print("ok      %-24s %5.1f s" % (f.__name__, time.monotonic() - begin), flush=True)
        except Exception:
            failed += 1
            traceback.print_exc(file=sys.stdout)
            print(s.read("evrepd.log")[-3000:])
            print("FAILED  %-24s %5.1f s, seed %d" % (f.__name__, time.monotonic() - begin, o.seed), flush=True)
        finally:
            s.close()
    print("sinks: seed %d: %s" % (o.seed, "OK" if failed == 0 else "%d failed" % failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
