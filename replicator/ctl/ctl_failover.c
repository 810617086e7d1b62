/* Planned switchover of a redundancy group, and its end. */
#include "ctl.h"

#include <string.h>

int ctl_failover(const struct ctl *c, int argc, char **argv)
{
    bool reset = argc == 2 && strcmp(argv[1], "reset") == 0;
    bool to = argc == 3 && strcmp(argv[1], "--to") == 0;

    if (argc != 1 && !reset && !to) {
        fputs("usage: evrepctl failover RG [--to NODE]\n       evrepctl failover RG reset\n",
              stderr);
        return CTL_USAGE;
    }
    return ctl_do(c, "failover", argc, argv, "done");
}
