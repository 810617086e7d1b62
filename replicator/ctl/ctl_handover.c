/* Gives what this node has not delivered to the peer, at an exact position, and waits for it. */
#include "ctl.h"

#include <string.h>
#include <time.h>

enum { LOOKS = 500, LOOK_MS = 20 };

static int end(const struct ctl *c, const json_t *o)
{
    long long stayed = ctl_num(o, "stayed");

    if (c->json)
        ctl_print_json(o);
    else if (stayed == 0)
        puts("handed over: what was not delivered here is the peer's, and nothing is in doubt");
    else
        printf("handed over, but %lld records that a sink did not confirm in time stay here\n",
               stayed);
    return stayed == 0 ? CTL_DONE : CTL_BAD_NEWS;
}

int ctl_handover(const struct ctl *c, int argc, char **argv)
{
    static const struct timespec look = {.tv_nsec = LOOK_MS * 1000000};
    char *status[] = {"status"};
    json_t *o;
    int rc;

    (void)argv;
    if (argc != 0) {
        fputs("usage: evrepctl [--json] handover\n", stderr);
        return CTL_USAGE;
    }
    rc = ctl_ask(c, "handover", 0, NULL, &o);
    for (int i = 0; rc == CTL_DONE && i < LOOKS; i++) {
        if (strcmp(ctl_str(o, "state"), "done") == 0) {
            rc = end(c, o);
            json_decref(o);
            return rc;
        }
        json_decref(o);
        nanosleep(&look, NULL);
        rc = ctl_ask(c, "handover", 1, status, &o);
    }
    if (rc != CTL_DONE)
        return rc;
    json_decref(o);
    fputs("evrepctl: handover: not done in time; it goes on: see `evrepctl cluster`\n", stderr);
    return CTL_BAD_NEWS;
}
