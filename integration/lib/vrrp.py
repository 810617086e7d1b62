"""A real keepalived on each node that decides who is primary, and tells evrepd by `evrepctl notify`."""
import os

CONFIG = """global_defs {{
  script_user root
  vrrp_version 3
}}
vrrp_instance pair {{
  interface log
  state BACKUP
  nopreempt
  virtual_router_id 51
  priority {priority}
  advert_int 0.1
  unicast_src_ip 10.97.0.{me}
  unicast_peer {{ 10.97.0.{other} }}
  virtual_ipaddress {{ 10.97.0.200/24 dev log }}
  notify "{script}"
  notify_stop "{script} INSTANCE pair STOP 0"
}}
"""

# keepalived does not wait for its scripts, and ends them when it stops: so this one goes on by itself.  The newest
# state counts, and it is told until evrepd is there to hear it.
SCRIPT = """#!/bin/sh
[ "$DETACHED" ] || DETACHED=1 exec setsid -f "$0" "$@"
echo "$3" > {dir}/vrrp.state.$$ && mv {dir}/vrrp.state.$$ {dir}/vrrp.state
while [ -d {dir} ]; do
  case "$(cat {dir}/vrrp.state)" in MASTER) word=primary ;; FAULT) word=fault ;; *) word=backup ;; esac
  {ctl} -s {dir}/evrep.sock notify 1 $word >> {dir}/notify.log 2>&1
  [ $? -eq 3 ] || exit
  sleep 0.1
done
"""


def manage(stage, node):
    """keepalived runs on that node from its next start on."""
    script, config = os.path.join(node.dir, "notify"), os.path.join(node.dir, "keepalived.conf")
    with open(script, "w") as f:
        f.write(SCRIPT.format(dir=node.dir, ctl=stage.program("evrepctl")))
    os.chmod(script, 0o700)
    with open(config, "w") as f:
        f.write(CONFIG.format(priority=200 - 100 * node.n, me=node.n + 1, other=2 - node.n, script=script))
    node.companions["keepalived"] = ["keepalived", "-n", "-l", "-P", "-f", config] + [
        x for flag in "prc" for x in ("-" + flag, os.path.join(node.dir, "keepalived-%s.pid" % flag))]
