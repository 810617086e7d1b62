#include "stats.h"
#include "json.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_page(const char *ring, int flags)
{
    char name[128];

    snprintf(name, sizeof(name), "/%s.stats", ring);
    return shm_open(name, flags | O_CLOEXEC, 0600);
}

static struct stats *map(int fd, int protection)
{
    void *at = mmap(NULL, sizeof(struct stats), protection, MAP_SHARED, fd, 0);

    close(fd);
    return at == MAP_FAILED ? NULL : at;
}

struct stats *stats_create(const char *ring)
{
    int fd = open_page(ring, O_RDWR | O_CREAT);
    struct stats *s;

    if (fd < 0)
        return NULL;
    if (ftruncate(fd, sizeof(*s)) != 0) {
        close(fd);
        return NULL;
    }
    s = map(fd, PROT_READ | PROT_WRITE);
    if (s == NULL)
        return NULL;
    memset(s, 0, sizeof(*s));
    s->version = STATS_VERSION;
    s->magic = STATS_MAGIC;
    return s;
}

const struct stats *stats_look(const char *ring)
{
    int fd = open_page(ring, O_RDONLY);
    const struct stats *s;
    struct stat st;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) != 0 || (size_t)st.st_size != sizeof(*s)) {
        close(fd);
        return NULL;
    }
    s = map(fd, PROT_READ);
    if (s == NULL ||
        (s->magic == STATS_MAGIC && s->version == STATS_VERSION && s->port_count <= PORTS_MAX &&
         s->term_count <= TERMS_MAX && s->queues <= QUEUES_MAX))
        return s;
    munmap((void *)s, sizeof(*s));
    return NULL;
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
