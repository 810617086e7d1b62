#include "config.h"

#include <confuse.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *error_at;
static size_t error_size;

static void on_error(cfg_t *cfg, const char *format, va_list ap)
{
    int n;

    if (error_at[0] != '\0')
        return;
    n = snprintf(error_at, error_size, "%s:%d: ", cfg->filename ? cfg->filename : "configuration",
                 cfg->line);
    if (n > 0 && (size_t)n < error_size)
        vsnprintf(error_at + n, error_size - (size_t)n, format, ap);
}

static int fail(cfg_t *cfg, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    on_error(cfg, format, ap);
    va_end(ap);
    return -1;
}

#define MATCH_OPTS                                                                                 \
    CFG_STR_LIST("source", NULL, CFGF_NODEFAULT),                                                  \
        CFG_STR_LIST("destination", NULL, CFGF_NODEFAULT), CFG_STR("protocol", "any", CFGF_NONE),  \
        CFG_STR_LIST("ports", NULL, CFGF_NODEFAULT)

static cfg_opt_t wire_opts[] = {CFG_STR("left", NULL, CFGF_NODEFAULT),
                                CFG_STR("right", NULL, CFGF_NODEFAULT),
                                CFG_STR("left-zone", NULL, CFGF_NODEFAULT),
                                CFG_STR("right-zone", NULL, CFGF_NODEFAULT), CFG_END()};
static cfg_opt_t zone_opts[] = {CFG_STR_LIST("screens", NULL, CFGF_NODEFAULT), CFG_END()};
static cfg_opt_t policy_opts[] = {CFG_STR("from-zone", NULL, CFGF_NODEFAULT),
                                  CFG_STR("to-zone", NULL, CFGF_NODEFAULT), MATCH_OPTS,
                                  CFG_STR("action", NULL, CFGF_NODEFAULT), CFG_END()};
static cfg_opt_t term_opts[] = {CFG_STR("zone", NULL, CFGF_NODEFAULT), MATCH_OPTS,
                                CFG_STR("action", "permit", CFGF_NONE),
                                CFG_BOOL("log", cfg_false, CFGF_NONE), CFG_END()};
static cfg_opt_t filter_opts[] = {
    CFG_SEC("term", term_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES), CFG_END()};
static cfg_opt_t opts[] = {
    CFG_STR("ring", NULL, CFGF_NODEFAULT),
    CFG_INT("node", -1, CFGF_NONE),
    CFG_INT("redundancy-group", 1, CFGF_NONE),
    CFG_STR("mode", "auto", CFGF_NONE),
    CFG_INT("event-rate", 1000, CFGF_NONE),
    CFG_SEC("wire", wire_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_SEC("zone", zone_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_SEC("policy", policy_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_SEC("filter", filter_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_END()};

static int copy(cfg_t *cfg, const char *key, const char *value, char *out, size_t size)
{
    if (value == NULL || value[0] == '\0')
        return fail(cfg, "'%s' is missing", key);
    if (strlen(value) >= size)
        return fail(cfg, "'%s' is too long: at most %zu bytes", key, size - 1);
    strcpy(out, value);
    return 0;
}

/* ---- zones ---- */

static const struct {
    const char *name;
    uint32_t flag;
} screens[] = {
    {"land", SCREEN_LAND},           {"syn-fin", SCREEN_SYN_FIN},
    {"tcp-no-flag", SCREEN_NO_FLAG}, {"fin-no-ack", SCREEN_FIN_NO_ACK},
    {"winnuke", SCREEN_WINNUKE},
};

static int add_screen(cfg_t *z, const char *name, uint32_t *flags)
{
    for (size_t i = 0; i < sizeof(screens) / sizeof(screens[0]); i++) {
        if (strcmp(name, screens[i].name) == 0) {
            *flags |= screens[i].flag;
            return 0;
        }
    }
    return fail(z, "no screen is called \"%s\"", name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct zone *)a)->name, ((const struct zone *)b)->name);
}

static int read_zones(struct rules *r, cfg_t *cfg)
{
    r->zone_count = cfg_size(cfg, "zone");
    if (r->zone_count < 1 || r->zone_count > ZONES_MAX)
        return fail(cfg, "1 to %d 'zone' sections are needed", ZONES_MAX);
    for (size_t i = 0; i < r->zone_count; i++) {
        cfg_t *z = cfg_getnsec(cfg, "zone", (unsigned)i);

        if (copy(z, "zone", cfg_title(z), r->zone[i].name, RULE_NAME_MAX) != 0)
            return -1;
        for (unsigned k = 0; k < cfg_size(z, "screens"); k++) {
            if (add_screen(z, cfg_getnstr(z, "screens", k), &r->zone[i].screens) != 0)
                return -1;
        }
    }
    qsort(r->zone, r->zone_count, sizeof(r->zone[0]), by_name);
    return 0;
}

static int zone_id(const struct rules *r, cfg_t *cfg, const char *key, uint16_t *out)
{
    const char *name = cfg_getstr(cfg, key);

    for (size_t i = 0; name != NULL && i < r->zone_count; i++) {
        if (strcmp(r->zone[i].name, name) == 0) {
            *out = (uint16_t)(i + 1);
            return 0;
        }
    }
    return fail(cfg, "'%s': no zone is called \"%s\"", key, name != NULL ? name : "");
}

/* ---- matches ---- */

static int read_prefixes(cfg_t *c, const char *key, struct prefix *out, uint8_t *count)
{
    unsigned n = cfg_size(c, key);

    if (n > PREFIXES_MAX)
        return fail(c, "'%s' has %u entries, at most %d are allowed", key, n, PREFIXES_MAX);
    for (unsigned i = 0; i < n; i++) {
        if (prefix_parse(&out[i], cfg_getnstr(c, key, i)) != 0)
            return fail(c, "'%s': \"%s\" is not an address or prefix", key, cfg_getnstr(c, key, i));
    }
    *count = (uint8_t)n;
    return 0;
}

static int read_ports(cfg_t *c, struct match *m)
{
    unsigned n = cfg_size(c, "ports");

    if (n > PORTS_MAX)
        return fail(c, "'ports' has %u entries, at most %d are allowed", n, PORTS_MAX);
    for (unsigned i = 0; i < n; i++) {
        unsigned from, to;
        int got = sscanf(cfg_getnstr(c, "ports", i), "%u-%u", &from, &to);

        if (got < 2)
            to = from;
        if (got < 1 || from > to || to > 65535)
            return fail(c, "'ports': \"%s\" is not a port or FROM-TO", cfg_getnstr(c, "ports", i));
        m->port[i].from = (uint16_t)from;
        m->port[i].to = (uint16_t)to;
    }
    m->port_count = (uint8_t)n;
    return 0;
}

static int read_match(cfg_t *c, struct match *m)
{
    static const struct {
        const char *name;
        uint8_t number;
    } protocols[] = {{"any", 0}, {"icmp", 1}, {"tcp", 6}, {"udp", 17}};
    const char *name = cfg_getstr(c, "protocol");
    bool known = false;

    for (size_t i = 0; i < 4; i++) {
        if (strcmp(name, protocols[i].name) == 0) {
            m->protocol = protocols[i].number;
            known = true;
        }
    }
    if (!known)
        return fail(c, "'protocol' is \"%s\"; it must be any, icmp, tcp or udp", name);
    if (read_prefixes(c, "source", m->source, &m->source_count) != 0 ||
        read_prefixes(c, "destination", m->destination, &m->destination_count) != 0)
        return -1;
    return read_ports(c, m);
}

static int read_action(cfg_t *c, uint8_t *out)
{
    static const char *const words[] = {"deny", "permit", "reject"};
    const char *name = cfg_getstr(c, "action");

    for (uint8_t i = 0; name != NULL && i < 3; i++) {
        if (strcmp(name, words[i]) == 0) {
            *out = i;
            return 0;
        }
    }
    return fail(c, "'action' must be permit, deny or reject");
}

static int read_policies(struct rules *r, cfg_t *cfg)
{
    r->policy_count = cfg_size(cfg, "policy");
    if (r->policy_count > POLICIES_MAX)
        return fail(cfg, "at most %d policies", POLICIES_MAX);
    for (size_t i = 0; i < r->policy_count; i++) {
        cfg_t *p = cfg_getnsec(cfg, "policy", (unsigned)i);
        struct policy *q = &r->policy[i];

        q->id = (uint32_t)i + 256; /* 0 is the default's. */
        if (copy(p, "policy", cfg_title(p), q->name, RULE_NAME_MAX) != 0 ||
            zone_id(r, p, "from-zone", &q->from) != 0 || zone_id(r, p, "to-zone", &q->to) != 0 ||
            read_match(p, &q->match) != 0 || read_action(p, &q->action) != 0)
            return -1;
    }
    return 0;
}

static int read_term(struct rules *r, cfg_t *f, cfg_t *c, uint32_t filter, uint32_t number)
{
    struct term *t = &r->term[r->term_count++];

    t->filter_id = filter;
    t->term_id = number;
    t->log = cfg_getbool(c, "log");
    if (copy(f, "filter", cfg_title(f), t->filter, RULE_NAME_MAX) != 0)
        return -1;
    if (cfg_getstr(c, "zone") != NULL && zone_id(r, c, "zone", &t->zone) != 0)
        return -1;
    return read_match(c, &t->match) != 0 ? -1 : read_action(c, &t->action);
}

static int read_filters(struct rules *r, cfg_t *cfg)
{
    for (unsigned i = 0; i < cfg_size(cfg, "filter"); i++) {
        cfg_t *f = cfg_getnsec(cfg, "filter", i);

        for (unsigned k = 0; k < cfg_size(f, "term"); k++) {
            if (r->term_count == TERMS_MAX)
                return fail(f, "at most %d terms in all filters", TERMS_MAX);
            if (read_term(r, f, cfg_getnsec(f, "term", k), i + 1, k + 1) != 0)
                return -1;
        }
    }
    return 0;
}

static int read_wire(struct evdp_config *c, cfg_t *cfg)
{
    cfg_t *w;

    if (cfg_size(cfg, "wire") != 1)
        return fail(cfg, "one 'wire' section is needed, there are %u", cfg_size(cfg, "wire"));
    w = cfg_getnsec(cfg, "wire", 0);
    if (copy(w, "left", cfg_getstr(w, "left"), c->left, sizeof(c->left)) != 0 ||
        copy(w, "right", cfg_getstr(w, "right"), c->right, sizeof(c->right)) != 0)
        return -1;
    if (strcmp(c->left, c->right) == 0)
        return fail(w, "'left' and 'right' are the same interface");
    if (zone_id(&c->rules, w, "left-zone", &c->left_zone) != 0)
        return -1;
    return zone_id(&c->rules, w, "right-zone", &c->right_zone);
}

static int read_all(struct evdp_config *c, cfg_t *cfg)
{
    static const char *const modes[] = {"auto", "native", "generic"};
    long node = cfg_getint(cfg, "node"), group = cfg_getint(cfg, "redundancy-group");
    long rate = cfg_getint(cfg, "event-rate");
    int mode = -1;

    for (int i = 0; i < 3; i++)
        mode = strcmp(cfg_getstr(cfg, "mode"), modes[i]) == 0 ? i : mode;
    if (mode < 0)
        return fail(cfg, "'mode' must be auto, native or generic");
    if (node < 0 || node > 1 || group < 0 || group > 127 || rate < 0)
        return fail(
            cfg, "'node' must be 0 or 1, 'redundancy-group' 0 to 127, 'event-rate' not negative");
    c->mode = (enum evdp_mode)mode;
    c->node = (uint8_t)node;
    c->group = (unsigned)group;
    c->rate_per_s = (uint32_t)rate;
    if (copy(cfg, "ring", cfg_getstr(cfg, "ring"), c->ring, sizeof(c->ring)) != 0 ||
        read_zones(&c->rules, cfg) != 0 || read_wire(c, cfg) != 0 ||
        read_policies(&c->rules, cfg) != 0)
        return -1;
    return read_filters(&c->rules, cfg);
}

int evdp_config_load(struct evdp_config *c, const char *path, char *err, size_t err_size)
{
    cfg_t *cfg = cfg_init(opts, CFGF_NONE);
    int rc;

    memset(c, 0, sizeof(*c));
    error_at = err;
    error_size = err_size;
    err[0] = '\0';
    cfg_set_error_function(cfg, on_error);
    rc = cfg_parse(cfg, path);
    if (rc == CFG_FILE_ERROR)
        snprintf(err, err_size, "%s: cannot be read", path);
    rc = rc == CFG_SUCCESS ? read_all(c, cfg) : -1;
    cfg_free(cfg);
    return rc;
}
