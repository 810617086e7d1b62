/* The `source` sections. */
#include "config.h"
#include "config_parts.h"
#include "evhooks.h"
#include "names.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cfg_opt_t config_source_opts[] = {CFG_STR("type", "ring", CFGF_NONE),
                                  CFG_STR("ring", NULL, CFGF_NODEFAULT),
                                  CFG_STR("socket", NULL, CFGF_NODEFAULT),
                                  CFG_STR("pin", NULL, CFGF_NODEFAULT),
                                  CFG_STR_LIST("interfaces", NULL, CFGF_NODEFAULT),
                                  CFG_STR("names", NULL, CFGF_NODEFAULT),
                                  CFG_INT("hole-ms", 250, CFGF_NONE),
                                  CFG_END()};

static const char *const types[] = {"ring", "event-stream", "bpf-ringbuf", NULL};

static const struct {
    const char *key;
    enum config_source_type type; /* The only one that has it, */
    bool others;                  /* or the only one that has it not. */
} only_for[] = {
    {"ring", SOURCE_TYPE_RING, false},        {"socket", SOURCE_TYPE_STREAM, false},
    {"hole-ms", SOURCE_TYPE_STREAM, false},   {"pin", SOURCE_TYPE_BPF, false},
    {"interfaces", SOURCE_TYPE_STREAM, true}, {"names", SOURCE_TYPE_RING, true},
};

static int refuse_keys_of_others(cfg_t *s, enum config_source_type type)
{
    for (size_t i = 0; i < sizeof(only_for) / sizeof(only_for[0]); i++) {
        const cfg_opt_t *o = cfg_getopt(s, only_for[i].key);

        if (o != NULL && (o->flags & CFGF_MODIFIED) != 0 &&
            (only_for[i].type == type) == only_for[i].others)
            return config_fail(s, "'%s' is nothing that a source of type %s has", only_for[i].key,
                               types[type]);
    }
    return 0;
}

static int read_ring(struct config *c, cfg_t *s)
{
    const char *wrong;

    if (c->ring[0] != '\0')
        return config_fail(s, "a second source of type ring: dataplanes of a node share one ring, "
                              "so that their events have one order");
    if (config_copy(s, "ring", cfg_getstr(s, "ring"), c->ring, sizeof(c->ring)) != 0)
        return -1;
    wrong = evhooks_name_wrong(c->ring);
    return wrong == NULL ? 0 : config_fail(s, "'ring' %s", wrong);
}

static int read_stream(cfg_t *s, struct config_source *o)
{
    if (config_copy(s, "socket", cfg_getstr(s, "socket"), o->path, sizeof(o->path)) != 0 ||
        config_socket(s, "socket", o->path) != 0)
        return -1;
    return config_number(s, "hole-ms", 20, 60000, &o->hole_ms);
}

static int read_bpf(cfg_t *s, struct config_source *o)
{
    if (config_copy(s, "pin", cfg_getstr(s, "pin"), o->path, sizeof(o->path) - 16) != 0)
        return -1;
    return o->path[0] == '/' ? 0 : config_fail(s, "'pin' is a path from the root of a bpffs");
}

/* 0, or -1: another source decides for this interface, so that records of it would be there twice.
 */
static int check_interface(const struct config *c, cfg_t *s, const struct config_source *o,
                           const char *name)
{
    for (const struct config_source *x = c->source; x <= o; x++) {
        for (size_t k = 0; k < x->interface_count; k++) {
            if (strcmp(x->interface[k], name) == 0)
                return config_fail(s,
                                   "interface %s is of source \"%s\" already: exactly one source "
                                   "decides for an interface, take it out of one of them",
                                   name, x->name);
        }
    }
    return 0;
}

static int read_interfaces(const struct config *c, cfg_t *s, struct config_source *o)
{
    unsigned n = cfg_size(s, "interfaces");

    if (n > SOURCE_INTERFACES_MAX)
        return config_fail(s, "'interfaces' has %u entries, at most %d are allowed", n,
                           SOURCE_INTERFACES_MAX);
    for (unsigned i = 0; i < n; i++) {
        const char *name = cfg_getnstr(s, "interfaces", i);

        if (check_interface(c, s, o, name) != 0 ||
            config_copy(s, "interfaces", name, o->interface[i], sizeof(o->interface[i])) != 0)
            return -1;
        o->interface_count++;
    }
    return 0;
}

static int read_source(struct config *c, cfg_t *s, struct config_source *o)
{
    int type = config_word(s, "type", cfg_getstr(s, "type"), types);

    if (type < 0 || config_title(s, o->name, sizeof(o->name)) != 0)
        return -1;
    o->type = (enum config_source_type)type;
    if (refuse_keys_of_others(s, o->type) != 0)
        return -1;
    if (cfg_getstr(s, "names") != NULL &&
        config_copy(s, "names", cfg_getstr(s, "names"), o->names, sizeof(o->names)) != 0)
        return -1;
    if (read_interfaces(c, s, o) != 0)
        return -1;
    if (type == SOURCE_TYPE_BPF)
        return read_bpf(s, o);
    return type == SOURCE_TYPE_RING ? read_ring(c, s) : read_stream(s, o);
}

/* Written in whatever way, as far as its folder is there. */
static bool is_same_place(const char *a, const char *b)
{
    char at[2][PATH_MAX];
    const char *path[2] = {a, b}, *name[2];

    for (int i = 0; i < 2; i++) {
        char folder[PATH_MAX];

        name[i] = strrchr(path[i], '/');
        snprintf(folder, sizeof(folder), "%.*s/", name[i] != NULL ? (int)(name[i] - path[i]) : 0,
                 path[i]);
        if (name[i] == NULL || realpath(folder, at[i]) == NULL)
            return strcmp(a, b) == 0;
    }
    return strcmp(at[0], at[1]) == 0 && strcmp(name[0], name[1]) == 0;
}

/* Two with one socket, or one pin, are one dataplane's records counted as two; and what a helper
 * sends to the control socket is no request. */
static int refuse_twice(struct config *c, cfg_t *s, size_t i)
{
    if (c->source[i].type == SOURCE_TYPE_STREAM &&
        is_same_place(c->control_socket, c->source[i].path))
        return config_fail(s, "'socket' is the 'control-socket' too, %s: give it a path of its own",
                           c->source[i].path);
    for (size_t k = 0; k < i; k++) {
        if (c->source[i].path[0] != '\0' && is_same_place(c->source[k].path, c->source[i].path))
            return config_fail(s,
                               "sources \"%s\" and \"%s\" read the same %s: each record would be "
                               "there twice",
                               c->source[k].name, c->source[i].name, c->source[i].path);
    }
    return 0;
}

/* Every record takes its place in a ring; without a dataplane's it is one of our own. */
static void name_own_ring(struct config *c)
{
    uint32_t h = names_generation((const uint8_t *)c->state_dir, strlen(c->state_dir));

    snprintf(c->ring, sizeof(c->ring), "evrepd-%08" PRIx32, h);
}

int config_read_sources(struct config *c, cfg_t *cfg)
{
    c->source_count = cfg_size(cfg, "source");
    if (c->source_count < 1 || c->source_count > SOURCES_MAX)
        return config_fail(cfg, "1 to %d 'source' sections are needed, there are %zu", SOURCES_MAX,
                           c->source_count);
    for (size_t i = 0; i < c->source_count; i++) {
        cfg_t *s = cfg_getnsec(cfg, "source", (unsigned)i);

        if (read_source(c, s, &c->source[i]) != 0 || refuse_twice(c, s, i) != 0)
            return -1;
    }
    if (c->ring[0] == '\0')
        name_own_ring(c);
    return 0;
}
