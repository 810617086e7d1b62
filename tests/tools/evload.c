/* links: evhooks replicator_core */
/* Events for tests and benchmarks: a writer of a ring, as a dataplane is.  Makes the ring, without
 * a limiter, unless it is there. evload RING NODE SEED [COUNT [RATE [KINDS [TABLES]]]] COUNT 0:
 * until SIGTERM.  RATE 0: as fast as the reader makes room.  KINDS: of d deny, s screen, f filter
 * log, o and c session open and close; default dsf.  TABLES: a file of name tables, put beside the
 * ring as it is.  Waits while the ring refuses (no reader, not active, full).  At the end:
 * {"tagged": N, "first": ns, "last": ns} of CLOCK_REALTIME. */
#include "bytes.h"
#include "contract.h"
#include "evhooks.h"
#include "names.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { GROUP = 1, PACE_NS = 500000 };

static char tables[NAMES_BLOB_MAX] =
    "z 1 trust\nz 2 untrust\np 7 block-games\np 8 web\np 9 default-deny\n"
    "i 3 ge-0/0/0.0\ni 4 ge-0/0/1.0\na 5 junos-https\nf 1 audit\n";
static volatile sig_atomic_t stopping;
static uint64_t state;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static uint64_t clock_now(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static uint32_t draw(void) /* xorshift64* */
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 2685821657736338717ull) >> 32);
}

static void put_be16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static uint8_t type_of(char kind)
{
    return kind == 's'   ? RECORD_SCREEN_DROP
           : kind == 'f' ? RECORD_FILTER_LOG
           : kind == 'o' ? RECORD_SESSION_OPEN
           : kind == 'c' ? RECORD_SESSION_CLOSE
                         : RECORD_POLICY_DENY;
}

static void make_event(char kind, uint64_t time_ns, uint8_t e[EVHOOKS_EVENT_SIZE])
{
    uint32_t r = draw();

    memset(e, 0, EVHOOKS_EVENT_SIZE);
    put_le64(e + EVENT_TIME, time_ns);
    e[EVENT_SOURCE] = e[EVENT_DESTINATION] = 10;
    memcpy(e + EVENT_SOURCE + 1, &r, 3);
    put_be16(e + EVENT_DESTINATION + 2, draw());
    put_be16(e + EVENT_SOURCE_PORT, draw());
    put_be16(e + EVENT_DESTINATION_PORT, 443);
    put_le32(e + EVENT_POLICY, 7 + r % 3);
    put_le16(e + EVENT_ZONE_IN, 1);
    put_le16(e + EVENT_ZONE_OUT, 2);
    e[EVENT_TYPE] = type_of(kind);
    e[EVENT_PROTOCOL] = r & 1 ? 6 : 17;
    e[EVENT_ACTION] = 1;
    e[EVENT_FAMILY] = 4;
    put_le32(e + EVENT_RULE, kind == 's' ? 1u << r % 12 : 1);
    put_le32(e + EVENT_IFINDEX, 3);
    put_le16(e + EVENT_APPLICATION, 5);
}

static uint32_t publish_names(const char *ring, const char *path)
{
    FILE *from = path != NULL ? fopen(path, "r") : NULL;
    size_t len = from != NULL ? fread(tables, 1, sizeof(tables), from) : strlen(tables);
    uint32_t generation = names_generation((const uint8_t *)tables, len);
    char name[128];
    int fd;

    if (from != NULL)
        fclose(from);
    snprintf(name, sizeof(name), "/%s.names.%08x", ring, generation);
    fd = shm_open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, tables, len) < 0)
        generation = 0;
    if (fd >= 0)
        close(fd);
    return generation;
}

static struct evhooks_ring *open_ring(const char *name, uint8_t node)
{
    struct evhooks_options o;
    struct evhooks_ring *ring;
    char err[256] = "";

    evhooks_defaults(&o);
    o.node = node;
    o.rate_per_s = 0;
    o.cap_kind = o.cap_telemetry = o.slots;
    if (evhooks_open(&ring, name, &o, err, sizeof(err)) == 0)
        return ring;
    fprintf(stderr, "evload: %s\n", err);
    exit(1);
}

/* Not more than the rate allows by now. */
static void keep_pace(uint64_t begin, uint64_t done, uint64_t rate)
{
    uint64_t due = rate != 0 ? begin + done * 1000000000ull / rate : 0;
    struct timespec t = {due / 1000000000ull, due % 1000000000ull};

    if (due > clock_now(CLOCK_MONOTONIC) + PACE_NS)
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

int main(int argc, char **argv)
{
    uint64_t count = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
    uint64_t rate = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;
    const char *kinds = argc > 6 ? argv[6] : "dsf";
    struct timespec pause = {.tv_nsec = 200000};
    uint64_t tagged = 0, first = 0, last = 0, begin;
    struct evhooks_ring *ring;
    struct evhooks_worker *worker;
    char err[256] = "";
    uint32_t names;

    if (argc < 3) {
        fputs("usage: evload RING NODE [SEED [COUNT [RATE [KINDS [TABLES]]]]]\n", stderr);
        return 2;
    }
    ring = open_ring(argv[1], (uint8_t)atoi(argv[2]));
    if (argc == 3)
        return 0;
    state = strtoull(argv[3], NULL, 10) * 2654435761u + 88172645463325252ull;
    if (evhooks_worker_open(&worker, ring, err, sizeof(err)) != 0) {
        fprintf(stderr, "evload: %s\n", err);
        return 1;
    }
    names = publish_names(argv[1], argc > 7 ? argv[7] : NULL);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    begin = clock_now(CLOCK_MONOTONIC);
    while (!stopping && (count == 0 || tagged < count)) {
        uint8_t event[EVHOOKS_EVENT_SIZE];

        last = clock_now(CLOCK_REALTIME);
        make_event(kinds[tagged % strlen(kinds)], last, event);
        while (!stopping && evhooks_emit(worker, GROUP, clock_now(CLOCK_MONOTONIC), last, names,
                                         event) != EVHOOKS_OK)
            nanosleep(&pause, NULL);
        if (first == 0) { /* From when the reader lets us. */
            first = clock_now(CLOCK_REALTIME);
            begin = clock_now(CLOCK_MONOTONIC);
        }
        tagged += !stopping;
        keep_pace(begin, tagged, rate);
    }
    printf("{\"tagged\": %llu, \"first\": %llu, \"last\": %llu}\n", (unsigned long long)tagged,
           (unsigned long long)first, (unsigned long long)last);
    evhooks_close(ring);
    return 0;
}
