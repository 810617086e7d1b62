#include "nats_url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void show(struct nats_server *s, const char *host, const char *port)
{
    bool v6 = strchr(host, ':') != NULL;

    strcpy(s->host, host);
    strcpy(s->port, port);
    snprintf(s->url, sizeof(s->url), "%s://%s%s%s:%s", s->tls ? "tls" : "nats", v6 ? "[" : "", host,
             v6 ? "]" : "", port);
}

static bool is_port(const char *text)
{
    return text[0] != '\0' && strspn(text, "0123456789") == strlen(text) && atol(text) >= 1 &&
           atol(text) <= 65535;
}

/* HOST[:PORT], the host of an IPv6 address in brackets. */
static const char *parse_host(struct nats_server *s, const char *text)
{
    char host[NATS_HOST_MAX], port[8] = "4222";
    bool v6 = text[0] == '[';
    size_t len = strcspn(text + v6, v6 ? "]" : ":");
    const char *rest = text + v6 + len;

    if (len == 0 || len >= sizeof(host) || (v6 && *rest++ != ']'))
        return "it needs a host, as in nats://HOST:4222";
    snprintf(host, sizeof(host), "%.*s", (int)len, text + v6);
    if (strpbrk(host, "/ \t\"") != NULL)
        return "that is no host";
    if (*rest != '\0' && (*rest != ':' || strlen(rest) > 6 || !is_port(rest + 1)))
        return "its port must be a number, 1 to 65535";
    if (*rest != '\0')
        strcpy(port, rest + 1);
    show(s, host, port);
    return NULL;
}

/* Without a scheme it is nats://, as libnats has it; before an @ are a user and his password. */
static const char *parse_server(struct nats_server *s, const char *at, size_t len)
{
    char text[2 * NATS_HOST_MAX];
    const char *rest, *user;

    if (len >= sizeof(text))
        return "it is too long";
    snprintf(text, sizeof(text), "%.*s", (int)len, at);
    rest = strstr(text, "://");
    *s = (struct nats_server){.tls = strncmp(text, "tls://", 6) == 0};
    if (rest != NULL && !s->tls && strncmp(text, "nats://", 7) != 0)
        return "it has to begin with nats:// or tls://";
    rest = rest != NULL ? rest + 3 : text;
    user = strrchr(rest, '@');
    return parse_host(s, user != NULL ? user + 1 : rest);
}

int nats_servers_parse(struct nats_servers *out, const char *urls, const char **wrong)
{
    *out = (struct nats_servers){0};
    for (const char *at = urls + strspn(urls, ", "); *at != '\0'; at += strspn(at, ", ")) {
        size_t len = strcspn(at, ", ");

        *wrong = out->count < NATS_SERVERS_MAX ? parse_server(&out->server[out->count], at, len)
                                               : "16 servers are the most";
        if (*wrong != NULL)
            return -1;
        at += len;
        out->count++;
    }
    *wrong = "it names no server";
    if (out->count == 0)
        return -1;
    out->tls = out->server[0].tls;
    *wrong =
        "tls:// and nats:// in one list: what is meant to be secret would go to whichever answers";
    for (size_t i = 1; i < out->count; i++) {
        if (out->server[i].tls != out->tls)
            return -1;
    }
    return 0;
}
