/* evbpf: loads the eBPF backend of evdp's configuration and keeps it informed. */
#include "attach.h"
#include "evhooks.h"
#include "names_file.h"
#include "program.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TURN_MS = 2 }; /* How late a change of activity is. */

struct loader {
    const char *path;
    struct evdp_config *config;
    struct ports ports;
    struct evhooks_ring *ring;
    struct evbpf *program;
};

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
    char line[1200];
    va_list ap;

    va_start(ap, format);
    vsnprintf(line, sizeof(line), format, ap);
    va_end(ap);
    fprintf(stderr, "evbpf: %s\n", line);
}

/* ---- configurations ---- */

/* What would let through, or change, what evdp would not. */
static int check_supported(const struct evdp_config *c, const char *path, char *err,
                           size_t err_size)
{
    const struct rules *r = &c->rules;

    for (size_t i = 0; i < r->nat_count; i++) {
        for (size_t p = 0; p < 2 * r->wire_count; p++) {
            const struct nat *n = &r->nat[i];

            if ((n->from != 0 && n->from != r->end[p].zone) ||
                (n->to != 0 && n->to != r->end[p ^ 1].zone))
                continue;
            snprintf(err, err_size,
                     "%s: nat \"%s\" is for wire \"%s\", but the eBPF backend has no sessions to "
                     "translate: give the wire to evdp (backend = af-xdp)",
                     path, n->name, c->wire[p / 2].name);
            return -1;
        }
    }
    return 0;
}

static void unload(struct evdp_config *c)
{
    if (c != NULL)
        evdp_config_free(c);
    free(c);
}

static struct evdp_config *load(const char *path, char *err, size_t err_size)
{
    struct evdp_config *c = calloc(1, sizeof(*c));

    if (c == NULL) {
        snprintf(err, err_size, "out of memory");
        return NULL;
    }
    if (evdp_config_load_for(c, BACKEND_EBPF, path, err, err_size) != 0) {
        free(c);
        return NULL;
    }
    if (check_supported(c, path, err, err_size) == 0)
        return c;
    unload(c);
    return NULL;
}

static void say_limits(const struct evdp_config *c)
{
    const struct rules *r = &c->rules;
    bool logs = false;

    for (size_t i = 0; i < 2 * r->wire_count; i++) {
        const struct zone *z = &r->zone[r->end[i].zone - 1];

        if ((z->screens & ~(uint32_t)SCREENS_STATELESS) != 0)
            say("zone %s: screens 0x%" PRIx32 " remember other packets and are not done here",
                z->name, z->screens & ~(uint32_t)SCREENS_STATELESS);
    }
    for (size_t i = 0; i < r->policy_count; i++)
        logs |= r->policy[i].log_init || r->policy[i].log_close;
    if (logs || r->syn_check)
        say("there are no sessions: no session records, no tcp-syn-check; answers pass by a policy "
            "of their own");
}

static uint32_t name_things(struct loader *l, const struct evdp_config *c)
{
    size_t left_out;
    uint32_t names = names_publish(c, &l->ports, &left_out);

    if (names == 0)
        say("the name tables cannot be written to /dev/shm: records show numbers");
    else if (left_out > 0)
        say("%zu names do not fit the name tables (8192 names, 64 KiB): records show their numbers",
            left_out);
    return names;
}

static bool same_wires(const struct evdp_config *a, const struct evdp_config *b)
{
    return a->rules.wire_count == b->rules.wire_count &&
           memcmp(a->wire, b->wire, sizeof(a->wire)) == 0 && strcmp(a->pin, b->pin) == 0 &&
           strcmp(a->ring, b->ring) == 0;
}

static int take(struct loader *l, struct evdp_config *c, char *err, size_t err_size)
{
    struct evbpf *program;

    if (program_open(&program, c, &l->ports, name_things(l, c), err, err_size) != 0)
        return -1;
    for (size_t i = 0; i < 2 * c->rules.wire_count; i++)
        program_activate(program, c->rules.end[i].group,
                         evhooks_active_end(l->ring, c->rules.end[i].group));
    if (program_attach(program, &l->ports, c->mode, err, err_size) != 0) {
        program_close(program);
        return -1;
    }
    if (l->program != NULL)
        program_close(l->program);
    unload(l->config);
    l->program = program;
    l->config = c;
    say_limits(c);
    return 0;
}

static void reload(struct loader *l)
{
    char err[1024] = "";
    struct evdp_config *c = load(l->path, err, sizeof(err));

    if (c != NULL && !same_wires(l->config, c)) {
        snprintf(err, sizeof(err), "%s: wires, 'ring' and 'pin' cannot change while evbpf runs",
                 l->path);
    } else if (c != NULL && take(l, c, err, sizeof(err)) == 0) {
        say("configuration read again: %zu policies, %zu terms", c->rules.policy_count,
            c->rules.term_count);
        return;
    }
    unload(c);
    say("%s; the old configuration stays in force", err);
}

/* ---- start and end ---- */

static int find_ports(struct ports *p, const struct evdp_config *c, char *err, size_t err_size)
{
    p->count = (uint32_t)(2 * c->rules.wire_count);
    for (uint32_t i = 0; i < p->count; i++) {
        const struct wire_config *w = &c->wire[i / 2];
        struct port *x = &p->port[i];

        x->link = -1;
        snprintf(x->name, sizeof(x->name), "%s", i % 2 == 0 ? w->left : w->right);
        x->ifindex = if_nametoindex(x->name);
        if (x->ifindex == 0) {
            snprintf(err, err_size, "interface %s: does not exist: %s", x->name, strerror(errno));
            return -1;
        }
    }
    return 0;
}

static int open_ring(struct loader *l, const struct evdp_config *c, char *err, size_t err_size)
{
    struct evhooks_options o;

    evhooks_defaults(&o);
    o.node = c->node;
    o.rate_per_s = c->rate_per_s;
    return evhooks_open(&l->ring, c->ring, &o, err, err_size);
}

static void keep_active(struct loader *l)
{
    for (size_t i = 0; i < 2 * l->config->rules.wire_count; i++) {
        uint8_t group = l->config->rules.end[i].group;

        program_activate(l->program, group, evhooks_active_end(l->ring, group));
    }
}

static void run(struct loader *l, const sigset_t *signals)
{
    const struct timespec wait = {.tv_nsec = TURN_MS * 1000000l};

    for (size_t i = 0; i < l->config->rules.wire_count; i++)
        say("wire %s: %s (%s) - %s (%s), %zu policies, pin %s", l->config->wire[i].name,
            l->config->wire[i].left, l->ports.port[2 * i].native ? "native" : "generic",
            l->config->wire[i].right, l->ports.port[2 * i + 1].native ? "native" : "generic",
            l->config->rules.policy_count, l->config->pin);
    for (;;) {
        int number = sigtimedwait(signals, NULL, &wait);

        if (number == SIGTERM || number == SIGINT)
            return;
        if (number == SIGHUP)
            reload(l);
        keep_active(l);
    }
}

/* 0, or -1 with one line in err; c is its own. */
static int start(struct loader *l, struct evdp_config *c, char *err, size_t err_size)
{
    sigset_t signals;
    int rc;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    rc = find_ports(&l->ports, c, err, err_size);
    if (rc == 0)
        rc = open_ring(l, c, err, err_size);
    if (rc == 0)
        rc = take(l, c, err, err_size);
    if (rc == 0)
        run(l, &signals);
    else
        unload(c);
    for (uint32_t i = 0; i < l->ports.count; i++) {
        if (l->ports.port[i].link >= 0)
            close(l->ports.port[i].link);
    }
    if (l->program != NULL)
        program_close(l->program);
    unload(l->config);
    if (l->ring != NULL)
        evhooks_close(l->ring);
    return rc;
}

static void usage(FILE *to)
{
    fputs("usage: evbpf -c FILE [--check | --stats]\n", to);
}

/* what: 'k' check, 't' statistics, 'r' run. */
static int act(struct loader *l, char what, char *err, size_t err_size)
{
    struct evdp_config *c = load(l->path, err, err_size);
    int rc = 0;

    if (c == NULL)
        return 1;
    if (what == 'r')
        return start(l, c, err, err_size) == 0 ? 0 : 1;
    if (what == 'k')
        printf("%s: good\n", l->path);
    else
        rc = program_show(c, err, err_size) == 0 ? 0 : 1;
    unload(c);
    return rc;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"check", no_argument, NULL, 'k'},
                                            {"stats", no_argument, NULL, 't'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    static struct loader l;
    char err[1024] = "", what = 'r';
    int opt, rc;

    while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (opt == 'c') {
            l.path = optarg;
        } else if (opt == 'k' || opt == 't') {
            what = (char)opt;
        } else {
            usage(opt == 'h' ? stdout : stderr);
            return opt == 'h' ? 0 : 2;
        }
    }
    if (l.path == NULL || optind != argc) {
        usage(stderr);
        return 2;
    }
    rc = act(&l, what, err, sizeof(err));
    if (err[0] != '\0')
        say("%s", err);
    return rc;
}
