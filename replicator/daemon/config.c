#include "config.h"
#include "handshake.h"
#include "config_file.h"
#include "config_parts.h"
#include "key.h"

#include <errno.h>
#include <grp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static _Thread_local char *error_at;
static _Thread_local size_t error_size;

static void say(const cfg_t *cfg, int line, const char *text)
{
    const char *file = cfg->filename != NULL ? cfg->filename : "configuration";

    if (error_at[0] != '\0')
        return; /* The first one says it. */
    if (line > 0)
        snprintf(error_at, error_size, "%s:%d: %s", file, line, text);
    else
        snprintf(error_at, error_size, "%s: %s", file, text);
}

static void on_error(cfg_t *cfg, const char *format, va_list ap)
{
    char text[768];

    vsnprintf(text, sizeof(text), format, ap);
    say(cfg, cfg->line, text);
}

int config_fail(cfg_t *cfg, const char *format, ...)
{
    char text[768];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    say(cfg, config_line(cfg, text), text);
    return -1;
}

int config_fail_at(cfg_t *cfg, int line, const char *format, ...)
{
    char text[768];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    say(cfg, line, text);
    return -1;
}

static cfg_opt_t peer_opts[] = {
    CFG_STR("key-file", NULL, CFGF_NODEFAULT),
    CFG_STR("accept-key-file", NULL, CFGF_NODEFAULT),
    CFG_INT("wire-version", LINK_VERSION, CFGF_NONE),
    CFG_INT("renew-s", 3600, CFGF_NONE),
    CFG_SEC("link", config_link_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_INT("heartbeat-ms", 100, CFGF_NONE),
    CFG_INT("dead-after-ms", 500, CFGF_NONE),
    CFG_INT("lease-ms", 300, CFGF_NONE),
    CFG_INT("handover-after-ms", 2000, CFGF_NONE),
    CFG_END()};
static cfg_opt_t opts[] = {
    CFG_INT("node", -1, CFGF_NONE),
    CFG_INT("cluster-id", 0, CFGF_NONE),
    CFG_STR("hostname", NULL, CFGF_NODEFAULT),
    CFG_STR("state-dir", "/var/lib/evrep", CFGF_NONE),
    CFG_STR("control-socket", "/run/evrep/evrep.sock", CFGF_NONE),
    CFG_STR("control-group", "", CFGF_NONE),
    CFG_STR("metrics", "", CFGF_NONE),
    CFG_STR("durability", "process", CFGF_NONE),
    CFG_STR("scheduling", "normal", CFGF_NONE),
    CFG_INT("journal-limit-mib", 0, CFGF_NONE),
    CFG_STR("journal-full", "refuse", CFGF_NONE),
    CFG_INT("journal-keep-mib", 0, CFGF_NONE),
    CFG_SEC("peer", peer_opts, CFGF_NODEFAULT),
    CFG_SEC("redundancy-group", config_group_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_SEC("fence", config_fence_opts, CFGF_NODEFAULT),
    CFG_SEC("source", config_source_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_SEC("sink", config_sink_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_END()};

int config_copy(cfg_t *cfg, const char *key, const char *value, char *out, size_t size)
{
    if (value == NULL)
        return config_fail(cfg, "'%s' is missing; it has no default", key);
    if (value[0] == '\0')
        return config_fail(cfg, "'%s' is empty; it needs a value", key);
    for (const char *p = value; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return config_fail(cfg, "'%s' has a control character; take it out", key);
    }
    if (strlen(value) >= size)
        return config_fail(cfg, "'%s' is too long: at most %zu bytes", key, size - 1);
    strcpy(out, value);
    return 0;
}

int config_number(cfg_t *cfg, const char *key, long min, long max, uint64_t *out)
{
    long v = cfg_getint(cfg, key);

    if (v < min || v > max)
        return config_fail(cfg, "'%s' is %ld; it must be %ld to %ld", key, v, min, max);
    *out = (uint64_t)v;
    return 0;
}

/* The index of a word in a list that ends with NULL. */
int config_word(cfg_t *cfg, const char *key, const char *value, const char *const *words)
{
    char all[256] = "";

    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(value, words[i]) == 0)
            return i;
        strncat(all, i > 0 ? ", " : "", sizeof(all) - strlen(all) - 1);
        strncat(all, words[i], sizeof(all) - strlen(all) - 1);
    }
    return config_fail(cfg, "'%s' is \"%s\"; it must be one of %s", key, value, all);
}

/* Now, and not only when it is used. */
static int check_key(cfg_t *peer, const char *key, const char *path)
{
    uint8_t bytes[NOISE_KEY];
    char err[400];
    int rc = key_load(path, bytes, err, sizeof(err));

    sodium_memzero(bytes, sizeof(bytes));
    return rc == 0 ? 0 : config_fail(peer, "'%s': %s", key, err);
}

/* How the peer is spoken to: keys, wire version, age of a connection. */
static int read_peer_link(struct config *c, cfg_t *peer)
{
    const char *accept = cfg_getstr(peer, "accept-key-file");

    if (config_copy(peer, "key-file", cfg_getstr(peer, "key-file"), c->key_file,
                    sizeof(c->key_file)) != 0 ||
        check_key(peer, "key-file", c->key_file) != 0 ||
        config_number(peer, "wire-version", LINK_VERSION_OLD, LINK_VERSION, &c->wire_version) !=
            0 ||
        config_number(peer, "renew-s", 1, 7 * 86400, &c->renew_s) != 0)
        return -1;
    if (accept == NULL)
        return 0;
    if (config_copy(peer, "accept-key-file", accept, c->accept_key_file,
                    sizeof(c->accept_key_file)) != 0)
        return -1;
    return check_key(peer, "accept-key-file", c->accept_key_file);
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
    if (read_peer_link(c, peer) != 0 ||
        config_number(peer, "heartbeat-ms", 10, 10000, &c->heartbeat_ms) != 0 ||
        config_number(peer, "dead-after-ms", 50, 60000, &c->dead_after_ms) != 0 ||
        config_number(peer, "handover-after-ms", 0, 3600000, &c->handover_after_ms) != 0 ||
        config_number(peer, "lease-ms", 20, 60000, &c->lease_ms) != 0)
        return -1;
    if (c->heartbeat_ms * 2 > c->dead_after_ms)
        return config_fail(peer, "'heartbeat-ms' must be at most half of 'dead-after-ms'");
    if (c->lease_ms >= c->dead_after_ms)
        return config_fail(peer, "'lease-ms' must be below 'dead-after-ms'");
    return config_read_links(c, peer);
}

static int hostname_fits(cfg_t *cfg, const char *name)
{
    for (; *name != '\0'; name++) {
        /* Brackets: parsers look for a line's element between the first and the last. */
        if (*name <= ' ' || *name > '~' || *name == '[' || *name == ']')
            return config_fail(
                cfg, "'hostname' has a character that syslog or its parsers do not allow");
    }
    return 0;
}

/* Where it keeps and shows things. */
static int read_places(struct config *c, cfg_t *cfg)
{
    struct stat st;
    bool there;

    if (config_copy(cfg, "state-dir", cfg_getstr(cfg, "state-dir"), c->state_dir,
                    sizeof(c->state_dir)) != 0 ||
        config_copy(cfg, "control-socket", cfg_getstr(cfg, "control-socket"), c->control_socket,
                    sizeof(c->control_socket)) != 0 ||
        config_socket(cfg, "control-socket", c->control_socket) != 0 ||
        config_optional(cfg, "control-group", c->control_group, sizeof(c->control_group)) != 0)
        return -1;
    if (c->control_group[0] != '\0' && getgrnam(c->control_group) == NULL)
        return config_fail(cfg, "'control-group' is \"%s\": there is no such group; make it",
                           c->control_group);
    there = stat(c->state_dir, &st) == 0;
    if (there && !S_ISDIR(st.st_mode))
        return config_fail(cfg, "'state-dir': %s is not a folder", c->state_dir);
    if (!there || access(c->state_dir, W_OK | X_OK) != 0)
        return config_fail(cfg, "'state-dir': %s: %s: make it, for the user of evrepd",
                           c->state_dir, strerror(errno));
    if (cfg_getstr(cfg, "metrics")[0] == '\0')
        return 0;
    return config_address(cfg, "metrics", cfg_getstr(cfg, "metrics"), true, c->metrics,
                          sizeof(c->metrics));
}

static int read_node(cfg_t *cfg, uint64_t *node)
{
    if ((cfg_getopt(cfg, "node")->flags & CFGF_MODIFIED) == 0)
        return config_fail(cfg, "'node' is missing: 0 on one of the two, 1 on the other");
    return config_number(cfg, "node", 0, 1, node);
}

static int read_all(struct config *c, cfg_t *cfg)
{
    static const char *const durabilities[] = {"process", "power", NULL};
    static const char *const schedulings[] = {"normal", "realtime", NULL};
    static const char *const fulls[] = {"refuse", "oldest", NULL};
    int full = config_word(cfg, "journal-full", cfg_getstr(cfg, "journal-full"), fulls);
    int durability = config_word(cfg, "durability", cfg_getstr(cfg, "durability"), durabilities);
    int scheduling = config_word(cfg, "scheduling", cfg_getstr(cfg, "scheduling"), schedulings);
    uint64_t node = 0, cluster = 0, limit = 0, keep = 0;

    if (durability < 0 || full < 0 || scheduling < 0 || read_node(cfg, &node) != 0 ||
        config_number(cfg, "cluster-id", 0, 65535, &cluster) != 0 ||
        config_number(cfg, "journal-limit-mib", 0, 1 << 20, &limit) != 0 ||
        config_number(cfg, "journal-keep-mib", 0, 1 << 20, &keep) != 0 ||
        config_copy(cfg, "hostname", cfg_getstr(cfg, "hostname"), c->hostname,
                    sizeof(c->hostname)) != 0 ||
        hostname_fits(cfg, c->hostname) != 0 || read_places(c, cfg) != 0)
        return -1;
    c->node = (uint8_t)node;
    c->cluster_id = (uint32_t)cluster;
    c->journal_limit = limit << 20;
    c->journal_keep = keep << 20;
    if (limit != 0 && keep >= limit)
        return config_fail(cfg, "'journal-keep-mib' must be below 'journal-limit-mib'");
    if (limit != 0 && limit < JOURNAL_REFUSE_MIN_MIB)
        return config_fail(cfg,
                           "'journal-limit-mib' is %d; it must be 0, or %d and more: a journal "
                           "gives back whole files of 5.25 MiB only, and would stand still below",
                           (int)limit, JOURNAL_REFUSE_MIN_MIB);
    if (full == 1 && limit < JOURNAL_OLDEST_MIN_MIB)
        return config_fail(cfg,
                           "'journal-full = oldest' needs a 'journal-limit-mib' of at least %d",
                           JOURNAL_OLDEST_MIN_MIB);
    c->journal_oldest = full == 1;
    c->durability_power = durability == 1;
    c->realtime = scheduling == 1;
    if (read_peer(c, cfg) != 0 || config_read_groups(c, cfg) != 0 ||
        config_read_fence(c, cfg) != 0 || config_read_sources(c, cfg) != 0)
        return -1;
    return config_read_sinks(c, cfg);
}

int config_load(struct config *c, const char *path, char *err, size_t err_size)
{
    cfg_t *cfg;
    int rc;

    memset(c, 0, sizeof(*c));
    error_at = err;
    error_size = err_size;
    err[0] = '\0';
    config_lines_watch(opts);
    cfg = cfg_init(opts, CFGF_NONE);
    cfg_set_error_function(cfg, on_error);
    rc = config_parse_file(cfg, path, err, err_size) == 0 ? read_all(c, cfg) : -1;
    cfg_free(cfg);
    return rc;
}

/* ---- as its users want it ---- */
