/* A dataplane's use of libevhooks, written from evhooks.h alone; C and C++.  usage: example RING */
#include <evhooks.h>

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static uint64_t clock_of(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
    struct evhooks_flow flow = {2 /* IPv4 */,  6 /* TCP */,  0 /* deny */, 40000, 23, 1, 2, 1,
                                {10, 0, 0, 1}, {10, 0, 0, 2}};
    struct evhooks_at at = {1, 0, clock_of(CLOCK_MONOTONIC), clock_of(CLOCK_REALTIME)};
    struct evhooks_worker *worker; /* One for each thread. */
    struct evhooks_options o;
    struct evhooks_counters c;
    struct evhooks_ring *ring;
    char err[256] = "usage: example RING";

    evhooks_defaults(&o);
    if (argc != 2 || evhooks_open(&ring, argv[1], &o, err, sizeof err) != 0 ||
        evhooks_worker_open(&worker, ring, err, sizeof err) != 0) {
        fprintf(stderr, "%s\n", err);
        return 1;
    }
    evhooks_policy_deny(worker, &at, &flow, 256, 1);
    evhooks_counters(ring, &c);
    printf("decided %" PRIu64 ", not_owner %" PRIu64 "\n", c.decided[EVHOOKS_POLICY_DENY],
           c.not_owner[EVHOOKS_POLICY_DENY]);
    evhooks_worker_close(worker);
    evhooks_close(ring);
    return 0;
}
