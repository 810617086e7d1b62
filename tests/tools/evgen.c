/* links: evhooks */
/* Events into a ring without packets, for tests of the cluster:
 *     evgen RING NODE GROUP RATE     until SIGTERM; then what became of each, as one line of JSON.
 */
#include "evhooks.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUND_MS = 2 };

static volatile sig_atomic_t ended;

static void on_end(int number)
{
    (void)number;
    ended = 1;
}

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void make_event(uint8_t *event, uint64_t n)
{
    static const uint8_t kinds[] = {3, 4, 6};

    memset(event, 0, EVHOOKS_EVENT_SIZE);
    memcpy(event + 8, (uint8_t[]){10, 50, 0, 1}, 4);
    memcpy(event + 24, (uint8_t[]){10, 50, 0, 2}, 4);
    memcpy(event + 40, &n, 2);
    event[43] = 80;
    event[48] = 1;
    event[52] = kinds[n % 3];
    event[53] = 17;
    event[55] = 2;
}

int main(int argc, char **argv)
{
    static const struct timespec round = {.tv_nsec = ROUND_MS * 1000000};
    struct evhooks_options o;
    struct evhooks_ring *r;
    struct evhooks_worker *w;
    uint64_t outcome[6] = {0}, n = 0, begin = clock_ns(CLOCK_MONOTONIC);
    uint8_t event[EVHOOKS_EVENT_SIZE];
    char err[256];

    if (argc != 5) {
        fputs("usage: evgen RING NODE GROUP RATE\n", stderr);
        return 2;
    }
    signal(SIGTERM, on_end);
    signal(SIGINT, on_end);
    evhooks_defaults(&o);
    o.node = (uint8_t)atoi(argv[2]);
    o.rate_per_s = 0;
    if (evhooks_open(&r, argv[1], &o, err, sizeof(err)) != 0 ||
        evhooks_worker_open(&w, r, err, sizeof(err)) != 0) {
        fprintf(stderr, "evgen: %s\n", err);
        return 1;
    }
    while (!ended) {
        uint64_t now = clock_ns(CLOCK_MONOTONIC);
        uint64_t due = (uint64_t)((double)(now - begin) / 1e9 * atof(argv[4]));

        for (; n < due; n++) {
            make_event(event, n);
            outcome[evhooks_emit(w, (unsigned)atoi(argv[3]), now, clock_ns(CLOCK_REALTIME), 0,
                                 event)]++;
        }
        nanosleep(&round, NULL);
    }
    printf("{\"tagged\":%llu,\"not_owner\":%llu,\"refused\":%llu}\n",
           (unsigned long long)outcome[0], (unsigned long long)outcome[1],
           (unsigned long long)(outcome[2] + outcome[3] + outcome[4] + outcome[5]));
    return 0;
}
