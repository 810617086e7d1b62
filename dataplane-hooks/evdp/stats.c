#include "stats.h"
#include "json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_page(const char *ring, int flags)
{
    char name[128];

    snprintf(name, sizeof(name), "/%s.stats", ring);
    return shm_open(name, flags | O_CLOEXEC, 0600);
}

int stats_open(const char *ring, char *err, size_t err_size)
{
    int fd = open_page(ring, O_RDWR | O_CREAT);
    struct stat st;

    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 &&
        st.st_uid == geteuid())
        return fd;
    if (fd >= 0 && errno == EWOULDBLOCK)
        snprintf(err, err_size,
                 "ring %s: another evdp runs on it: end it, or use a ring of its own", ring);
    else
        snprintf(err, err_size, "/dev/shm/%s.stats: %s; remove it", ring,
                 fd >= 0 ? "is another user's" : strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Terms last: as many as there are. */
static size_t used_size(const struct stats *s)
{
    return offsetof(struct stats, term) + s->term_count * sizeof(s->term[0]);
}

void stats_write(int fd, const struct stats *s)
{
    ssize_t n = pwrite(fd, s, used_size(s), 0);

    (void)n; /* Nobody reads half of it: the next write is due in half a second. */
}

bool stats_look(const char *ring, struct stats *out)
{
    int fd = open_page(ring, O_RDONLY);
    ssize_t n = fd >= 0 ? pread(fd, out, sizeof(*out), 0) : -1;

    if (fd >= 0)
        close(fd);
    return n >= (ssize_t)offsetof(struct stats, term) && out->magic == STATS_MAGIC &&
           out->version == STATS_VERSION && out->port_count <= PORTS_MAX &&
           out->term_count <= TERMS_MAX && out->queues <= QUEUES_MAX && (size_t)n >= used_size(out);
}

/* ---- JSON ---- */

static void put(FILE *to, const char *key, uint64_t value, const char *after)
{
    fprintf(to, "\"%s\":%" PRIu64 "%s", key, value, after);
}

static void put_port(FILE *to, const struct stats_port *p)
{
    static const char *const fates[FATES] = {
        "forwarded", "local", "screened",   "filtered", "denied",      "rejected", "malformed",
        "fragment",  "other", "no_session", "no_room",  "no_nat_port", "inactive"};
    uint64_t dropped = 0;

    fputc('{', to);
    json_name(to, "name", p->name, sizeof(p->name));
    fprintf(to, "\"mode\":\"%s\",", p->native ? "native" : "generic");
    put(to, "received", p->received, ",");
    for (int i = 0; i < FATES; i++) {
        put(to, fates[i], p->fate[i], ",");
        dropped += i != FATE_FORWARDED && i != FATE_LOCAL ? p->fate[i] : 0;
    }
    put(to, "dropped", dropped, ",");
    put(to, "sent", p->sent, ",");
    put(to, "tx_full", p->tx_full, ",");
    put(to, "rx_dropped", p->kernel.rx_dropped, ",");
    put(to, "rx_ring_full", p->kernel.rx_ring_full, ",");
    put(to, "fill_ring_empty", p->kernel.fill_ring_empty, ",");
    put(to, "invalid_descriptors", p->kernel.invalid, "}");
}

static void put_kinds(FILE *to, const struct evhooks_counters *c)
{
    static const char *const kinds[] = {NULL,          "session_open", "session_close",
                                        "policy_deny", "screen_drop",  "alg_request",
                                        "filter_log"};

    for (int k = 1; k <= 6; k++) {
        fprintf(to, "\"%s\":{", kinds[k]);
        put(to, "decided", c->decided[k], ",");
        put(to, "not_owner", c->not_owner[k], ",");
        put(to, "rate_limited", c->rate_limited[k], ",");
        put(to, "capped", c->capped[k], ",");
        put(to, "ring_full", c->ring_full[k], ",");
        put(to, "tagged", c->tagged[k], k < 6 ? "}," : "}");
    }
}

static void put_dataplane(FILE *to, const struct stats *s)
{
    fputs(",\"dataplane\":{", to);
    put(to, "pid", s->pid, ",");
    put(to, "reloads", s->reloads, ",");
    put(to, "sessions", s->sessions, ",");
    put(to, "hosts_forgotten", s->hosts_forgotten, ",");
    put(to, "session_capacity", s->session_capacity, ",\"received_by_queue\":[");
    for (uint32_t i = 0; i < s->queues; i++)
        fprintf(to, "%s%" PRIu64, i > 0 ? "," : "", s->received_by_queue[i]);
    fputs("],\"interfaces\":[", to);
    for (uint32_t i = 0; i < s->port_count; i++) {
        fputs(i > 0 ? "," : "", to);
        put_port(to, &s->port[i]);
    }
    fputs("],\"terms\":[", to);
    for (uint32_t i = 0; i < s->term_count; i++) {
        fputs(i > 0 ? ",{" : "{", to);
        json_name(to, "filter", s->term[i].filter, RULE_NAME_MAX);
        json_name(to, "term", s->term[i].name, RULE_NAME_MAX);
        put(to, "packets", s->term[i].packets, ",");
        put(to, "bytes", s->term[i].bytes, "}");
    }
    fputs("]}", to);
}

void stats_print(FILE *to, const struct evhooks_counters *c, const struct stats *s)
{
    put_kinds(to, c);
    if (s != NULL)
        put_dataplane(to, s);
    fputs("}\n", to);
}
