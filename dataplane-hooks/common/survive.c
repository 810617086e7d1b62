#include "survive.h"

#include <signal.h>

static struct evhooks_ring *const *watched;

static void on_bus(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (watched == NULL || *watched == NULL || !evhooks_cut_off(*watched, info->si_addr))
        signal(number, SIG_DFL); /* The instruction is tried again, and ends the process. */
}

void survive_cut_off(struct evhooks_ring *const *ring)
{
    struct sigaction a = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};

    watched = ring;
    sigaction(SIGBUS, &a, NULL);
}
