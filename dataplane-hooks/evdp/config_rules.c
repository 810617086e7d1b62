/* Zones, policies, filters and NAT. */
#include "config_parts.h"

#include <stdlib.h>
#include <string.h>

cfg_opt_t config_zone_opts[] = {CFG_STR_LIST("screens", NULL, CFGF_NODEFAULT),
                                CFG_INT("syn-flood-rate", 200, CFGF_NONE),
                                CFG_INT("icmp-flood-rate", 1000, CFGF_NONE),
                                CFG_INT("udp-flood-rate", 1000, CFGF_NONE),
                                CFG_INT("port-scan-ports", 10, CFGF_NONE),
                                CFG_INT("port-scan-ms", 5, CFGF_NONE),
                                CFG_INT("ip-sweep-addresses", 10, CFGF_NONE),
                                CFG_INT("ip-sweep-ms", 5, CFGF_NONE),
                                CFG_INT("session-limit-source", 128, CFGF_NONE),
                                CFG_INT("session-limit-destination", 128, CFGF_NONE),
                                CFG_END()};
cfg_opt_t config_policy_opts[] = {CFG_STR("from-zone", NULL, CFGF_NODEFAULT),
                                  CFG_STR("to-zone", NULL, CFGF_NODEFAULT),
                                  MATCH_OPTS,
                                  CFG_STR("action", NULL, CFGF_NODEFAULT),
                                  CFG_STR_LIST("log", NULL, CFGF_NODEFAULT),
                                  CFG_END()};
static cfg_opt_t term_opts[] = {
    CFG_STR("zone", NULL, CFGF_NODEFAULT),    MATCH_OPTS,
    CFG_STR("action", "permit", CFGF_NONE),   CFG_BOOL("log", cfg_false, CFGF_NONE),
    CFG_BOOL("syslog", cfg_false, CFGF_NONE), CFG_BOOL("count", cfg_false, CFGF_NONE),
    CFG_STR("wire", NULL, CFGF_NODEFAULT),    CFG_END()};
cfg_opt_t config_filter_opts[] = {
    CFG_STR("on", "input", CFGF_NONE),
    CFG_SEC("term", term_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES), CFG_END()};
cfg_opt_t config_nat_opts[] = {CFG_STR("from-zone", NULL, CFGF_NODEFAULT),
                               CFG_STR("to-zone", NULL, CFGF_NODEFAULT),
                               MATCH_OPTS,
                               CFG_STR_LIST("pool", NULL, CFGF_NODEFAULT),
                               CFG_STR("pool-ports", "1024-65535", CFGF_NONE),
                               CFG_END()};

/* ---- zones ---- */

static const struct {
    const char *name;
    uint32_t flag;
} screens[] = {
    {"syn-flood", SCREEN_SYN_FLOOD},
    {"icmp-flood", SCREEN_ICMP_FLOOD},
    {"udp-flood", SCREEN_UDP_FLOOD},
    {"port-scan", SCREEN_PORT_SCAN},
    {"ip-sweep", SCREEN_IP_SWEEP},
    {"land", SCREEN_LAND},
    {"ping-of-death", SCREEN_PING_OF_DEATH},
    {"teardrop", SCREEN_TEARDROP},
    {"syn-fin", SCREEN_SYN_FIN},
    {"tcp-no-flag", SCREEN_NO_FLAG},
    {"fin-no-ack", SCREEN_FIN_NO_ACK},
    {"winnuke", SCREEN_WINNUKE},
    {"source-route", SCREEN_SOURCE_ROUTE},
    {"syn-frag", SCREEN_SYN_FRAGMENT},
    {"syn-cookie", SCREEN_SYN_COOKIE},
    {"session-limit-source", SCREEN_LIMIT_SOURCE},
    {"session-limit-destination", SCREEN_LIMIT_DESTINATION},
};

static int add_screen(cfg_t *z, const char *name, uint32_t *flags)
{
    for (size_t i = 0; i < sizeof(screens) / sizeof(screens[0]); i++) {
        if (strcmp(name, screens[i].name) == 0) {
            *flags |= screens[i].flag;
            return 0;
        }
    }
    return config_fail(z, "no screen is called \"%s\"", name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct zone *)a)->name, ((const struct zone *)b)->name);
}

static int read_zone(cfg_t *z, struct zone *out)
{
    if (config_copy(z, "zone", cfg_title(z), out->name, RULE_NAME_MAX) != 0)
        return -1;
    for (unsigned k = 0; k < cfg_size(z, "screens"); k++) {
        if (add_screen(z, cfg_getnstr(z, "screens", k), &out->screens) != 0)
            return -1;
    }
    if (config_number(z, "syn-flood-rate", 1, 100000000, &out->limit.syn_flood) != 0 ||
        config_number(z, "icmp-flood-rate", 1, 100000000, &out->limit.icmp_flood) != 0 ||
        config_number(z, "udp-flood-rate", 1, 100000000, &out->limit.udp_flood) != 0 ||
        config_number(z, "port-scan-ports", 2, 16, &out->limit.port_scan) != 0 ||
        config_number(z, "port-scan-ms", 1, 60000, &out->limit.port_scan_ms) != 0 ||
        config_number(z, "ip-sweep-addresses", 2, 16, &out->limit.ip_sweep) != 0 ||
        config_number(z, "ip-sweep-ms", 1, 60000, &out->limit.ip_sweep_ms) != 0 ||
        config_number(z, "session-limit-source", 1, 16777215, &out->limit.session_source) != 0)
        return -1;
    return config_number(z, "session-limit-destination", 1, 16777215,
                         &out->limit.session_destination);
}

int config_zones(struct rules *r, cfg_t *cfg)
{
    size_t n = cfg_size(cfg, "zone");

    if (n < 1 || n > ZONES_MAX)
        return config_fail(cfg, "1 to %d 'zone' sections are needed, there are %zu", ZONES_MAX, n);
    for (size_t i = 0; i < n; i++) {
        if (read_zone(cfg_getnsec(cfg, "zone", (unsigned)i), &r->zone[i]) != 0)
            return -1;
    }
    r->zone_count = n;
    qsort(r->zone, n, sizeof(r->zone[0]), by_name);
    return 0;
}

/* ---- policies ---- */

static int read_action(cfg_t *at, uint8_t *out)
{
    static const char *const words[] = {"deny", "permit", "reject", NULL};
    int i = config_word(at, "action", cfg_getstr(at, "action"), words);

    *out = (uint8_t)i;
    return i < 0 ? -1 : 0;
}

static int read_log(cfg_t *at, struct policy *q)
{
    static const char *const words[] = {"session-init", "session-close", NULL};

    for (unsigned i = 0; i < cfg_size(at, "log"); i++) {
        int word = config_word(at, "log", cfg_getnstr(at, "log", i), words);

        if (word < 0)
            return -1;
        q->log_init |= word == 0;
        q->log_close |= word == 1;
    }
    if ((q->log_init || q->log_close) && q->action != ACTION_PERMIT)
        return config_fail(at, "'log' is of the sessions of a permit; a %s is always logged",
                           cfg_getstr(at, "action"));
    return 0;
}

static int read_policy(struct evdp_config *c, cfg_t *cfg, cfg_t *at, struct policy *q)
{
    if (config_copy(at, "policy", cfg_title(at), q->name, RULE_NAME_MAX) != 0 ||
        config_zone(&c->rules, at, "from-zone", &q->from) != 0 ||
        config_zone(&c->rules, at, "to-zone", &q->to) != 0 || read_action(at, &q->action) != 0 ||
        read_log(at, q) != 0)
        return -1;
    return config_match(c, cfg, at, &q->match);
}

int config_policies(struct evdp_config *c, cfg_t *cfg)
{
    struct rules *r = &c->rules;
    unsigned n = cfg_size(cfg, "policy");

    if (n > POLICIES_MAX)
        return config_fail(cfg, "at most %d policies", POLICIES_MAX);
    r->policy = config_alloc(c, cfg, n, sizeof(*r->policy));
    if (r->policy == NULL)
        return -1;
    for (unsigned i = 0; i < n; i++) {
        r->policy[i].id = POLICY_ID_FIRST + i;
        if (read_policy(c, cfg, cfg_getnsec(cfg, "policy", i), &r->policy[i]) != 0)
            return -1;
    }
    r->policy_count = n;
    return 0;
}

/* ---- filters ---- */

static int read_wire_of_term(const struct evdp_config *c, cfg_t *at, struct term *t)
{
    const char *name = cfg_getstr(at, "wire");

    t->wire = WIRE_KEPT;
    if (name == NULL)
        return 0;
    if (t->place != FILTER_PBR)
        return config_fail(at, "'wire' is only for filters with on = pbr");
    for (size_t i = 0; i < c->rules.wire_count; i++) {
        if (strcmp(c->wire[i].name, name) == 0)
            t->wire = (uint8_t)i;
    }
    return t->wire != WIRE_KEPT
               ? 0
               : config_fail(at, "no wire is called \"%s\" (of this backend)", name);
}

/* A group is active on one node: there, the other group's wire may be the other node's. */
static int check_groups_of_term(const struct evdp_config *c, cfg_t *at, const struct term *t)
{
    const struct wire_end *end = c->rules.end;
    unsigned to = t->wire != WIRE_KEPT ? end[2 * t->wire].group : 0;

    for (size_t p = 0; t->wire != WIRE_KEPT && p < 2 * c->rules.wire_count; p++) {
        if ((t->zone == 0 || t->zone == end[p].zone) && end[p].group != to)
            return config_fail(at,
                               "'wire' \"%s\" is of redundancy group %u, but the term stands on "
                               "wire \"%s\" of group %u too: put both in one group, or keep the "
                               "term to zones of group %u with 'zone'",
                               c->wire[t->wire].name, to, c->wire[p / 2].name, end[p].group, to);
    }
    return 0;
}

static int read_term(struct evdp_config *c, cfg_t *cfg, cfg_t *at, struct term *t)
{
    t->log = cfg_getbool(at, "log") || cfg_getbool(at, "syslog");
    t->count = cfg_getbool(at, "count");
    if (config_copy(at, "term", cfg_title(at), t->name, RULE_NAME_MAX) != 0 ||
        read_action(at, &t->action) != 0 || read_wire_of_term(c, at, t) != 0)
        return -1;
    if (cfg_getstr(at, "zone") != NULL && config_zone(&c->rules, at, "zone", &t->zone) != 0)
        return -1;
    return check_groups_of_term(c, at, t) != 0 ? -1 : config_match(c, cfg, at, &t->match);
}

static int read_filter(struct evdp_config *c, cfg_t *cfg, cfg_t *f, uint32_t id)
{
    static const char *const places[] = {"pbr", "input", "output", "lo0", NULL};
    static const uint8_t numbers[] = {FILTER_PBR, FILTER_INPUT, FILTER_OUTPUT, FILTER_LO0};
    int place = config_word(f, "on", cfg_getstr(f, "on"), places);

    if (place < 0)
        return -1;
    for (unsigned k = 0; k < cfg_size(f, "term"); k++) {
        struct term *t = &c->rules.term[c->rules.term_count];

        if (c->rules.term_count == TERMS_MAX)
            return config_fail(f, "at most %d terms in all filters", TERMS_MAX);
        t->place = numbers[place];
        t->filter_id = id;
        t->term_id = k + 1;
        if (config_copy(f, "filter", cfg_title(f), t->filter, RULE_NAME_MAX) != 0 ||
            read_term(c, cfg, cfg_getnsec(f, "term", k), t) != 0)
            return -1;
        c->rules.term_count++;
    }
    return 0;
}

int config_filters(struct evdp_config *c, cfg_t *cfg)
{
    unsigned n = cfg_size(cfg, "filter");

    if (n > FILTERS_MAX)
        return config_fail(cfg, "at most %d filters", FILTERS_MAX);
    c->rules.term = config_alloc(c, cfg, TERMS_MAX, sizeof(*c->rules.term));
    if (c->rules.term == NULL)
        return -1;
    for (unsigned i = 0; i < n; i++) {
        if (read_filter(c, cfg, cfg_getnsec(cfg, "filter", i), i + 1) != 0)
            return -1;
    }
    return 0;
}

/* ---- NAT ---- */

static bool overlap(const struct prefix *a, const struct prefix *b)
{
    return a->bits <= b->bits ? prefix_holds(a, b->address, b->family)
                              : prefix_holds(b, a->address, a->family);
}

/* Nothing can answer to these. */
static int check_pool(cfg_t *at, const struct nat *n)
{
    static const struct {
        const char *what, *prefix;
    } never[] = {{"unspecified", "0.0.0.0/8"},    {"unspecified", "::/128"},
                 {"loopback", "127.0.0.0/8"},     {"loopback", "::1/128"},
                 {"multicast", "224.0.0.0/4"},    {"multicast", "ff00::/8"},
                 {"broadcast", "255.255.255.255"}};
    struct prefix x;

    for (size_t k = 0; k < sizeof(never) / sizeof(never[0]); k++) {
        for (uint32_t i = 0; i < n->pool_count; i++) {
            if (prefix_parse(&x, never[k].prefix) == 0 && overlap(&x, &n->pool[i]))
                return config_fail(at,
                                   "'pool' has %s addresses in it (of %s): give unicast addresses "
                                   "that are routed here",
                                   never[k].what, never[k].prefix);
        }
    }
    return 0;
}

/* What comes to an address of evdp's own is consumed there, before anyone looks for a session. */
static int check_pool_is_not_local(const struct evdp_config *c, cfg_t *at, const struct nat *n)
{
    const struct wire_end *end = c->rules.end;

    for (size_t p = 0; p < 2 * c->rules.wire_count; p++) {
        bool answers_come =
            (n->to == 0 || n->to == end[p].zone) && (n->from == 0 || n->from == end[p ^ 1].zone);

        for (int k = 0; answers_come && k < end[p].local_count; k++) {
            for (uint32_t i = 0; i < n->pool_count; i++) {
                if (overlap(&end[p].local[k], &n->pool[i]))
                    return config_fail(at,
                                       "'pool' has an address of evdp's own in it ('%s-address' of "
                                       "wire \"%s\"), which would consume the answers: take it out "
                                       "of one of them",
                                       p % 2 == 0 ? "left" : "right", c->wire[p / 2].name);
            }
        }
    }
    return 0;
}

static int check_pool_families(cfg_t *at, const struct nat *n)
{
    return config_families(&n->match) & config_families_of(n->pool, n->pool_count)
               ? 0
               : config_fail(at,
                             "'pool' has no address of the family that 'source', 'destination' and "
                             "'protocol' leave: nothing can be translated; add one");
}

static int read_nat(struct evdp_config *c, cfg_t *cfg, cfg_t *at, struct nat *n)
{
    if (config_copy(at, "nat", cfg_title(at), n->name, RULE_NAME_MAX) != 0)
        return -1;
    if (cfg_getstr(at, "from-zone") != NULL &&
        config_zone(&c->rules, at, "from-zone", &n->from) != 0)
        return -1;
    if (cfg_getstr(at, "to-zone") != NULL && config_zone(&c->rules, at, "to-zone", &n->to) != 0)
        return -1;
    if (config_prefixes(c, cfg, at, "pool", &n->pool, &n->pool_count) != 0)
        return -1;
    if (n->pool_count == 0)
        return config_fail(at, "'pool' is missing: addresses or prefixes to translate to");
    if (check_pool(at, n) != 0 || check_pool_is_not_local(c, at, n) != 0)
        return -1;
    if (config_port_range(at, "pool-ports", cfg_getstr(at, "pool-ports"), &n->ports) != 0)
        return -1;
    if (n->ports.from == 0)
        return config_fail(at, "'pool-ports' cannot begin with 0");
    return config_match(c, cfg, at, &n->match) != 0 ? -1 : check_pool_families(at, n);
}

int config_nats(struct evdp_config *c, cfg_t *cfg)
{
    unsigned n = cfg_size(cfg, "nat");

    if (n > NATS_MAX)
        return config_fail(cfg, "at most %d 'nat' sections", NATS_MAX);
    for (unsigned i = 0; i < n; i++) {
        if (read_nat(c, cfg, cfg_getnsec(cfg, "nat", i), &c->rules.nat[i]) != 0)
            return -1;
    }
    c->rules.nat_count = n;
    return 0;
}
