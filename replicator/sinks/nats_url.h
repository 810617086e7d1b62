/* The servers of a JetStream sink: `nats://HOST:PORT`, several with commas between.  Pure. */
#ifndef EVREP_NATS_URL_H
#define EVREP_NATS_URL_H

#include <stdbool.h>
#include <stddef.h>

enum { NATS_SERVERS_MAX = 16, NATS_HOST_MAX = 256 };

struct nats_server {
    bool tls;
    char host[NATS_HOST_MAX], port[8];
    char url[NATS_HOST_MAX + 16]; /* As it may be shown: without a user and his password. */
};

struct nats_servers {
    struct nats_server server[NATS_SERVERS_MAX];
    size_t count;
    bool tls; /* All of them; none else. */
};

/* 0, or -1: *wrong says what is. */
int nats_servers_parse(struct nats_servers *out, const char *urls, const char **wrong);

#endif
