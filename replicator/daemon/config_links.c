/* The `link` sections of a peer: two ends each, at which two different hosts can be. */
#include "config.h"
#include "config_parts.h"

#include "address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct end {
    bool v6;
    uint8_t ip[16];
    long port;
    char zone[ADDRESS_HOST_MAX]; /* The interface of a link-local one, with its "%". */
};

cfg_opt_t config_link_opts[] = {CFG_STR("local", NULL, CFGF_NODEFAULT),
                                CFG_STR("remote", NULL, CFGF_NODEFAULT), CFG_END()};

static bool is_many(const struct end *e)
{
    static const uint8_t all[4] = {255, 255, 255, 255};

    if (e->v6)
        return e->ip[0] == 0xff;
    return (e->ip[0] & 0xf0) == 0xe0 || memcmp(e->ip, all, sizeof(all)) == 0;
}

static bool is_any(const struct end *e)
{
    static const uint8_t none[16];

    return memcmp(e->ip, none, sizeof(none)) == 0;
}

/* Written otherwise, and the same all the same. */
static bool is_same(const struct end *a, const struct end *b)
{
    return a->v6 == b->v6 && a->port == b->port && strcmp(a->zone, b->zone) == 0 &&
           memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static int read_end(cfg_t *l, const char *key, char *out, size_t size, struct end *e)
{
    const char *value = cfg_getstr(l, key);
    char host[ADDRESS_HOST_MAX], port[ADDRESS_PORT_MAX], err[256];

    memset(e, 0, sizeof(*e));
    if (config_address(l, key, value, true, out, size) != 0 ||
        address_parse("", value, host, port, err, sizeof(err)) != 0)
        return -1;
    snprintf(e->zone, sizeof(e->zone), "%s", host + strcspn(host, "%"));
    host[strcspn(host, "%")] = '\0';
    e->port = strtol(port, NULL, 10);
    e->v6 = inet_pton(AF_INET, host, e->ip) != 1;
    if (e->v6 && inet_pton(AF_INET6, host, e->ip) != 1)
        return config_fail(l, "'%s' is \"%s\": its address must be an IPv4 or [IPv6] address", key,
                           value);
    if (is_many(e))
        return config_fail(l, "'%s' is \"%s\": that is not the address of one host", key, value);
    return 0;
}

static int check_ends(const struct config *c, cfg_t *l, size_t i, const struct end *local,
                      const struct end *remote)
{
    const char *name = c->link[i].name;

    if (is_any(remote))
        return config_fail(l, "'remote' is \"%s\": that is not the address of one host",
                           c->link[i].remote);
    if (local->v6 != remote->v6)
        return config_fail(l, "link \"%s\": one end is IPv4 and the other is IPv6", name);
    return is_same(local, remote)
               ? config_fail(l, "link \"%s\": local and remote are the same address", name)
               : 0;
}

int config_read_links(struct config *c, cfg_t *peer)
{
    struct end local[CLUSTER_LINKS_MAX], remote[CLUSTER_LINKS_MAX];

    c->link_count = cfg_size(peer, "link");
    if (c->link_count < 1 || c->link_count > CLUSTER_LINKS_MAX)
        return config_fail(peer, "a peer has one or two 'link' sections, not %zu", c->link_count);
    for (size_t i = 0; i < c->link_count; i++) {
        cfg_t *l = cfg_getnsec(peer, "link", (unsigned)i);

        if (config_title(l, c->link[i].name, sizeof(c->link[i].name)) != 0 ||
            read_end(l, "local", c->link[i].local, sizeof(c->link[i].local), &local[i]) != 0 ||
            read_end(l, "remote", c->link[i].remote, sizeof(c->link[i].remote), &remote[i]) != 0 ||
            check_ends(c, l, i, &local[i], &remote[i]) != 0)
            return -1;
        /* Node 1 listens on each: of two on one address the second cannot. */
        if (i > 0 &&
            (c->node == 1 ? is_same(&local[0], &local[i]) : is_same(&remote[0], &remote[i])))
            return config_fail(
                l, "link \"%s\": %s is that of link \"%s\" too; each link has its own",
                c->link[i].name, c->node == 1 ? "'local'" : "'remote'", c->link[0].name);
    }
    return 0;
}
