/* The operator, or a fencing agent, about the peer. */
#include "ctl.h"

#include <string.h>

int ctl_peer(const struct ctl *c, int argc, char **argv)
{
    if (argc != 1 || strcmp(argv[0], "fenced") != 0) {
        fputs("usage: evrepctl peer fenced\n", stderr);
        return CTL_USAGE;
    }
    return ctl_do(c, "peer", argc, argv, "the peer counts as dead until it connects again");
}
