/* Addresses, applications, and what a rule asks of a packet. */
#include "config_parts.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cfg_opt_t config_address_opts[] = {CFG_STR_LIST("prefixes", NULL, CFGF_NODEFAULT), CFG_END()};
cfg_opt_t config_application_opts[] = {
    CFG_STR("protocol", NULL, CFGF_NODEFAULT), CFG_STR_LIST("ports", NULL, CFGF_NODEFAULT),
    CFG_STR_LIST("source-ports", NULL, CFGF_NODEFAULT), CFG_END()};

/* Digits alone, no more than `most`, and no zero before others, which some take for octal; *text is
 * behind them.  false: none, or too many. */
static bool take_number(const char **text, unsigned most, unsigned *out)
{
    const char *at = *text;

    for (*out = 0; *at >= '0' && *at <= '9' && *out <= most; at++)
        *out = *out * 10 + (unsigned)(*at - '0');
    if (at == *text || *out > most || (**text == '0' && at > *text + 1))
        return false;
    *text = at;
    return true;
}

/* ---- addresses ---- */

static void clear_host_bits(struct prefix *x)
{
    for (unsigned bit = x->bits; bit < 128; bit++)
        x->address[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
}

int prefix_parse(struct prefix *out, const char *text)
{
    char address[64];
    const char *slash = strchr(text, '/');
    size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    struct prefix x = {.family = strchr(text, ':') != NULL ? FAMILY_V6 : FAMILY_V4};
    unsigned bits = x.family == FAMILY_V6 ? 128 : 32;

    if (len >= sizeof(address))
        return -1;
    memcpy(address, text, len);
    address[len] = '\0';
    if (inet_pton(x.family == FAMILY_V6 ? AF_INET6 : AF_INET, address, x.address) != 1)
        return -1;
    if (slash != NULL) {
        const char *end = slash + 1;

        if (!take_number(&end, bits, &bits) || *end != '\0')
            return -1;
    }
    x.bits = (uint8_t)bits;
    clear_host_bits(&x);
    *out = x;
    return 0;
}

static cfg_t *find_address(cfg_t *top, const char *name)
{
    for (unsigned i = 0; i < cfg_size(top, "address"); i++) {
        cfg_t *a = cfg_getnsec(top, "address", i);

        if (strcmp(cfg_title(a), name) == 0)
            return a;
    }
    return NULL;
}

/* An entry is a prefix, or the name of an address section with any number of them. */
static unsigned entry_size(cfg_t *top, const char *text)
{
    struct prefix x;
    cfg_t *a;

    if (prefix_parse(&x, text) == 0)
        return 1;
    a = find_address(top, text);
    return a != NULL ? cfg_size(a, "prefixes") : 0;
}

static int read_address(cfg_t *a)
{
    struct prefix x;

    if (cfg_title(a)[0] == '\0')
        return config_fail(a, "an 'address' section without a name");
    if (prefix_parse(&x, cfg_title(a)) == 0)
        return config_fail(a,
                           "address \"%s\" is called like an address, which a rule would take it "
                           "for: give it another name",
                           cfg_title(a));
    if (cfg_size(a, "prefixes") == 0)
        return config_fail(a, "address \"%s\": 'prefixes' is missing", cfg_title(a));
    for (unsigned i = 0; i < cfg_size(a, "prefixes"); i++) {
        const char *p = cfg_getnstr(a, "prefixes", i);

        if (prefix_parse(&x, p) != 0)
            return config_fail(a, "'prefixes': \"%s\" is not an address or prefix", p);
    }
    return 0;
}

int config_addresses(cfg_t *cfg)
{
    for (unsigned i = 0; i < cfg_size(cfg, "address"); i++) {
        if (read_address(cfg_getnsec(cfg, "address", i)) != 0)
            return -1;
    }
    return 0;
}

/* The sections were read: config_addresses(). */
static void put_entry(cfg_t *top, const char *text, struct prefix *out, uint32_t *count)
{
    cfg_t *a;

    if (prefix_parse(&out[*count], text) == 0) {
        (*count)++;
        return;
    }
    a = find_address(top, text);
    for (unsigned i = 0; i < cfg_size(a, "prefixes"); i++)
        prefix_parse(&out[(*count)++], cfg_getnstr(a, "prefixes", i));
}

int config_prefixes(struct evdp_config *c, cfg_t *top, cfg_t *at, const char *key,
                    const struct prefix **out, uint32_t *count)
{
    struct prefix *list;
    unsigned n = 0;

    *count = 0;
    for (unsigned i = 0; i < cfg_size(at, key); i++) {
        const char *text = cfg_getnstr(at, key, i);
        unsigned more = entry_size(top, text);

        if (more == 0) /* An empty list would match everything. */
            return config_fail(at,
                               "'%s': \"%s\" is not an address, prefix or address section "
                               "with prefixes",
                               key, text);
        n += more;
    }
    if (n == 0)
        return 0;
    list = config_alloc(c, at, n, sizeof(*list));
    if (list == NULL)
        return -1;
    for (unsigned i = 0; i < cfg_size(at, key); i++)
        put_entry(top, cfg_getnstr(at, key, i), list, count);
    *out = list;
    return 0;
}

/* ---- services ---- */

int config_port_range(cfg_t *at, const char *key, const char *text, struct port_range *out)
{
    const char *end = text;
    unsigned from, to;
    bool good = take_number(&end, 65535, &from);

    to = from;
    if (good && *end == '-') {
        end++;
        good = take_number(&end, 65535, &to);
    }
    if (!good || *end != '\0' || from > to)
        return config_fail(at, "'%s': \"%s\" is not a port or FROM-TO", key, text);
    *out = (struct port_range){(uint16_t)from, (uint16_t)to};
    return 0;
}

static int read_protocol(cfg_t *at, const char *name, uint8_t *out)
{
    static const struct {
        const char *name;
        uint8_t number;
    } known[] = {{"any", 0},
                 {"icmp", PROTOCOL_ICMP},
                 {"tcp", PROTOCOL_TCP},
                 {"udp", PROTOCOL_UDP},
                 {"icmp6", PROTOCOL_ICMP6},
                 {"sctp", PROTOCOL_SCTP},
                 {"gre", 47},
                 {"esp", 50},
                 {"ah", 51},
                 {"ospf", 89}};
    const char *end = name;
    unsigned number;

    for (size_t i = 0; name != NULL && i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(name, known[i].name) == 0) {
            *out = known[i].number;
            return 0;
        }
    }
    if (name == NULL || !take_number(&end, 255, &number) || *end != '\0')
        return config_fail(at,
                           "'protocol' is \"%s\"; it must be any, icmp, icmp6, tcp, udp, sctp, "
                           "gre, esp, ah, ospf or a number from 1 to 255",
                           name ? name : "");
    if (number == 0)
        return config_fail(at,
                           "'protocol' is \"%s\": no packet has it behind all extension headers; "
                           "write any for all",
                           name);
    *out = (uint8_t)number;
    return 0;
}

/* One service for each pair of a source range and a destination range. */
static uint32_t services_of(cfg_t *at)
{
    unsigned d = cfg_size(at, "ports"), s = cfg_size(at, "source-ports");

    return (d > 0 ? d : 1) * (s > 0 ? s : 1);
}

static int put_services(cfg_t *at, uint16_t application, struct service *out)
{
    unsigned d = cfg_size(at, "ports"), s = cfg_size(at, "source-ports");
    uint8_t protocol = 0;

    if (read_protocol(at, cfg_getstr(at, "protocol"), &protocol) != 0)
        return -1;
    if ((d > 0 || s > 0) && protocol != 0 && protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP &&
        protocol != PROTOCOL_SCTP)
        return config_fail(at, "protocol %s has no ports", cfg_getstr(at, "protocol"));
    for (unsigned i = 0; i < services_of(at); i++) {
        struct service *v = &out[i];
        unsigned from = s > 0 ? i % s : 0, to = s > 0 ? i / s : i;

        *v = (struct service){.protocol = protocol,
                              .by_source_port = s > 0,
                              .by_destination_port = d > 0,
                              .application = application};
        if (s > 0 && config_port_range(at, "source-ports", cfg_getnstr(at, "source-ports", from),
                                       &v->source) != 0)
            return -1;
        if (d > 0 &&
            config_port_range(at, "ports", cfg_getnstr(at, "ports", to), &v->destination) != 0)
            return -1;
    }
    return 0;
}

/* Also of what no rule names: what is wrong with it is wrong now, not when one does. */
static int read_application(cfg_t *a, char *name)
{
    struct service *list;
    int rc;

    if (config_copy(a, "application", cfg_title(a), name, RULE_NAME_MAX) != 0)
        return -1;
    list = calloc(services_of(a), sizeof(*list));
    if (list == NULL)
        return config_fail(a, "out of memory");
    rc = put_services(a, 0, list);
    free(list);
    return rc;
}

int config_applications(struct evdp_config *c, cfg_t *cfg)
{
    unsigned n = cfg_size(cfg, "application");

    if (n > 65535)
        return config_fail(cfg, "at most 65535 applications");
    c->rules.application_count = n;
    c->rules.application = config_alloc(c, cfg, n, sizeof(*c->rules.application));
    if (c->rules.application == NULL)
        return -1;
    for (unsigned i = 0; i < n; i++) {
        if (read_application(cfg_getnsec(cfg, "application", i), c->rules.application[i]) != 0)
            return -1;
    }
    return 0;
}

/* Its number, from 1; 0: there is none of that name. */
static uint16_t find_application(cfg_t *top, const char *name)
{
    for (unsigned i = 0; i < cfg_size(top, "application"); i++) {
        if (strcmp(cfg_title(cfg_getnsec(top, "application", i)), name) == 0)
            return (uint16_t)(i + 1);
    }
    return 0;
}

static int count_services(cfg_t *top, cfg_t *at, uint32_t *out)
{
    uint32_t n = 0;

    for (unsigned i = 0; i < cfg_size(at, "applications"); i++) {
        uint16_t id = find_application(top, cfg_getnstr(at, "applications", i));

        if (id == 0)
            return config_fail(at, "'applications': none is called \"%s\"",
                               cfg_getnstr(at, "applications", i));
        n += services_of(cfg_getnsec(top, "application", id - 1u));
    }
    if (n > 0 && (strcmp(cfg_getstr(at, "protocol"), "any") != 0 || cfg_size(at, "ports") > 0 ||
                  cfg_size(at, "source-ports") > 0))
        return config_fail(at, "'applications' and 'protocol' or ports contradict each other");
    *out = n;
    return 0;
}

static bool asks_for_anything(cfg_t *at)
{
    return strcmp(cfg_getstr(at, "protocol"), "any") == 0 && cfg_size(at, "ports") == 0 &&
           cfg_size(at, "source-ports") == 0;
}

static int read_services(struct evdp_config *c, cfg_t *top, cfg_t *at, struct match *m)
{
    struct service *list;
    uint32_t named = 0, done = 0;

    if (count_services(top, at, &named) != 0)
        return -1;
    if (named == 0 && asks_for_anything(at))
        return 0;
    m->service_count = named > 0 ? named : services_of(at);
    list = config_alloc(c, at, m->service_count, sizeof(*list));
    if (list == NULL)
        return -1;
    m->service = list;
    if (named == 0)
        return put_services(at, 0, list);
    for (unsigned i = 0; i < cfg_size(at, "applications"); i++) {
        uint16_t id = find_application(top, cfg_getnstr(at, "applications", i));
        cfg_t *a = cfg_getnsec(top, "application", id - 1u); /* count_services() found it. */

        if (put_services(a, id, list + done) != 0)
            return -1;
        done += services_of(a);
    }
    return 0;
}

/* ---- what can match at all ---- */

enum { BOTH_FAMILIES = 1 << FAMILY_V4 | 1 << FAMILY_V6 };

unsigned config_families_of(const struct prefix *list, uint32_t count)
{
    unsigned all = count == 0 ? BOTH_FAMILIES : 0;

    for (uint32_t i = 0; i < count; i++)
        all |= 1u << list[i].family;
    return all;
}

static unsigned families_of_services(const struct match *m)
{
    for (uint32_t i = 0; i < m->service_count; i++) {
        if (m->service[i].protocol != PROTOCOL_ICMP6)
            return BOTH_FAMILIES;
    }
    return m->service_count == 0 ? BOTH_FAMILIES : 1 << FAMILY_V6;
}

unsigned config_families(const struct match *m)
{
    return config_families_of(m->source, m->source_count) &
           config_families_of(m->destination, m->destination_count) & families_of_services(m);
}

/* A packet has one family.  A rule that matches nothing is not what was meant. */
static int check_families(cfg_t *at, const struct match *m)
{
    if ((config_families_of(m->source, m->source_count) &
         config_families_of(m->destination, m->destination_count)) == 0)
        return config_fail(at, "'source' and 'destination' have no address family in common, so "
                               "nothing can match: name addresses of one family in both");
    if (config_families(m) == 0)
        return config_fail(at, "icmp6 is IPv6's, and the addresses are of IPv4, so nothing can "
                               "match: write icmp, or name IPv6 addresses");
    return 0;
}

int config_match(struct evdp_config *c, cfg_t *top, cfg_t *at, struct match *out)
{
    if (config_prefixes(c, top, at, "source", &out->source, &out->source_count) != 0 ||
        config_prefixes(c, top, at, "destination", &out->destination, &out->destination_count) != 0)
        return -1;
    return read_services(c, top, at, out) != 0 ? -1 : check_families(at, out);
}
