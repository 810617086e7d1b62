/* A dataplane's use of libevhooks, written from evhooks.h alone; C and C++.  usage: example RING */
#include <evhooks.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t clock_of(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
    struct evhooks_options o;
    struct evhooks_counters c;
    struct evhooks_flow flow;
    struct evhooks_at at;
    struct evhooks_ring *ring;
    struct evhooks_worker *worker; /* One for each thread. */
    char err[256];

    evhooks_defaults(&o);
    if (argc != 2 || evhooks_open(&ring, argv[1], &o, err, sizeof err) != 0 ||
        evhooks_worker_open(&worker, ring, err, sizeof err) != 0) {
        fprintf(stderr, "%s\n", argc != 2 ? "usage: example RING" : err);
        return 1;
    }
    memset(&flow, 0, sizeof flow);
    flow.family = 2;
    flow.protocol = 6;
    flow.source[0] = 10;
    flow.destination_port = 23;
    flow.zone_in = 1;
    flow.zone_out = 2;
    at.group = 1;
    at.names_generation = 0;
    at.now_ns = clock_of(CLOCK_MONOTONIC);
    at.time_ns = clock_of(CLOCK_REALTIME);
    evhooks_policy_deny(worker, &at, &flow, 256, 1);
    evhooks_counters(ring, &c);
    printf("decided %" PRIu64 ", not_owner %" PRIu64 "\n", c.decided[EVHOOKS_POLICY_DENY],
           c.not_owner[EVHOOKS_POLICY_DENY]);
    evhooks_worker_close(worker);
    evhooks_close(ring);
    return 0;
}
