/* What of the daemon's shell two of its parts need, stood in for: no clock and no log.  Included
 * once, by a test that includes the part itself. */
#ifndef EVREP_TEST_SHELL_DOUBLE_H
#define EVREP_TEST_SHELL_DOUBLE_H

#include "shell.h"

uint64_t shell_now_ns(void)
{
    return 1000 * SECOND_NS;
}

uint64_t shell_time_ns(void)
{
    return shell_now_ns();
}

uint64_t shell_more(uint64_t count, struct shell_said *said)
{
    (void)count;
    (void)said;
    return 0;
}

void shell_input(struct shell *s, struct core_input *in)
{
    in->now_ns = shell_now_ns();
    core_step(s->core, in);
}

#endif
