#include "ctl.h"
#include "key.h"

#include <sodium.h>
#include <stdio.h>

int ctl_keygen(const struct ctl *c, int argc, char **argv)
{
    char err[512];

    (void)c;
    if (argc != 1) {
        fputs("usage: evrepctl keygen FILE\n", stderr);
        return CTL_USAGE;
    }
    if (sodium_init() < 0 || key_generate(argv[0], err, sizeof(err)) != 0) {
        fprintf(stderr, "evrepctl: %s\n", err);
        return CTL_BAD_NEWS;
    }
    return CTL_DONE;
}
