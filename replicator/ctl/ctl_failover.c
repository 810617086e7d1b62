/* Planned switchover of a redundancy group, and its end. */
#include "ctl.h"

#include <string.h>
#include <time.h>

enum { LOOKS = 150, LOOK_MS = 20 };

static long long primary_of(const struct ctl *c, const char *group)
{
    long long primary = -1;
    const json_t *g;
    json_t *o;
    size_t i;

    if (ctl_ask(c, "cluster", 0, NULL, &o) != CTL_DONE)
        return -2;
    json_array_foreach(json_object_get(o, "redundancyGroups"), i, g)
    {
        char id[32];

        snprintf(id, sizeof(id), "%lld", ctl_num(g, "id"));
        if (strcmp(id, group) == 0)
            primary = ctl_num(g, "primary");
    }
    json_decref(o);
    return primary;
}

/* The command is accepted at once; it is done when the other node is primary. */
static int wait_until_done(const struct ctl *c, const char *group, long long before)
{
    static const struct timespec look = {.tv_nsec = LOOK_MS * 1000000};

    for (int i = 0; i < LOOKS; i++) {
        long long now = primary_of(c, group);

        if (now >= 0 && now != before) {
            if (c->json)
                printf("{\"done\":true,\"redundancyGroup\":%s,\"primary\":%lld}\n", group, now);
            else
                printf("redundancy group %s: node %lld is primary\n", group, now);
            return CTL_DONE;
        }
        if (now == -2)
            return CTL_NO_DAEMON;
        nanosleep(&look, NULL);
    }
    fprintf(stderr, "evrepctl: failover: the other node did not become primary in time; see "
                    "`evrepctl cluster`\n");
    return CTL_BAD_NEWS;
}

int ctl_failover(const struct ctl *c, int argc, char **argv)
{
    bool reset = argc == 2 && strcmp(argv[1], "reset") == 0;
    bool to = argc == 3 && strcmp(argv[1], "--to") == 0;
    long long before;
    json_t *o;
    int rc;

    if (argc != 1 && !reset && !to) {
        fputs("usage: evrepctl failover RG [--to NODE]\n       evrepctl failover RG reset\n",
              stderr);
        return CTL_USAGE;
    }
    if (reset)
        return ctl_do(c, "failover", argc, argv, "the manual failover is over");
    before = primary_of(c, argv[0]);
    if (before == -2)
        return CTL_NO_DAEMON;
    rc = ctl_ask(c, "failover", argc, argv, &o);
    if (rc != CTL_DONE)
        return rc;
    json_decref(o);
    return wait_until_done(c, argv[0], before);
}
