#include "config.h"

#include <confuse.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char *error_at;
static _Thread_local size_t error_size;

static void on_error(cfg_t *cfg, const char *format, va_list ap)
{
    int n;

    if (error_at[0] != '\0')
        return; /* The first one says it. */
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

static cfg_opt_t link_opts[] = {CFG_STR("local", NULL, CFGF_NODEFAULT),
                                CFG_STR("remote", NULL, CFGF_NODEFAULT), CFG_END()};
static cfg_opt_t peer_opts[] = {
    CFG_STR("key-file", NULL, CFGF_NODEFAULT),
    CFG_SEC("link", link_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_INT("heartbeat-ms", 100, CFGF_NONE),
    CFG_INT("dead-after-ms", 500, CFGF_NONE),
    CFG_INT("lease-ms", 300, CFGF_NONE),
    CFG_END()};
static cfg_opt_t group_opts[] = {CFG_INT("priority", 100, CFGF_NONE),
                                 CFG_BOOL("preempt", cfg_false, CFGF_NONE), CFG_END()};
static cfg_opt_t source_opts[] = {CFG_STR("type", "ring", CFGF_NONE),
                                  CFG_STR("ring", NULL, CFGF_NODEFAULT), CFG_END()};
static cfg_opt_t sink_opts[] = {
    CFG_STR("type", NULL, CFGF_NODEFAULT),    CFG_STR("transport", "tcp", CFGF_NONE),
    CFG_STR("address", NULL, CFGF_NODEFAULT), CFG_STR("path", NULL, CFGF_NODEFAULT),
    CFG_STR("format", "rfc5424", CFGF_NONE),  CFG_STR("facility", NULL, CFGF_NODEFAULT),
    CFG_STR("in-doubt", "resend", CFGF_NONE), CFG_STR("framing", "octet-counting", CFGF_NONE),
    CFG_STR("tag", "inline", CFGF_NONE),      CFG_INT("window", 1024, CFGF_NONE),
    CFG_INT("hold-ms", 30000, CFGF_NONE),     CFG_END()};
static cfg_opt_t opts[] = {
    CFG_INT("node", -1, CFGF_NONE),
    CFG_INT("cluster-id", 0, CFGF_NONE),
    CFG_STR("hostname", NULL, CFGF_NODEFAULT),
    CFG_STR("state-dir", "/var/lib/evrep", CFGF_NONE),
    CFG_STR("control-socket", "/run/evrep/evrep.sock", CFGF_NONE),
    CFG_STR("durability", "process", CFGF_NONE),
    CFG_INT("journal-limit-mib", 0, CFGF_NONE),
    CFG_SEC("peer", peer_opts, CFGF_NODEFAULT),
    CFG_SEC("redundancy-group", group_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_SEC("source", source_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_SEC("sink", sink_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_END()};

static int copy(cfg_t *cfg, const char *key, const char *value, char *out, size_t size)
{
    if (value == NULL || value[0] == '\0')
        return fail(cfg, "'%s' is missing; it has no default", key);
    if (strlen(value) >= size)
        return fail(cfg, "'%s' is too long: at most %zu bytes", key, size - 1);
    strcpy(out, value);
    return 0;
}

static int number(cfg_t *cfg, const char *key, long min, long max, uint64_t *out)
{
    long v = cfg_getint(cfg, key);

    if (v < min || v > max)
        return fail(cfg, "'%s' is %ld; it must be %ld to %ld", key, v, min, max);
    *out = (uint64_t)v;
    return 0;
}

/* The index of a word in a list that ends with NULL. */
static int word(cfg_t *cfg, const char *key, const char *value, const char *const *words)
{
    char all[128] = "";

    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(value, words[i]) == 0)
            return i;
        strncat(all, i > 0 ? ", " : "", sizeof(all) - strlen(all) - 1);
        strncat(all, words[i], sizeof(all) - strlen(all) - 1);
    }
    return fail(cfg, "'%s' is \"%s\"; it must be one of %s", key, value, all);
}

static int read_links(struct config *c, cfg_t *peer)
{
    c->link_count = cfg_size(peer, "link");
    if (c->link_count < 1 || c->link_count > CLUSTER_LINKS_MAX)
        return fail(peer, "a peer has one or two 'link' sections, not %zu", c->link_count);
    for (size_t i = 0; i < c->link_count; i++) {
        cfg_t *l = cfg_getnsec(peer, "link", (unsigned)i);

        if (copy(l, "link", cfg_title(l), c->link[i].name, sizeof(c->link[i].name)) != 0 ||
            copy(l, "local", cfg_getstr(l, "local"), c->link[i].local, sizeof(c->link[i].local)) !=
                0 ||
            copy(l, "remote", cfg_getstr(l, "remote"), c->link[i].remote,
                 sizeof(c->link[i].remote)) != 0)
            return -1;
        if (strcmp(c->link[i].local, c->link[i].remote) == 0)
            return fail(l, "link \"%s\": local and remote are the same address", c->link[i].name);
    }
    return 0;
}

static int read_peer(struct config *c, cfg_t *cfg)
{
    cfg_t *peer = cfg_size(cfg, "peer") > 0 ? cfg_getsec(cfg, "peer") : NULL;

    c->heartbeat_ms = 100;
    c->dead_after_ms = 500;
    c->lease_ms = 300;
    if (peer == NULL)
        return 0;
    c->has_peer = true;
    if (copy(peer, "key-file", cfg_getstr(peer, "key-file"), c->key_file, sizeof(c->key_file)) !=
            0 ||
        number(peer, "heartbeat-ms", 10, 10000, &c->heartbeat_ms) != 0 ||
        number(peer, "dead-after-ms", 50, 60000, &c->dead_after_ms) != 0 ||
        number(peer, "lease-ms", 20, 60000, &c->lease_ms) != 0)
        return -1;
    if (c->heartbeat_ms * 2 > c->dead_after_ms)
        return fail(peer, "'heartbeat-ms' must be at most half of 'dead-after-ms'");
    if (c->lease_ms >= c->dead_after_ms)
        return fail(peer, "'lease-ms' must be below 'dead-after-ms'");
    return read_links(c, peer);
}

static int read_groups(struct config *c, cfg_t *cfg)
{
    c->group_count = cfg_size(cfg, "redundancy-group");
    if (c->group_count > CLUSTER_GROUPS_MAX)
        return fail(cfg, "at most %d redundancy groups", CLUSTER_GROUPS_MAX);
    for (size_t i = 0; i < c->group_count; i++) {
        cfg_t *g = cfg_getnsec(cfg, "redundancy-group", (unsigned)i);
        uint64_t priority = 0;
        char *end;
        long id = strtol(cfg_title(g), &end, 10);

        if (*end != '\0' || id < 0 || id > 127)
            return fail(g, "redundancy-group \"%s\": its title is a number, 0 to 127",
                        cfg_title(g));
        if (number(g, "priority", 0, 255, &priority) != 0)
            return -1;
        c->group[i].id = (uint8_t)id;
        c->group[i].priority = (uint16_t)priority;
        c->group[i].preempt = cfg_getbool(g, "preempt");
    }
    return c->group_count > 0 ? 0 : fail(cfg, "no 'redundancy-group' section; one is needed");
}

static int read_source(struct config *c, cfg_t *cfg)
{
    static const char *const types[] = {"ring", NULL};
    cfg_t *s;

    if (cfg_size(cfg, "source") != 1)
        return fail(cfg, "one 'source' section is needed, there are %u", cfg_size(cfg, "source"));
    s = cfg_getnsec(cfg, "source", 0);
    if (word(s, "type", cfg_getstr(s, "type"), types) < 0)
        return -1;
    if (copy(s, "ring", cfg_getstr(s, "ring"), c->ring, sizeof(c->ring)) != 0)
        return -1;
    return strchr(c->ring, '/') == NULL ? 0 : fail(s, "'ring' is a name, without a slash");
}

static int read_sink_words(cfg_t *s, struct config_sink *o)
{
    static const char *const formats[] = {"rfc5424", "structured", "standard", "binary", NULL};
    static const char *const tags[] = {"inline", "element", "false", NULL};
    static const char *const policies[] = {"resend", "hold", "skip", NULL};
    static const char *const framings[] = {"octet-counting", "newline", NULL};
    static const char *const facilities[] = {
        "kern",   "user",     "mail",   "daemon", "auth",   "syslog", "lpr",   "news",   "uucp",
        "cron",   "authpriv", "ftp",    "ntp",    "audit",  "alert",  "clock", "local0", "local1",
        "local2", "local3",   "local4", "local5", "local6", "local7", NULL};
    int format = word(s, "format", cfg_getstr(s, "format"), formats);
    int tag = word(s, "tag", cfg_getstr(s, "tag"), tags);
    int policy = word(s, "in-doubt", cfg_getstr(s, "in-doubt"), policies);
    int framing = word(s, "framing", cfg_getstr(s, "framing"), framings);
    const char *facility = cfg_getstr(s, "facility");
    int code = facility != NULL ? word(s, "facility", facility, facilities) : 0;

    if (format < 0 || tag < 0 || policy < 0 || framing < 0 || code < 0)
        return -1;
    o->format = (enum render_format)format;
    o->tag = (enum render_tag)tag;
    o->policy = (enum in_doubt_policy)policy;
    o->newline = framing == 1;
    o->facility = (uint8_t)code;
    o->facility_set = facility != NULL;
    return 0;
}

static int read_sink(cfg_t *s, struct config_sink *o)
{
    static const char *const types[] = {"syslog", "file", NULL};
    static const char *const transports[] = {"tcp", NULL};
    const char *type = cfg_getstr(s, "type") != NULL ? cfg_getstr(s, "type") : "";
    uint64_t window = 0;

    if (copy(s, "sink", cfg_title(s), o->name, sizeof(o->name)) != 0 ||
        word(s, "type", type, types) < 0 || read_sink_words(s, o) != 0 ||
        number(s, "window", 16, 8192, &window) != 0 ||
        number(s, "hold-ms", 0, 86400000, &o->hold_ms) != 0)
        return -1;
    o->window = (uint32_t)window;
    snprintf(o->type, sizeof(o->type), "%s", type);
    if (strcmp(type, "file") == 0) {
        if (o->format == FORMAT_BINARY)
            return fail(s, "'format' of a file is one of lines: rfc5424, structured or standard");
        o->newline = true;
        return copy(s, "path", cfg_getstr(s, "path"), o->path, sizeof(o->path));
    }
    if (word(s, "transport", cfg_getstr(s, "transport"), transports) < 0)
        return -1;
    snprintf(o->transport, sizeof(o->transport), "%s", cfg_getstr(s, "transport"));
    return copy(s, "address", cfg_getstr(s, "address"), o->address, sizeof(o->address));
}

static int read_sinks(struct config *c, cfg_t *cfg)
{
    c->sink_count = cfg_size(cfg, "sink");
    if (c->sink_count < 1 || c->sink_count > SINK_COUNT_MAX)
        return fail(cfg, "1 to %d 'sink' sections are needed, there are %zu", SINK_COUNT_MAX,
                    c->sink_count);
    for (size_t i = 0; i < c->sink_count; i++) {
        cfg_t *s = cfg_getnsec(cfg, "sink", (unsigned)i);

        if (read_sink(s, &c->sink[i]) != 0)
            return -1;
        for (size_t k = 0; k < i; k++) {
            if (sink_key(c->sink[k].name) == sink_key(c->sink[i].name))
                return fail(s, "sinks \"%s\" and \"%s\" have one key: rename one", c->sink[k].name,
                            c->sink[i].name);
        }
    }
    return 0;
}

static int hostname_fits(cfg_t *cfg, const char *name)
{
    for (; *name != '\0'; name++) {
        /* Brackets: parsers look for a line's element between the first and the last. */
        if (*name <= ' ' || *name > '~' || *name == '[' || *name == ']')
            return fail(cfg, "'hostname' has a character that syslog or its parsers do not allow");
    }
    return 0;
}

static int read_all(struct config *c, cfg_t *cfg)
{
    static const char *const durabilities[] = {"process", "power", NULL};
    int durability = word(cfg, "durability", cfg_getstr(cfg, "durability"), durabilities);
    uint64_t node = 0, cluster = 0, limit = 0;

    if (durability < 0 || number(cfg, "node", 0, 1, &node) != 0 ||
        number(cfg, "cluster-id", 0, 65535, &cluster) != 0 ||
        number(cfg, "journal-limit-mib", 0, 1 << 20, &limit) != 0 ||
        copy(cfg, "hostname", cfg_getstr(cfg, "hostname"), c->hostname, sizeof(c->hostname)) != 0 ||
        hostname_fits(cfg, c->hostname) != 0 ||
        copy(cfg, "state-dir", cfg_getstr(cfg, "state-dir"), c->state_dir, sizeof(c->state_dir)) !=
            0 ||
        copy(cfg, "control-socket", cfg_getstr(cfg, "control-socket"), c->control_socket,
             sizeof(c->control_socket)) != 0)
        return -1;
    c->node = (uint8_t)node;
    c->cluster_id = (uint32_t)cluster;
    c->journal_limit = limit << 20;
    c->durability_power = durability == 1;
    if (read_peer(c, cfg) != 0 || read_groups(c, cfg) != 0 || read_source(c, cfg) != 0)
        return -1;
    return read_sinks(c, cfg);
}

int config_load(struct config *c, const char *path, char *err, size_t err_size)
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

/* ---- as its users want it ---- */

void config_render_options(const struct config *c, const struct config_sink *s,
                           struct render_options *out)
{
    *out = (struct render_options){
        .format = s->format,
        .tag = s->tag,
        .facility = s->facility,
        .facility_set = s->facility_set,
    };
    memcpy(out->hostname, c->hostname, sizeof(out->hostname));
}

void config_sink_options(const struct config_sink *s, struct sink_options *out)
{
    *out = (struct sink_options){
        .name = s->name,
        .type = s->type,
        .address = s->address,
        .path = s->path,
        .newline = s->newline && s->format != FORMAT_BINARY,
        .bare = s->format == FORMAT_BINARY,
    };
}

enum in_doubt_policy config_sink_policy(const struct config_sink *s)
{
    return s->policy;
}

bool config_sink_answers(const struct config_sink *s)
{
    return strcmp(s->type, "file") == 0 && s->tag != TAG_NONE;
}

int config_cluster(const struct config *c, struct cluster **out, uint64_t now_ns)
{
    struct cluster_options o = {
        .node = c->node,
        .has_peer = c->has_peer,
        .boot_id = now_ns,
        .heartbeat_ns = c->heartbeat_ms * 1000000ull,
        .dead_ns = c->dead_after_ms * 1000000ull,
        .link_count = c->link_count,
        .group_count = c->group_count,
    };

    *out = malloc(sizeof(**out));
    if (*out == NULL)
        return -1;
    for (size_t i = 0; i < c->group_count; i++) {
        o.group[i].id = c->group[i].id;
        o.group[i].priority = c->group[i].priority;
        o.group[i].preempt = c->group[i].preempt;
    }
    cluster_init(*out, &o, now_ns);
    return 0;
}
