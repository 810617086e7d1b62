/* What evbpf counts, from its pinned maps: while it runs, and after. */
#include "json.h"
#include "program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_pin(const struct evdp_config *c, const char *suffix, char *err, size_t err_size)
{
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "%s%s", c->pin, suffix);
    fd = bpf_obj_get(path);
    if (fd < 0)
        snprintf(err, err_size, "%s: %s: did evbpf ever run with this 'pin'?", path,
                 strerror(errno));
    return fd;
}

/* The sum over all processors of `words` counters. */
static bool sum(int fd, uint32_t key, uint64_t *out, size_t words)
{
    int cpus = libbpf_num_possible_cpus();
    uint64_t *each = cpus > 0 ? calloc((size_t)cpus, words * sizeof(*each)) : NULL;
    bool good = each != NULL && bpf_map_lookup_elem(fd, &key, each) == 0;

    memset(out, 0, words * sizeof(*out));
    for (size_t i = 0; good && i < (size_t)cpus * words; i++)
        out[i % words] += each[i];
    free(each);
    return good;
}

static void show_kinds(int fd)
{
    static const struct {
        const char *name;
        uint32_t kind;
    } all[] = {{"policy_deny", 3}, {"screen_drop", 4}, {"filter_log", 6}};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        uint64_t total[4] = {0}, one[4];

        for (uint32_t z = 0; z < EVBPF_ZONES; z++) {
            if (!sum(fd, all[i].kind * EVBPF_ZONES + z, one, 4))
                continue;
            for (int k = 0; k < 4; k++)
                total[k] += one[k];
        }
        printf("%s\"%s\":{\"decided\":%" PRIu64 ",\"rate_limited\":%" PRIu64
               ",\"ring_full\":%" PRIu64 ",\"emitted\":%" PRIu64 "}",
               i > 0 ? "," : "{", all[i].name, total[0], total[1], total[2], total[3]);
    }
}

static void show_port(const char *name, int fd, uint32_t port)
{
    static const char *const fates[] = {"forwarded", "local",    "screened",  "filtered",
                                        "denied",    "rejected", "malformed", "other",
                                        "inactive",  "fragment"};
    uint64_t received = 0, one[2];

    putchar('{');
    json_name(stdout, "name", name, IFNAMSIZ);
    for (uint32_t f = 0; f < sizeof(fates) / sizeof(fates[0]); f++) {
        sum(fd, port * EVBPF_FATES + f, one, 2);
        received += one[0];
        printf("\"%s\":%" PRIu64 ",", fates[f], one[0]);
    }
    printf("\"received\":%" PRIu64 "}", received);
}

static void show_terms(const struct evdp_config *c, int fd)
{
    const char *comma = "";

    for (uint32_t i = 0; i < c->rules.term_count; i++) {
        const struct term *t = &c->rules.term[i];
        uint64_t n[2];

        if (!t->count || !sum(fd, i, n, 2))
            continue;
        printf("%s{", comma);
        json_name(stdout, "filter", t->filter, RULE_NAME_MAX);
        json_name(stdout, "term", t->name, RULE_NAME_MAX);
        printf("\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64 "}", n[0], n[1]);
        comma = ",";
    }
}

int program_show(const struct evdp_config *c, char *err, size_t err_size)
{
    int counts = open_pin(c, "-counts", err, err_size);
    int frames = counts >= 0 ? open_pin(c, "-frames", err, err_size) : -1;
    int terms = frames >= 0 ? open_pin(c, "-terms", err, err_size) : -1;

    if (terms >= 0) {
        show_kinds(counts);
        fputs(",\"dataplane\":{\"interfaces\":[", stdout);
        for (uint32_t i = 0; i < 2 * c->rules.wire_count; i++) {
            const struct wire_config *w = &c->wire[i / 2];

            fputs(i > 0 ? "," : "", stdout);
            show_port(i % 2 == 0 ? w->left : w->right, frames, i);
        }
        fputs("],\"terms\":[", stdout);
        show_terms(c, terms);
        fputs("]}}\n", stdout);
        close(terms);
    }
    if (frames >= 0)
        close(frames);
    if (counts >= 0)
        close(counts);
    return terms >= 0 ? 0 : -1;
}
