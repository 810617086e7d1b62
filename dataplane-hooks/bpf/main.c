/* evbpf: loads the eBPF backend of evdp's configuration and keeps it informed. */
#include "activity.h"
#include "attach.h"
#include "evhooks.h"
#include "flatten.h"
#include "gone.h"
#include "program.h"
#include "service.h"

#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_MS = 500 };

const char service_name[] = "evbpf";

struct loader {
    const char *path;
    struct evdp_config *config;
    struct ports ports;
    struct evhooks_ring *ring;
    struct activity activity;
    struct evbpf *program;
    struct ring_said said;
    struct gone gone;
};

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

/* The program's tables are smaller than evdp's. */
static int check_tables(const struct evdp_config *c, const char *path, char *err, size_t err_size)
{
    char why[512];
    struct flat f;
    int rc = flat_rules(&f, &c->rules, why, sizeof(why));

    flat_free(&f);
    if (rc != 0)
        snprintf(err, err_size, "%s: %s", path, why);
    return rc;
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
    if (check_supported(c, path, err, err_size) == 0 && check_tables(c, path, err, err_size) == 0)
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

        if ((z->screens & ~(uint32_t)EVBPF_SCREENS) != 0)
            say("zone %s: screens 0x%" PRIx32 " remember other packets and are not done here",
                z->name, z->screens & ~(uint32_t)EVBPF_SCREENS);
    }
    for (size_t i = 0; i < r->policy_count; i++)
        logs |= r->policy[i].log_init || r->policy[i].log_close;
    if (logs || r->syn_check)
        say("there are no sessions: no session records, no tcp-syn-check; answers pass by a policy "
            "of their own");
}

/* The program of a configuration takes the place of the one that runs; -1: that one goes on. */
static int take(struct loader *l, const struct evdp_config *c, char *err, size_t err_size)
{
    struct program_shared s = {
        .names = service_names(c, &l->ports), .active = l->activity.map, .before = l->program};
    struct evbpf *program;
    char ignored[256];

    if (program_open(&program, c, &l->ports, &s, err, err_size) != 0)
        return -1;
    if (program_attach(program, &l->ports, c->mode, err, err_size) != 0 ||
        program_publish(program, c, s.names, err, err_size) != 0) {
        if (l->program != NULL) /* At ends that have the new one. */
            program_attach(l->program, &l->ports, c->mode, ignored, sizeof(ignored));
        program_close(program);
        return -1;
    }
    if (l->program != NULL)
        program_close(l->program);
    l->program = program;
    return 0;
}

static void reload(struct loader *l)
{
    const char *fixed = NULL;
    char err[1024] = "";
    struct evdp_config *c = load(l->path, err, sizeof(err));

    if (c != NULL)
        fixed = service_fixed(l->config, c, BACKEND_EBPF);
    if (fixed != NULL) {
        snprintf(err, sizeof(err), "%s: %s cannot change while evbpf runs", l->path, fixed);
    } else if (c != NULL && take(l, c, err, sizeof(err)) == 0) {
        unload(l->config);
        l->config = c;
        say_limits(c);
        say("configuration read again: %zu policies, %zu terms", c->rules.policy_count,
            c->rules.term_count);
        return;
    }
    unload(c);
    say("%s; the old configuration stays in force", err);
}

/* ---- interfaces that come back ---- */

/* The program knows interfaces by their numbers, so it is loaded anew for them. */
static void look_for_interfaces(struct loader *l)
{
    bool back[PORTS_MAX] = {false};
    char err[1024] = "";
    int rc;

    if (!gone_look(&l->ports))
        return;
    for (uint32_t i = 0; i < l->ports.count; i++) {
        struct port *p = &l->ports.port[i];

        back[i] = p->ifindex == 0;
        if (back[i])
            p->ifindex = if_nametoindex(p->name);
    }
    rc = take(l, l->config, err, sizeof(err));
    for (uint32_t i = 0; i < l->ports.count; i++) {
        struct port *p = &l->ports.port[i];

        if (!back[i] || p->ifindex == 0)
            continue;
        gone_say(&l->gone, p, err);
        if (rc != 0)
            port_forget(p);
    }
}

/* The program's records are not in it: only who is active. */
static void look_for_ring(struct loader *l)
{
    struct evhooks_ring *old = l->ring, *new = service_new_ring(old, l->config, &l->said);

    if (new == NULL)
        return;
    activity_move(&l->activity, new);
    l->ring = new;
    evhooks_close(old);
    memset(&l->said, 0, sizeof(l->said));
    service_names(l->config, &l->ports);
    say("ring %s: its file is another one now, which is used from now on", l->config->ring);
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

static void run(struct loader *l, const sigset_t *signals)
{
    const struct timespec wait = {.tv_nsec = LOOK_MS * 1000000l};

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
        service_damage(l->ring, &l->said);
        look_for_interfaces(l);
        look_for_ring(l);
    }
}

/* 0, or -1 with one line in err; c is its own. */
static int start(struct loader *l, struct evdp_config *c, char *err, size_t err_size)
{
    sigset_t signals;
    int rc;

    service_signals(&signals);
    rc = find_ports(&l->ports, c, err, err_size);
    if (rc == 0) /* Before anything is touched that another one may use. */
        rc = program_lock(c->pin, err, err_size) >= 0 ? 0 : -1;
    if (rc == 0)
        rc = service_ring(&l->ring, c, false, err, err_size);
    if (rc == 0)
        rc = activity_start(&l->activity, l->ring, err, err_size);
    if (rc == 0)
        rc = take(l, c, err, err_size);
    l->config = c;
    if (rc == 0) {
        say_limits(c);
        run(l, &signals);
    }
    ports_close(&l->ports);
    if (l->program != NULL)
        program_close(l->program);
    activity_stop(&l->activity);
    unload(l->config);
    if (l->ring != NULL)
        evhooks_close(l->ring);
    return rc;
}

static int act(struct loader *l, int asked, char *err, size_t err_size)
{
    struct evdp_config *c = load(l->path, err, err_size);
    int rc = 0;

    if (c == NULL)
        return 1;
    if (asked == ASKED_TO_RUN)
        return start(l, c, err, err_size) == 0 ? 0 : 1;
    if (asked == ASKED_TO_CHECK) {
        service_check_names(c);
        printf("%s: good\n", l->path);
    } else {
        rc = program_show(c, err, err_size) == 0 ? 0 : 1;
    }
    unload(c);
    return rc;
}

int main(int argc, char **argv)
{
    static struct loader l;
    int asked = service_asked(argc, argv, &l.path), rc;
    char err[1024] = "";

    if (asked == 0 || asked == ASKED_BADLY)
        return asked == 0 ? 0 : 2;
    rc = act(&l, asked, err, sizeof(err));
    if (err[0] != '\0')
        say("%s", err);
    return rc;
}
