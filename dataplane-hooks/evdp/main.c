/* evdp: a virtual-wire firewall on AF_XDP whose decisions become events. */
#include "config.h"
#include "decide.h"
#include "evhooks.h"
#include "xsk.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct evdp {
    struct evdp_config config;
    struct sessions sessions;
    struct wire wire;
    struct evhooks_ring *ring;
    struct evhooks_worker *worker;
    uint32_t names;
    uint64_t received, forwarded, screened, refused, malformed;
};

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* ---- name tables beside the ring (contract section 9) ---- */

static size_t names_text(const struct evdp *d, char *out, size_t size)
{
    const struct rules *r = &d->config.rules;
    FILE *f = fmemopen(out, size, "w");
    long n;

    if (f == NULL)
        return 0;
    for (size_t i = 0; i < r->zone_count; i++)
        fprintf(f, "z %zu %s\n", i + 1, r->zone[i].name);
    fprintf(f, "p 0 default-deny\n");
    for (size_t i = 0; i < r->policy_count; i++)
        fprintf(f, "p %" PRIu32 " %s\n", r->policy[i].id, r->policy[i].name);
    for (size_t i = 0; i < r->term_count; i++) { /* Terms of a filter follow each other. */
        if (i == 0 || r->term[i].filter_id != r->term[i - 1].filter_id)
            fprintf(f, "f %" PRIu32 " %s\n", r->term[i].filter_id, r->term[i].filter);
    }
    for (size_t i = 0; i < 2; i++)
        fprintf(f, "i %u %s\n", d->wire.port[i].ifindex, d->wire.port[i].name);
    n = ftell(f);
    fclose(f);
    return n > 0 ? (size_t)n : 0;
}

/* The name of the object is made of its content, so that a record finds the tables of its decision.
 */
static uint32_t publish_names(const struct evdp *d)
{
    static char text[65536];
    size_t len = names_text(d, text, sizeof(text));
    uint32_t h = 2166136261u;
    char name[128];
    int fd;

    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)text[i]) * 16777619u;
    h = h != 0 ? h : 1;
    snprintf(name, sizeof(name), "/%s.names.%08" PRIx32, d->config.ring, h);
    fd = shm_open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, len) != (ssize_t)len)
        h = 0;
    if (fd >= 0)
        close(fd);
    return h;
}

/* ---- the loop ---- */

static void emit(struct evdp *d, const struct decision *v, uint64_t now_ns)
{
    uint64_t time_ns = v->event_count > 0 ? clock_ns(CLOCK_REALTIME) : 0;

    for (size_t i = 0; i < v->event_count; i++)
        evhooks_emit(d->worker, d->config.group, now_ns, time_ns, d->names, v->event[i]);
    d->screened += v->screened;
    d->refused += v->refused;
    d->malformed += v->malformed;
}

/* A node that is not active forwards nothing and decides nothing: its peer does (A1). */
static uint32_t work(struct evdp *d, int from)
{
    const struct evdp_config *c = &d->config;
    struct where at = {
        .zone_in = c->rules.end[from].zone,
        .zone_out = c->rules.end[1 - from].zone,
        .ifindex = d->wire.port[from].ifindex,
    };
    struct xdp_desc frame[BATCH];
    uint32_t n = wire_receive(&d->wire, from, frame);
    bool active = evhooks_active(d->ring, c->group);
    uint64_t now_ns = n > 0 ? clock_ns(CLOCK_MONOTONIC) : 0;

    for (uint32_t i = 0; i < n; i++) {
        struct decision v = {.verdict = VERDICT_DROP};

        if (active) {
            decide(&c->rules, &d->sessions, &at, d->wire.area + frame[i].addr, frame[i].len, now_ns,
                   &v);
            emit(d, &v, now_ns);
        }
        if (v.verdict == VERDICT_FORWARD) {
            wire_send(&d->wire, 1 - from, &frame[i]);
            d->forwarded++;
        } else {
            wire_free(&d->wire, frame[i].addr);
        }
    }
    d->received += n;
    return n;
}

static void run(struct evdp *d)
{
    struct pollfd fds[2];

    for (int i = 0; i < 2; i++)
        fds[i] = (struct pollfd){.fd = xsk_socket__fd(d->wire.port[i].socket), .events = POLLIN};
    while (!stopping) {
        uint32_t n = work(d, 0) + work(d, 1);

        wire_turn(&d->wire);
        if (n == 0)
            poll(fds, 2, 10);
    }
}

/* ---- start ---- */

static void usage(FILE *to)
{
    fputs("usage: evdp -c FILE [--check | --stats]\n", to);
}

static int open_ring(struct evdp *d, char *err, size_t err_size)
{
    struct evhooks_options o;

    evhooks_defaults(&o);
    o.node = d->config.node;
    o.rate_per_s = d->config.rate_per_s;
    return evhooks_open(&d->ring, d->config.ring, &o, err, err_size);
}

static void print_stats(struct evdp *d)
{
    static const char *const kinds[] = {NULL,          "session_open", "session_close",
                                        "policy_deny", "screen_drop",  "alg_request",
                                        "filter_log"};
    struct evhooks_counters c;
    uint32_t epoch, last;

    evhooks_counters(d->ring, &c);
    evhooks_produced(d->ring, &epoch, &last);
    printf("{\"ring\":{\"epoch\":%" PRIu32 ",\"last\":%" PRIu32 "},", epoch, last);
    for (int k = 1; k <= 6; k++)
        printf("%s\"%s\":{\"decided\":%" PRIu64 ",\"not_owner\":%" PRIu64
               ",\"rate_limited\":%" PRIu64 ",\"capped\":%" PRIu64 ",\"ring_full\":%" PRIu64
               ",\"tagged\":%" PRIu64 "}",
               k > 1 ? "," : "", kinds[k], c.decided[k], c.not_owner[k], c.rate_limited[k],
               c.capped[k], c.ring_full[k], c.tagged[k]);
    printf("}\n");
}

static int start(struct evdp *d, char *err, size_t err_size)
{
    struct sigaction sa = {.sa_handler = on_signal};

    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    if (evhooks_worker_open(&d->worker, d->ring, err, err_size) != 0 ||
        wire_open(&d->wire, &d->config, err, err_size) != 0)
        return -1;
    d->names = publish_names(d);
    fprintf(stderr, "evdp: wire %s (%s) - %s (%s), %zu policies, ring %s\n", d->config.wire[0].left,
            d->wire.port[0].native ? "native" : "generic", d->config.wire[0].right,
            d->wire.port[1].native ? "native" : "generic", d->config.rules.policy_count,
            d->config.ring);
    run(d);
    wire_close(&d->wire);
    fprintf(stderr,
            "evdp: received %" PRIu64 ", forwarded %" PRIu64 ", screened %" PRIu64
            ", refused %" PRIu64 ", malformed %" PRIu64 "\n",
            d->received, d->forwarded, d->screened, d->refused, d->malformed);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"check", no_argument, NULL, 'k'},
                                            {"stats", no_argument, NULL, 't'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    static struct evdp d;
    const char *path = NULL;
    char err[1024] = "out of memory", what = 'r';
    int opt;

    while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (opt == 'c')
            path = optarg;
        else if (opt == 'k' || opt == 't')
            what = (char)opt;
        else {
            usage(opt == 'h' ? stdout : stderr);
            return opt == 'h' ? 0 : 2;
        }
    }
    if (path == NULL || optind != argc) {
        usage(stderr);
        return 2;
    }
    if (evdp_config_load(&d.config, path, err, sizeof(err)) != 0) {
        fprintf(stderr, "evdp: %s\n", err);
        return 1;
    }
    if (what == 'k') {
        printf("%s: good\n", path);
        return 0;
    }
    if (open_ring(&d, err, sizeof(err)) != 0) {
        fprintf(stderr, "evdp: %s\n", err);
        return 1;
    }
    if (what == 't') {
        print_stats(&d);
        return 0;
    }
    if (start(&d, err, sizeof(err)) != 0) {
        fprintf(stderr, "evdp: %s\n", err);
        return 1;
    }
    return 0;
}
