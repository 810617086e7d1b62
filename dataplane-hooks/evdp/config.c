#include "compile.h"
#include "config_parts.h"
#include "evhooks.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct config_block {
    struct config_block *next;
    max_align_t at[];
};

static const char *error_path;
static char *error_at;
static size_t error_size;

static void on_error(cfg_t *cfg, const char *format, va_list ap)
{
    int n;

    if (error_at[0] != '\0')
        return;
    n = snprintf(error_at, error_size, "%s:%d: ", error_path, cfg->line);
    if (n > 0 && (size_t)n < error_size)
        vsnprintf(error_at + n, error_size - (size_t)n, format, ap);
}

int config_fail(cfg_t *cfg, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    on_error(cfg, format, ap);
    va_end(ap);
    return -1;
}

void *config_alloc(struct evdp_config *c, cfg_t *cfg, size_t count, size_t size)
{
    struct config_block *b = calloc(1, sizeof(*b) + count * size + 1);

    if (b == NULL) {
        config_fail(cfg, "out of memory");
        return NULL;
    }
    b->next = c->blocks;
    c->blocks = b;
    return b->at;
}

int config_copy(cfg_t *cfg, const char *key, const char *value, char *out, size_t size)
{
    if (value == NULL || value[0] == '\0')
        return config_fail(cfg, "'%s' is missing", key);
    if (strlen(value) >= size)
        return config_fail(cfg, "'%s' is too long: at most %zu bytes", key, size - 1);
    for (const char *c = value; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 127)
            return config_fail(cfg, "'%s' has a control character in it", key);
    }
    strcpy(out, value);
    return 0;
}

int config_number(cfg_t *cfg, const char *key, long from, long to, uint32_t *out)
{
    long value = cfg_getint(cfg, key);

    if (value < from || value > to)
        return config_fail(cfg, "'%s' is %ld; it must be %ld to %ld", key, value, from, to);
    *out = (uint32_t)value;
    return 0;
}

int config_word(cfg_t *cfg, const char *key, const char *value, const char *const *words)
{
    char all[160] = "";
    int i;

    for (i = 0; words[i] != NULL; i++) {
        if (value != NULL && strcmp(words[i], value) == 0)
            return i;
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i > 0 ? ", " : "", words[i]);
    }
    return config_fail(cfg, "'%s' is \"%s\"; it must be one of %s", key, value ? value : "", all);
}

int config_zone(const struct rules *r, cfg_t *cfg, const char *key, uint16_t *out)
{
    const char *name = cfg_getstr(cfg, key);

    for (size_t i = 0; name != NULL && i < r->zone_count; i++) {
        if (strcmp(r->zone[i].name, name) == 0) {
            *out = (uint16_t)(i + 1);
            return 0;
        }
    }
    return config_fail(cfg, "'%s': no zone is called \"%s\"", key, name != NULL ? name : "");
}

static enum backend backend_asked;

static cfg_opt_t wire_opts[] = {CFG_STR("backend", "af-xdp", CFGF_NONE),
                                CFG_STR("left", NULL, CFGF_NODEFAULT),
                                CFG_STR("right", NULL, CFGF_NODEFAULT),
                                CFG_STR("left-zone", NULL, CFGF_NODEFAULT),
                                CFG_STR("right-zone", NULL, CFGF_NODEFAULT),
                                CFG_INT("redundancy-group", -1, CFGF_NONE),
                                CFG_STR_LIST("left-address", NULL, CFGF_NODEFAULT),
                                CFG_STR_LIST("right-address", NULL, CFGF_NODEFAULT),
                                CFG_END()};
static cfg_opt_t timeout_opts[] = {CFG_INT("tcp-initial", 20, CFGF_NONE),
                                   CFG_INT("tcp-established", 1800, CFGF_NONE),
                                   CFG_INT("tcp-half-closed", 150, CFGF_NONE),
                                   CFG_INT("tcp-closing", 2, CFGF_NONE),
                                   CFG_INT("udp-initial", 20, CFGF_NONE),
                                   CFG_INT("udp", 60, CFGF_NONE),
                                   CFG_INT("icmp", 10, CFGF_NONE),
                                   CFG_INT("other", 60, CFGF_NONE),
                                   CFG_END()};
static cfg_opt_t opts[] = {
    CFG_STR("ring", NULL, CFGF_NODEFAULT),
    CFG_INT("node", -1, CFGF_NONE),
    CFG_INT("redundancy-group", 1, CFGF_NONE),
    CFG_STR("mode", "auto", CFGF_NONE),
    CFG_STR("pin", "/sys/fs/bpf/evrep/events", CFGF_NONE),
    CFG_INT("event-rate", 1000, CFGF_NONE),
    CFG_INT("queues", 0, CFGF_NONE),
    CFG_INT("sessions", 65536, CFGF_NONE),
    CFG_BOOL("tcp-syn-check", cfg_false, CFGF_NONE),
    CFG_BOOL("policy-rematch", cfg_false, CFGF_NONE),
    CFG_SEC("timeouts", timeout_opts, CFGF_NONE),
    CFG_SEC("wire", wire_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_SEC("zone", config_zone_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_SEC("address", config_address_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_SEC("application", config_application_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_SEC("policy", config_policy_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_SEC("filter", config_filter_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_SEC("nat", config_nat_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_END()};

/* ---- wires ---- */

static int read_locals(cfg_t *w, const char *key, struct wire_end *end)
{
    unsigned n = cfg_size(w, key);

    if (n > LOCALS_MAX)
        return config_fail(w, "'%s' has %u entries, at most %d are allowed", key, n, LOCALS_MAX);
    for (unsigned i = 0; i < n; i++) {
        struct prefix *x = &end->local[i];

        if (prefix_parse(x, cfg_getnstr(w, key, i)) != 0 ||
            x->bits != (x->family == FAMILY_V4 ? 32 : 128))
            return config_fail(w, "'%s': \"%s\" is not an address", key, cfg_getnstr(w, key, i));
    }
    end->local_count = (uint8_t)n;
    return 0;
}

static int read_wire(struct evdp_config *c, cfg_t *w, struct wire_config *out, struct wire_end *end)
{
    long group = cfg_getint(w, "redundancy-group");

    if (config_copy(w, "wire", cfg_title(w), out->name, sizeof(out->name)) != 0 ||
        config_copy(w, "left", cfg_getstr(w, "left"), out->left, sizeof(out->left)) != 0 ||
        config_copy(w, "right", cfg_getstr(w, "right"), out->right, sizeof(out->right)) != 0 ||
        config_zone(&c->rules, w, "left-zone", &end[0].zone) != 0 ||
        config_zone(&c->rules, w, "right-zone", &end[1].zone) != 0)
        return -1;
    if (group < -1 || group > 127)
        return config_fail(w, "'redundancy-group' is %ld; it must be 0 to 127", group);
    end[0].group = end[1].group = (uint8_t)(group < 0 ? (long)c->group : group);
    return read_locals(w, "left-address", &end[0]) != 0 ? -1
                                                        : read_locals(w, "right-address", &end[1]);
}

/* An interface is one end of one wire, and so has one source of decisions. */
static int check_interface(cfg_t *w, const struct wire_config *all, size_t count, const char *name)
{
    unsigned used = 0;

    for (size_t i = 0; i < count; i++)
        used += (strcmp(all[i].left, name) == 0) + (strcmp(all[i].right, name) == 0);
    return used == 1 ? 0
                     : config_fail(w,
                                   "interface %s is used twice: it is the end of one wire, which "
                                   "one backend decides for",
                                   name);
}

/* The number of the backend's wires so far, one more when this is one; -1. */
static int read_one_wire(struct evdp_config *c, cfg_t *w, struct wire_config *all, size_t i)
{
    static const char *const backends[] = {"af-xdp", "ebpf", NULL};
    int backend = config_word(w, "backend", cfg_getstr(w, "backend"), backends);
    size_t n = c->rules.wire_count;

    if (backend < 0 || read_wire(c, w, &all[i], &c->rules.end[2 * n]) != 0 ||
        check_interface(w, all, i + 1, all[i].left) != 0 ||
        check_interface(w, all, i + 1, all[i].right) != 0)
        return -1;
    if ((enum backend)backend != backend_asked)
        return 0;
    c->wire[n] = all[i];
    c->rules.wire_count++;
    return 0;
}

static int read_wires(struct evdp_config *c, cfg_t *cfg)
{
    struct wire_config all[WIRES_MAX] = {0};
    size_t n = cfg_size(cfg, "wire");

    if (n < 1 || n > WIRES_MAX)
        return config_fail(cfg, "1 to %d 'wire' sections are needed, there are %zu", WIRES_MAX, n);
    for (size_t i = 0; i < n; i++) {
        if (read_one_wire(c, cfg_getnsec(cfg, "wire", (unsigned)i), all, i) != 0)
            return -1;
    }
    if (c->rules.wire_count == 0)
        return config_fail(cfg, "no wire has backend = %s: the other program decides for all",
                           backend_asked == BACKEND_EBPF ? "ebpf" : "af-xdp");
    memset(&c->rules.end[2 * c->rules.wire_count], 0,
           (PORTS_MAX - 2 * c->rules.wire_count) * sizeof(c->rules.end[0]));
    return 0;
}

/* ---- the rest ---- */

static int read_timeouts(struct timeouts *t, cfg_t *cfg)
{
    cfg_t *s = cfg_getsec(cfg, "timeouts");
    const struct {
        const char *key;
        uint64_t *ns;
    } all[] = {{"tcp-initial", &t->tcp_initial},
               {"tcp-established", &t->tcp_established},
               {"tcp-half-closed", &t->tcp_half_closed},
               {"tcp-closing", &t->tcp_closing},
               {"udp-initial", &t->udp_initial},
               {"udp", &t->udp},
               {"icmp", &t->icmp},
               {"other", &t->other}};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        uint32_t seconds;

        if (config_number(s, all[i].key, 1, 86400, &seconds) != 0)
            return -1;
        *all[i].ns = seconds * 1000000000ull;
    }
    return 0;
}

static int read_places(struct evdp_config *c, cfg_t *cfg)
{
    const char *wrong, *file;

    if (config_copy(cfg, "ring", cfg_getstr(cfg, "ring"), c->ring, sizeof(c->ring)) != 0 ||
        config_copy(cfg, "pin", cfg_getstr(cfg, "pin"), c->pin, sizeof(c->pin) - 16) != 0)
        return -1;
    wrong = evhooks_name_wrong(c->ring);
    if (wrong != NULL)
        return config_fail(cfg, "'ring' %s", wrong);
    file = strrchr(c->pin, '/');
    if (c->pin[0] != '/' || file[1] == '\0' || strchr(file, '.') != NULL)
        return config_fail(cfg,
                           "'pin' is \"%s\"; it must be the path of a file of a bpffs, whose name "
                           "has no dot",
                           c->pin);
    return 0;
}

static int read_globals(struct evdp_config *c, cfg_t *cfg)
{
    static const char *const modes[] = {"auto", "native", "generic", NULL};
    int mode = config_word(cfg, "mode", cfg_getstr(cfg, "mode"), modes);
    uint32_t node, group;

    if (cfg_getint(cfg, "node") < 0) /* No number is. */
        return config_fail(cfg, "'node' is missing: this node's number, 0 or 1, as evrepd has it");
    if (mode < 0 || config_number(cfg, "node", 0, 1, &node) != 0 ||
        config_number(cfg, "redundancy-group", 0, 127, &group) != 0 ||
        config_number(cfg, "event-rate", 0, INT32_MAX, &c->rate_per_s) != 0 ||
        config_number(cfg, "queues", 0, QUEUES_MAX, &c->queues) != 0 ||
        config_number(cfg, "sessions", 1024, 1 << 24, &c->sessions) != 0)
        return -1;
    c->mode = (enum evdp_mode)mode;
    c->node = (uint8_t)node;
    c->group = group;
    c->rules.syn_check = cfg_getbool(cfg, "tcp-syn-check");
    c->rules.policy_rematch = cfg_getbool(cfg, "policy-rematch");
    return read_places(c, cfg);
}

static int read_all(struct evdp_config *c, cfg_t *cfg)
{
    if (read_globals(c, cfg) != 0 || read_timeouts(&c->rules.timeout, cfg) != 0 ||
        config_zones(&c->rules, cfg) != 0 || read_wires(c, cfg) != 0 ||
        config_addresses(cfg) != 0 || config_applications(c, cfg) != 0 ||
        config_policies(c, cfg) != 0 || config_filters(c, cfg) != 0 || config_nats(c, cfg) != 0)
        return -1;
    if (rules_compile(&c->rules) != 0)
        return config_fail(cfg,
                           "the rules are too many for their tables (512 MiB for a zone pair)");
    return 0;
}

static int refuse_twice(cfg_t *section, cfg_opt_t *opt)
{
    return config_is_given_twice(opt)
               ? config_fail(section, "'%s' is given twice: take one of them out", opt->name)
               : 0;
}

/* Before cfg_init() copies them. */
static void watch(cfg_opt_t *o)
{
    for (; o->name != NULL; o++) {
        o->validcb = refuse_twice;
        if (o->type == CFGT_INT)
            o->parsecb = config_parse_number;
        if (o->subopts != NULL)
            watch(o->subopts);
    }
}

/* A list that asks for nothing would match everything: whoever takes the last address out of one
 * must not open it.  CFGF_RESET: it was given, and has no value. */
static int refuse_empty_lists(cfg_t *cfg)
{
    for (cfg_opt_t *o = cfg->opts; o->name != NULL; o++) {
        if ((o->flags & CFGF_LIST) && (o->flags & CFGF_RESET) && cfg_opt_size(o) == 0)
            return config_fail(cfg, "'%s' is an empty list: name what it is of, or leave it out",
                               o->name);
        for (unsigned i = 0; o->type == CFGT_SEC && i < cfg_opt_size(o); i++) {
            if (refuse_empty_lists(cfg_opt_getnsec(o, i)) != 0)
                return -1;
        }
    }
    return 0;
}

int evdp_config_load(struct evdp_config *c, const char *path, char *err, size_t err_size)
{
    return evdp_config_load_for(c, BACKEND_AF_XDP, path, err, err_size);
}

int evdp_config_load_for(struct evdp_config *c, enum backend backend, const char *path, char *err,
                         size_t err_size)
{
    cfg_t *cfg;
    int rc;

    watch(opts);
    cfg = cfg_init(opts, CFGF_NONE);
    memset(c, 0, sizeof(*c));
    backend_asked = backend;
    error_path = path;
    error_at = err;
    error_size = err_size;
    err[0] = '\0';
    cfg_set_error_function(cfg, on_error);
    rc = config_parse_file(cfg, path, err, err_size);
    if (rc == 0)
        rc = refuse_empty_lists(cfg) == 0 ? read_all(c, cfg) : -1;
    cfg_free(cfg);
    if (rc != 0)
        evdp_config_free(c);
    return rc;
}

void evdp_config_free(struct evdp_config *c)
{
    rules_discard_compiled(&c->rules);
    while (c->blocks != NULL) {
        struct config_block *b = c->blocks;

        c->blocks = b->next;
        free(b);
    }
}
