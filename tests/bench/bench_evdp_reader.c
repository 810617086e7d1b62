/* links: evhooks */
/* bench_evdp_reader RING: stands in for evrepd at evdp's ring: keeps group 1
 * active and takes every record.  At SIGTERM it prints how many of each kind it
 * took, and whether sequences had a hole. */
#include "evhooks.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static uint64_t taken[EVHOOKS_KIND_MAX], holes;
static uint32_t expected = 2;

static size_t drain(struct evhooks_ring *r)
{
    static struct evhooks_record record[256];
    size_t n = evhooks_read(r, record, 256);

    for (size_t i = 0; i < n; i++) {
        holes += record[i].sequence != expected;
        expected = record[i].sequence + 1;
        taken[record[i].kind % EVHOOKS_KIND_MAX]++;
    }
    evhooks_release(r);
    return n;
}

int main(int argc, char **argv)
{
    struct evhooks_options o;
    struct evhooks_ring *r;
    uint32_t previous, last;
    char err[256];

    if (argc != 2) {
        fputs("usage: bench_evdp_reader RING\n", stderr);
        return 2;
    }
    evhooks_defaults(&o);
    if (evhooks_open(&r, argv[1], &o, err, sizeof(err)) != 0) {
        fprintf(stderr, "%s\n", err);
        return 1;
    }
    if (evhooks_reader_open(r) != 0 || evhooks_epoch_open(r, 2, &previous, &last) != 0) {
        fputs("the ring cannot be read\n", stderr);
        return 1;
    }
    signal(SIGTERM, on_signal);
    evhooks_activate(r, 1, true);
    puts("ready");
    fflush(stdout);
    while (!stopping) {
        evhooks_active_until(r, now_ns() + 1000000000ull);
        if (drain(r) == 0)
            usleep(1000);
    }
    while (drain(r) > 0)
        ;
    printf("{\"session_open\":%lu,\"session_close\":%lu,\"policy_deny\":%lu,"
           "\"holes\":%lu}\n",
           (unsigned long)taken[1], (unsigned long)taken[2], (unsigned long)taken[3],
           (unsigned long)holes);
    return 0;
}
