/* The `sink` sections. */
#include "address.h"
#include "config.h"
#include "config_parts.h"
#include "contract.h"
#include "kept.h"
#include "nats_subject.h"
#include "nats_url.h"
#include "run.h"

#include <stdio.h>
#include <string.h>

cfg_opt_t config_sink_opts[] = {CFG_STR("type", NULL, CFGF_NODEFAULT),
                                CFG_STR("transport", "tcp", CFGF_NONE),
                                CFG_STR("address", NULL, CFGF_NODEFAULT),
                                CFG_STR("source", NULL, CFGF_NODEFAULT),
                                CFG_STR("path", NULL, CFGF_NODEFAULT),
                                CFG_STR("format", "rfc5424", CFGF_NONE),
                                CFG_STR("facility", NULL, CFGF_NODEFAULT),
                                CFG_STR("severity", "info", CFGF_NONE),
                                CFG_STR_LIST("categories", NULL, CFGF_NODEFAULT),
                                CFG_STR("in-doubt", "resend", CFGF_NONE),
                                CFG_STR("framing", "octet-counting", CFGF_NONE),
                                CFG_STR("tag", "inline", CFGF_NONE),
                                CFG_INT("window", 1024, CFGF_NONE),
                                CFG_INT("hold-ms", 30000, CFGF_NONE),
                                CFG_STR("ca-file", "", CFGF_NONE),
                                CFG_STR("cert-file", "", CFGF_NONE),
                                CFG_STR("key-file", "", CFGF_NONE),
                                CFG_STR("server-name", "", CFGF_NONE),
                                CFG_BOOL("verify", cfg_true, CFGF_NONE),
                                CFG_INT("datagram-limit", 4096, CFGF_NONE),
                                CFG_INT("datagram-rate", 10000, CFGF_NONE),
                                CFG_BOOL("sync", cfg_false, CFGF_NONE),
                                CFG_INT("rotate-mib", 0, CFGF_NONE),
                                CFG_INT("rotate-hours", 0, CFGF_NONE),
                                CFG_INT("rotate-keep", 10, CFGF_NONE),
                                CFG_STR("url", NULL, CFGF_NODEFAULT),
                                CFG_STR("stream", NULL, CFGF_NODEFAULT),
                                CFG_STR("subject", NULL, CFGF_NODEFAULT),
                                CFG_STR("credentials", NULL, CFGF_NODEFAULT),
                                CFG_END()};

/* What a sink is, as bits; most keys make sense for some only. */
enum kind {
    KIND_TCP = 1,
    KIND_UDP = 2,
    KIND_TLS = 4,
    KIND_RELP = 8,
    KIND_FILE = 16,
    KIND_JETSTREAM = 64
};
enum {
    KIND_SYSLOG = KIND_TCP | KIND_UDP | KIND_TLS | KIND_RELP,
    KIND_SECRET = KIND_TLS | KIND_JETSTREAM
};

static const struct {
    const char *key;
    unsigned kinds;
} only_for[] = {
    {"source", KIND_TCP},        {"transport", KIND_SYSLOG},
    {"address", KIND_SYSLOG},    {"framing", KIND_TCP | KIND_TLS},
    {"ca-file", KIND_SECRET},    {"cert-file", KIND_SECRET},
    {"key-file", KIND_SECRET},   {"server-name", KIND_SECRET},
    {"verify", KIND_SECRET},     {"datagram-limit", KIND_UDP},
    {"datagram-rate", KIND_UDP}, {"path", KIND_FILE},
    {"sync", KIND_FILE},         {"rotate-mib", KIND_FILE},
    {"rotate-hours", KIND_FILE}, {"rotate-keep", KIND_FILE},
    {"url", KIND_JETSTREAM},     {"stream", KIND_JETSTREAM},
    {"subject", KIND_JETSTREAM}, {"credentials", KIND_JETSTREAM},
};

static int refuse_keys_of_others(cfg_t *s, enum kind kind, const char *what)
{
    for (size_t i = 0; i < sizeof(only_for) / sizeof(only_for[0]); i++) {
        const cfg_opt_t *o = cfg_getopt(s, only_for[i].key);

        if (o != NULL && (o->flags & CFGF_MODIFIED) != 0 && (only_for[i].kinds & kind) == 0)
            return config_fail(s, "'%s' is nothing that a sink of %s has", only_for[i].key, what);
    }
    return 0;
}

static int read_filter(cfg_t *s, struct render_filter *f)
{
    static const char *const severities[] = {"error", "warning", "notice", "info", "debug", NULL};
    static const char *const categories[] = {"session",  "policy", "screen",
                                             "firewall", "all",    NULL};
    int severity = config_word(s, "severity", cfg_getstr(s, "severity"), severities);

    if (severity < 0)
        return -1;
    f->severity = severity < 3 ? (uint8_t)(severity + 3) : 0; /* No record is below info. */
    if (cfg_size(s, "categories") == 0 && (cfg_getopt(s, "categories")->flags & CFGF_RESET))
        return config_fail(s, "'categories' is empty: nothing would pass");
    for (unsigned i = 0; i < cfg_size(s, "categories"); i++) {
        int c = config_word(s, "categories", cfg_getnstr(s, "categories", i), categories);

        if (c < 0)
            return -1;
        f->categories |= c == 4 ? CATEGORY_ALL : (uint8_t)(1u << c);
    }
    if (f->categories == CATEGORY_ALL)
        f->categories = 0;
    return 0;
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
    int format = config_word(s, "format", cfg_getstr(s, "format"), formats);
    int tag = config_word(s, "tag", cfg_getstr(s, "tag"), tags);
    int policy = config_word(s, "in-doubt", cfg_getstr(s, "in-doubt"), policies);
    int framing = config_word(s, "framing", cfg_getstr(s, "framing"), framings);
    const char *facility = cfg_getstr(s, "facility");
    int code = facility != NULL ? config_word(s, "facility", facility, facilities) : 0;

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

static int read_file(cfg_t *s, struct config_sink *o)
{
    uint64_t mib = 0, hours = 0, keep = 0;

    if (refuse_keys_of_others(s, KIND_FILE, "type file") != 0 ||
        config_copy(s, "path", cfg_getstr(s, "path"), o->path, sizeof(o->path)) != 0 ||
        config_number(s, "rotate-mib", 0, 1 << 20, &mib) != 0 ||
        config_number(s, "rotate-hours", 0, 24 * 366, &hours) != 0 ||
        config_number(s, "rotate-keep", 1, 9999, &keep) != 0)
        return -1;
    if (o->format == FORMAT_BINARY)
        return config_fail(s,
                           "'format' of a file is one of lines: rfc5424, structured or standard");
    o->newline = true;
    o->sync = cfg_getbool(s, "sync");
    o->rotate_bytes = mib << 20;
    o->rotate_s = (uint32_t)hours * 3600;
    o->rotate_keep = (uint32_t)keep;
    return 0;
}

static int read_tls(cfg_t *s, struct config_sink *o)
{
    if (config_optional(s, "ca-file", o->ca_file, sizeof(o->ca_file)) != 0 ||
        config_optional(s, "cert-file", o->cert_file, sizeof(o->cert_file)) != 0 ||
        config_optional(s, "key-file", o->key_file, sizeof(o->key_file)) != 0 ||
        config_optional(s, "server-name", o->server_name, sizeof(o->server_name)) != 0)
        return -1;
    o->no_verify = !cfg_getbool(s, "verify");
    if ((o->cert_file[0] == '\0') != (o->key_file[0] == '\0'))
        return config_fail(s, "'cert-file' and 'key-file' go together");
    if (o->no_verify && (o->ca_file[0] != '\0' || o->server_name[0] != '\0'))
        return config_fail(s, "'verify' is false: 'ca-file' and 'server-name' would check nothing");
    return 0;
}

static int read_servers(cfg_t *s, struct config_sink *o)
{
    static const char *const secret[] = {"ca-file", "cert-file", "key-file", "server-name",
                                         "verify"};
    struct nats_servers servers;
    const char *wrong;

    if (nats_servers_parse(&servers, o->url, &wrong) != 0)
        return config_fail(s, "'url' is \"%s\": %s", o->url, wrong);
    for (size_t i = 0; !servers.tls && i < sizeof(secret) / sizeof(secret[0]); i++) {
        if ((cfg_getopt(s, secret[i])->flags & CFGF_MODIFIED) != 0)
            return config_fail(s, "'%s' goes with tls:// in 'url'", secret[i]);
    }
    return servers.tls ? read_tls(s, o) : 0;
}

static int read_jetstream(cfg_t *s, struct config_sink *o)
{
    const char *credentials = cfg_getstr(s, "credentials"), *wrong;

    if (refuse_keys_of_others(s, KIND_JETSTREAM, "type jetstream") != 0 ||
        config_copy(s, "url", cfg_getstr(s, "url"), o->url, sizeof(o->url)) != 0 ||
        config_copy(s, "stream", cfg_getstr(s, "stream"), o->stream, sizeof(o->stream)) != 0 ||
        config_copy(s, "subject", cfg_getstr(s, "subject"), o->subject, sizeof(o->subject)) != 0)
        return -1;
    if (strpbrk(o->stream, ". *>/\\\t") != NULL)
        return config_fail(s, "'stream' is a name without dots, slashes, blanks or wildcards");
    wrong = nats_subject_wrong(o->subject);
    if (wrong != NULL)
        return config_fail(s,
                           "'subject' is \"%s\": %s; write a name as rtflow, or with dots between "
                           "its parts; the origin is appended to it",
                           o->subject, wrong);
    if (read_servers(s, o) != 0)
        return -1;
    return credentials == NULL
               ? 0
               : config_copy(s, "credentials", credentials, o->credentials, sizeof(o->credentials));
}

static int read_udp(cfg_t *s, struct config_sink *o)
{
    uint64_t limit = 0, rate = 0;

    if (config_number(s, "datagram-limit", 480, RENDER_MAX, &limit) != 0 ||
        config_number(s, "datagram-rate", 0, 10000000, &rate) != 0)
        return -1;
    o->datagram_limit = (uint32_t)limit;
    o->datagram_rate = (uint32_t)rate;
    return 0;
}

/* D1b */
static int read_floating(cfg_t *s, struct config_sink *o)
{
    const char *source = cfg_getstr(s, "source");
    struct run_ip ip;

    if (source == NULL)
        return 0;
    if (config_copy(s, "source", source, o->source, sizeof(o->source)) != 0)
        return -1;
    if (run_ip_parse(&ip, source) != 0)
        return config_fail(s, "'source' is \"%s\"; it has to be an IPv4 or IPv6 address", source);
    if (o->filter.severity != 0 || o->filter.categories != 0)
        return config_fail(s, "'source' goes with all records only: leave out 'severity' and "
                              "'categories', or 'source'");
    return 0;
}

/* Of a connection from the one to the other. */
static int check_families(cfg_t *s, const struct config_sink *o)
{
    char host[ADDRESS_HOST_MAX], port[ADDRESS_PORT_MAX], err[256];
    struct run_ip from, to;

    if (o->source[0] == '\0')
        return 0;
    if (run_ip_parse(&from, o->source) != 0 ||
        address_parse("", o->address, host, port, err, sizeof(err)) != 0 ||
        run_ip_parse(&to, host) != 0)
        return config_fail(s,
                           "'address' is \"%s\": with 'source' it is a plain IPv4 or [IPv6] "
                           "address",
                           o->address);
    return from.family == to.family
               ? 0
               : config_fail(s,
                             "'source' is an IPv%u address and 'address' an IPv%u one: give both "
                             "of one kind",
                             from.family, to.family);
}

static int read_syslog(cfg_t *s, struct config_sink *o)
{
    static const char *const transports[] = {"tcp", "udp", "tls", "relp", NULL};
    static const enum kind kinds[] = {KIND_TCP, KIND_UDP, KIND_TLS, KIND_RELP};
    int i = config_word(s, "transport", cfg_getstr(s, "transport"), transports);

    if (i < 0 || refuse_keys_of_others(s, kinds[i], transports[i]) != 0)
        return -1;
    snprintf(o->transport, sizeof(o->transport), "%s", transports[i]);
    if (kinds[i] == KIND_TLS && read_tls(s, o) != 0)
        return -1;
    if (kinds[i] == KIND_UDP && read_udp(s, o) != 0)
        return -1;
    if (read_floating(s, o) != 0 ||
        config_address(s, "address", cfg_getstr(s, "address"), o->source[0] != '\0', o->address,
                       sizeof(o->address)) != 0)
        return -1;
    return check_families(s, o);
}

static int read_sink(cfg_t *s, struct config_sink *o)
{
    static const char *const types[] = {"syslog", "file", "jetstream", NULL};
    const char *type = cfg_getstr(s, "type") != NULL ? cfg_getstr(s, "type") : "";
    uint64_t window = 0;

    if (config_title(s, o->name, sizeof(o->name)) != 0 || config_word(s, "type", type, types) < 0 ||
        read_sink_words(s, o) != 0 || read_filter(s, &o->filter) != 0 ||
        config_number(s, "window", 16, 8192, &window) != 0 ||
        config_number(s, "hold-ms", 0, 86400000, &o->hold_ms) != 0)
        return -1;
    o->window = (uint32_t)window;
    snprintf(o->type, sizeof(o->type), "%s", type);
    if (strcmp(type, "jetstream") == 0)
        return read_jetstream(s, o);
    return strcmp(type, "file") == 0 ? read_file(s, o) : read_syslog(s, o);
}

/* Each reads and writes what the other does: 0, or -1. */
static int refuse_twice(cfg_t *s, const struct config_sink *a, const struct config_sink *b)
{
    const struct config_sink *old;

    if (sink_key(a->name) == sink_key(b->name))
        return config_fail(s, "sinks \"%s\" and \"%s\" have one key: rename one", a->name, b->name);
    if (config_same_file(a->path, b->path))
        return config_fail(
            s,
            "'path': sinks \"%s\" and \"%s\" both write %s: each needs a file of its "
            "own",
            a->name, b->name, b->path);
    old = config_is_numbered(a->path, b->path)   ? a
          : config_is_numbered(b->path, a->path) ? b
                                                 : NULL;
    if (old == NULL)
        return 0;
    return config_fail(s,
                       "'path': sink \"%s\" writes %s, and that is a name of older files of sink "
                       "\"%s\": give one of them another name",
                       old == a ? b->name : a->name, old == a ? b->path : a->path, old->name);
}

int config_read_sinks(struct config *c, cfg_t *cfg)
{
    c->sink_count = cfg_size(cfg, "sink");
    if (c->sink_count < 1 || c->sink_count > SINK_COUNT_MAX)
        return config_fail(cfg, "1 to %d 'sink' sections are needed, there are %zu", SINK_COUNT_MAX,
                           c->sink_count);
    for (size_t i = 0; i < c->sink_count; i++) {
        cfg_t *s = cfg_getnsec(cfg, "sink", (unsigned)i);

        if (read_sink(s, &c->sink[i]) != 0)
            return -1;
        c->sink[i].sync |= c->durability_power;
        for (size_t k = 0; k < i; k++) {
            if (refuse_twice(s, &c->sink[k], &c->sink[i]) != 0)
                return -1;
        }
    }
    return 0;
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

static const char *set(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

void config_sink_options(const struct config_sink *s, struct sink_options *out)
{
    *out = (struct sink_options){
        .name = s->name,
        .type = s->type,
        .address = s->address,
        .path = s->path,
        .source = set(s->source),
        .transport = s->transport,
        .url = s->url,
        .stream = s->stream,
        .subject = s->subject,
        .credentials = s->credentials[0] != '\0' ? s->credentials : NULL,
        .sync = s->sync,
        .rotate_bytes = s->rotate_bytes,
        .rotate_s = s->rotate_s,
        .rotate_keep = s->rotate_keep,
        .window = s->window,
        .ca_file = set(s->ca_file),
        .cert_file = set(s->cert_file),
        .key_file = set(s->key_file),
        .server_name = set(s->server_name),
        .no_verify = s->no_verify,
        .datagram_limit = s->datagram_limit,
        .datagram_rate = s->datagram_rate,
        .newline = s->newline && s->format != FORMAT_BINARY,
        .bare = s->format == FORMAT_BINARY,
    };
}

enum in_doubt_policy config_sink_policy(const struct config_sink *s)
{
    return s->policy;
}

/* D1b */
static bool config_sink_floats(const struct config_sink *s)
{
    return s->source[0] != '\0';
}

uint32_t config_sink_place(const struct config *c, const struct config_sink *s)
{
    char text[512];

    snprintf(text, sizeof(text), "%s|%s|%s|%d|%d|%d|%d", EVREP_VERSION, c->hostname, s->address,
             s->format, s->tag, s->facility_set ? s->facility : -1, s->newline);
    return sink_key(text);
}

/* D1a, D1b: a connection that is kept for the next process, unless the collector resets it. */
bool config_sink_may_fail(const struct config_sink *s)
{
    return config_sink_floats(s) || (strcmp(s->transport, "tcp") == 0 && kept_possible());
}

bool config_sink_answers(const struct config_sink *s)
{
    if (strcmp(s->type, "jetstream") == 0)
        return true; /* By message ids, whatever is in the records. */
    if (config_sink_may_fail(s))
        return true;
    return strcmp(s->type, "file") == 0 && s->tag != TAG_NONE;
}

bool config_sink_local(const struct config_sink *s)
{
    return strcmp(s->type, "file") == 0 || (config_sink_may_fail(s) && !config_sink_floats(s));
}
