/* What an operator, or an outer manager, can do to a node. */
#include "shell.h"
#include "control.h"

#include <string.h>

static json_t *do_peer(struct shell *s, struct control_client *c, const struct control_request *r)
{
    (void)c;
    if (r->argc != 1 || strcmp(r->argv[0], "fenced") != 0)
        return control_error("what of the peer? `peer fenced` says that it is dead and stays so");
    if (!s->config->has_peer)
        return control_error("this node has no peer");
    if (s->core->session != SESSION_DOWN || s->cluster->alive)
        return control_error("the peer is heard: it is not dead");
    shell_log("the operator says that the peer is dead and stays so");
    members_fenced(s);
    return control_done();
}

static json_t *steer(struct shell *s, struct cluster_input *in)
{
    const char *refused = members_step(s, in);

    shell_flush(s);
    return refused != NULL ? control_error("redundancy group %u: %s", in->group, refused)
                           : control_done();
}

/* failover RG [--to NODE] | RG reset */
static json_t *do_failover(struct shell *s, struct control_client *c,
                           const struct control_request *r)
{
    struct cluster_input in = {.kind = CLUSTER_FAILOVER, .node = -1};
    unsigned node;

    (void)c;
    if (r->argc < 1 || !control_number(r->argv[0], 127, &in.group))
        return control_error("which redundancy group? failover RG [--to NODE], failover RG reset");
    if (r->argc == 2 && strcmp(r->argv[1], "reset") == 0) {
        in.kind = CLUSTER_RESET;
        return steer(s, &in);
    }
    if (r->argc == 1)
        return steer(s, &in);
    if (r->argc != 3 || strcmp(r->argv[1], "--to") != 0 || !control_number(r->argv[2], 1, &node))
        return control_error("failover RG [--to NODE], NODE 0 or 1; failover RG reset");
    in.node = (int)node;
    return steer(s, &in);
}

/* notify RG primary|backup|fault */
static json_t *do_notify(struct shell *s, struct control_client *c, const struct control_request *r)
{
    const char *refused = NULL;
    unsigned group;

    (void)c;
    if (r->argc != 2 || !control_number(r->argv[0], 127, &group) ||
        members_notify(s, group, r->argv[1], &refused) != 0)
        return control_error("notify RG primary|backup|fault");
    shell_flush(s);
    return refused != NULL ? control_error("redundancy group %u: %s", group, refused)
                           : control_done();
}

/* handover: starts it; handover status: how it goes */
static json_t *do_handover(struct shell *s, struct control_client *c,
                           const struct control_request *r)
{
    struct core_input in = {.kind = CORE_HANDOVER, .sink = SINK_ALL};

    (void)c;
    if (r->argc > 1 || (r->argc == 1 && strcmp(r->argv[0], "status") != 0))
        return control_error("handover; handover status");
    if (r->argc == 0) {
        shell_log("the operator hands what is not delivered to the peer");
        shell_input(s, &in);
        shell_flush(s);
    }
    if (s->core->handover.state == HANDOVER_REFUSED)
        return control_error("%s", s->core->handover.why);
    return status_handover(s);
}

const struct control_command control_commands[] = {
    {"watermark", status_watermark},
    {"cluster", status_cluster},
    {"counters", status_counters},
    {"sinks", sinks_command},
    {"peer", do_peer},
    {"failover", do_failover},
    {"notify", do_notify},
    {"tail", tail_open},
    {"handover", do_handover},
    {NULL, NULL},
};
