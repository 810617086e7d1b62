/* Planned switchover of a redundancy group, and its end. */
#include "ctl.h"
#include "control.h"

#include <string.h>
#include <time.h>

enum { LOOKS = 150, LOOK_MS = 20 };

/* -1: nobody, or there is no such group; -2: no answer. */
static long long primary_of(const struct ctl *c, unsigned group)
{
    long long primary = -1;
    const json_t *g;
    json_t *o;
    size_t i;

    if (ctl_ask(c, "cluster", 0, NULL, &o) != CTL_DONE)
        return -2;
    json_array_foreach(json_object_get(o, "redundancyGroups"), i, g)
    {
        if (ctl_num(g, "id") == group)
            primary = ctl_num(g, "primary");
    }
    json_decref(o);
    return primary;
}

static int say_done(const struct ctl *c, unsigned group, long long primary)
{
    if (c->json)
        printf("{\"done\":true,\"redundancyGroup\":%u,\"primary\":%lld}\n", group, primary);
    else
        printf("redundancy group %u: node %lld is primary\n", group, primary);
    return CTL_DONE;
}

static int say_late(unsigned group, long long primary)
{
    char who[32] = "no node is";

    if (primary >= 0)
        snprintf(who, sizeof(who), "node %lld is", primary);
    fprintf(stderr,
            "evrepctl: failover: redundancy group %u: the role did not move in time, or somebody "
            "moved it back; %s primary now; see `evrepctl cluster`\n",
            group, who);
    return CTL_BAD_NEWS;
}

/* The command is accepted at once; it is done when the other node is primary. */
static int wait_until_done(const struct ctl *c, unsigned group, long long before)
{
    static const struct timespec look = {.tv_nsec = LOOK_MS * 1000000};
    long long now = -1;

    for (int i = 0; i < LOOKS; i++) {
        now = primary_of(c, group);
        if (now >= 0 && now != before)
            return say_done(c, group, now);
        if (now == -2)
            return CTL_NO_DAEMON;
        nanosleep(&look, NULL);
    }
    return say_late(group, now);
}

static bool is_good(int argc, char **argv, unsigned *group)
{
    unsigned node;

    if (argc < 1 || !control_number(argv[0], 127, group))
        return false;
    return argc == 1 || (argc == 2 && strcmp(argv[1], "reset") == 0) ||
           (argc == 3 && strcmp(argv[1], "--to") == 0 && control_number(argv[2], 1, &node));
}

int ctl_failover(const struct ctl *c, int argc, char **argv)
{
    long long before;
    unsigned group;
    json_t *o;
    int rc;

    if (!is_good(argc, argv, &group)) {
        fputs("usage: evrepctl failover RG [--to NODE], RG 0 to 127, NODE 0 or 1\n"
              "       evrepctl failover RG reset\n",
              stderr);
        return CTL_USAGE;
    }
    if (argc == 2)
        return ctl_do(c, "failover", argc, argv, "the manual failover is over");
    before = primary_of(c, group);
    if (before == -2)
        return CTL_NO_DAEMON;
    rc = ctl_ask(c, "failover", argc, argv, &o);
    if (rc != CTL_DONE)
        return rc;
    json_decref(o);
    return wait_until_done(c, group, before);
}
