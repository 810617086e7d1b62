"""keepalived decides who is primary; evrep follows, and takes over when it knows that the other is dead.

A real keepalived on each node, VRRP over the collectors' network; its notify scripts call `evrepctl notify`.
Twice: the master's node dies and returns; keepalived of the master is stopped, so that both are master for a while;
and it is ended in peace.
"""
import os
import signal
import time

QUICK = True
SETTINGS = {"group": "manager = external "}

CONF = """global_defs {{
  router_id node{n}
  script_user root
  enable_script_security
  vrrp_version 3
}}
vrrp_instance RG1 {{
  state BACKUP
  interface log
  virtual_router_id 51
  priority {priority}
  nopreempt
  advert_int 0.1
  unicast_src_ip 10.97.0.{me}
  unicast_peer {{ 10.97.0.{other} }}
  virtual_ipaddress {{ 10.97.0.50/24 }}
  notify_master "{evrepctl} -s {socket} notify 1 MASTER"
  notify_backup "{evrepctl} -s {socket} notify 1 BACKUP"
  notify_fault "{evrepctl} -s {socket} notify 1 FAULT"
  notify_stop "{evrepctl} -s {socket} notify 1 STOP"
}}
"""


def prepare(s):
    for n in (0, 1):
        with open(s.node[n].dir + "/keepalived.conf", "w") as f:
            f.write(CONF.format(n=n, me=n + 1, other=2 - n, priority=200 - 100 * n, evrepctl=s.program("evrepctl"),
                                socket=s.node[n].socket))
    start(s, 0)  # Before there is any evrepd: the word is left for it.
    s.wait("keepalived of node0 to be master", lambda: s.processes.grep("keepalived0", "Entering MASTER STATE"))
    start(s, 1)


def start(s, n):
    d = s.node[n].dir
    s.processes.spawn("keepalived%d" % n, "node%d" % n, "keepalived", "-n", "-l", "-G", "-f", d + "/keepalived.conf", "-p",
                      d + "/k.pid", "-r", d + "/kv.pid", "-c", d + "/kc.pid")


def vrrp_pid(s, n):
    with open(s.node[n].dir + "/kv.pid") as f:
        return int(f.read())


def master_dies(s):
    n = s.primary()
    before = s.node[1 - n].takeovers()
    s.die(n)
    s.processes.end("keepalived%d" % n, signal.SIGKILL)
    s.say("node%d dies, its keepalived too" % n)
    s.await_takeover(1 - n, before)
    s.pause(2)
    s.net.quieten("node%d" % n, False)
    s.net.set_links("node%d" % n, "up")
    start(s, n)
    s.node[n].start()
    s.await_session()
    s.mend("node%d returns" % n, n)
    s.say("node%d is back" % n)
    s.await_settled()
    s.require("who was master stays (nopreempt)", s.primary() == 1 - n)


def master_is_stopped(s):
    n = s.primary()
    pid = vrrp_pid(s, n)
    os.kill(pid, signal.SIGSTOP)
    s.fault("keepalived of node%d is stopped" % n, n)
    s.wait("the other one to be master too", s.node[1 - n].is_primary)
    s.wait("it to be said", lambda: s.node[n].ask("cluster")["redundancyGroups"][0]["conflict"])
    s.say("both are master, as far as their keepaliveds say; the session is up, nothing is taken over")
    s.await_records()
    os.kill(pid, signal.SIGCONT)
    s.mend("keepalived of node%d goes on" % n, n)
    s.wait("one of them to be master", lambda: not s.node[n].ask("cluster")["redundancyGroups"][0]["conflict"])
    s.say("node%d is primary" % s.primary())


def master_ends(s):
    n = s.primary()
    begin = time.monotonic()
    s.processes.end("keepalived%d" % n)
    s.fault("keepalived of node%d is ended" % n, n)
    s.wait("the other node to be primary", lambda: s.node[n].primary() == 1 - n and s.node[1 - n].is_primary())
    s.say("node%d is primary after %.0f ms" % (1 - n, 1000 * (time.monotonic() - begin)))
    s.require("the first one is disabled", s.node[n].ask("cluster")["redundancyGroups"][0]["state"] == "disabled")
    start(s, n)
    s.mend("keepalived of node%d returns" % n, n)
    s.wait("it to be a backup", lambda: s.node[n].ask("cluster")["redundancyGroups"][0]["state"] == "secondary")


def story(s):
    s.pause(2)
    for _ in range(2):
        master_dies(s)
        s.await_records()
        master_is_stopped(s)
        s.await_records()
        master_ends(s)
        s.await_records()
    for n in (0, 1):
        s.processes.end("keepalived%d" % n)
