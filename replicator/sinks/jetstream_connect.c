#include "jetstream_connect.h"
#include "nats_url.h"
#include "own_file.h"

#include <netdb.h>
#include <openssl/ui.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { PING_MS = 2000 /* A server that is silent for three of these is gone. */ };

/* "(conn.c:2088): No server" is "No server". */
static const char *without_place(const char *detail)
{
    const char *end = strstr(detail, ".c:") != NULL ? strchr(detail, ')') : NULL;

    return detail[0] == '(' && end != NULL ? end + 1 + strspn(end + 1, ": ") : detail;
}

int jetstream_fail(char err[JETSTREAM_ERROR_MAX], const char *what, natsStatus s)
{
    const char *detail = nats_GetLastError(NULL), *text = natsStatus_GetText(s);

    detail = detail != NULL ? without_place(detail) : "";
    if (strcmp(detail, text) == 0)
        detail = "";
    if (s == NATS_ERR && detail[0] != '\0') /* Whose text is "Error". */
        text = "";
    snprintf(err, JETSTREAM_ERROR_MAX, "%s: %s%s%s", what, text,
             text[0] != '\0' && detail[0] != '\0' ? ": " : "", detail);
    return -1;
}

int jetstream_fail_asked(char err[JETSTREAM_ERROR_MAX], const char *what, natsStatus s,
                         natsConnection *nc)
{
    const char *text = NULL;

    if (natsConnection_GetLastError(nc, &text) != NATS_NOT_PERMITTED || text == NULL)
        return jetstream_fail(err, what, s);
    snprintf(err, JETSTREAM_ERROR_MAX, "%.64s: the server does not permit it: %.140s", what, text);
    return -1;
}

/* libnats says of every server only that there is none. */
static bool name_fails(const struct nats_server *s, char err[JETSTREAM_ERROR_MAX])
{
    struct addrinfo *list = NULL, hints = {.ai_socktype = SOCK_STREAM};
    int rc = getaddrinfo(s->host, s->port, &hints, &list);

    if (rc == 0)
        freeaddrinfo(list);
    else
        snprintf(err, JETSTREAM_ERROR_MAX, "%.100s: no address for \"%.80s\": %s", s->url, s->host,
                 gai_strerror(rc));
    return rc != 0;
}

/* One line: what a name server does not know comes first, as nothing else can be known of it. */
static int explain(const struct nats_servers *servers, natsStatus s, char err[JETSTREAM_ERROR_MAX])
{
    char what[JETSTREAM_ERROR_MAX - 40];
    size_t used = 0;

    for (size_t i = 0; i < servers->count; i++) {
        if (name_fails(&servers->server[i], err))
            return -1;
        used += (size_t)snprintf(what + used, sizeof(what) - used, "%s%.80s", i > 0 ? ", " : "",
                                 servers->server[i].url);
        if (used > sizeof(what) - 100)
            break;
    }
    if (s != NATS_NO_SERVER)
        return jetstream_fail(err, what, s);
    snprintf(err, JETSTREAM_ERROR_MAX, "%s: no server takes the connection", what);
    return -1;
}

static natsStatus set_tls(const struct sink_options *o, natsOptions *n, const char **what)
{
    natsStatus s = natsOptions_SetSecure(n, true); /* libnats does not go by the scheme. */

    *what = "ca-file";
    if (s == NATS_OK && o->ca_file != NULL)
        s = natsOptions_LoadCATrustedCertificates(n, o->ca_file);
    if (s != NATS_OK)
        return s;
    *what = "cert-file and key-file (without a passphrase)";
    UI_set_default_method(UI_null()); /* libnats would ask for one at the terminal. */
    if (o->cert_file != NULL)
        s = natsOptions_LoadCertificatesChain(n, o->cert_file, o->key_file);
    if (s == NATS_OK && o->server_name != NULL)
        s = natsOptions_SetExpectedHostname(n, o->server_name);
    if (s == NATS_OK && o->no_verify)
        s = natsOptions_SkipServerVerification(n, true);
    return s;
}

static natsStatus set_servers(const char *urls, natsOptions *n)
{
    char copy[512], *rest = NULL;
    const char *list[NATS_SERVERS_MAX];
    int count = 0;

    snprintf(copy, sizeof(copy), "%s", urls);
    for (char *u = strtok_r(copy, ", ", &rest); u != NULL && count < NATS_SERVERS_MAX;
         u = strtok_r(NULL, ", ", &rest))
        list[count++] = u;
    return natsOptions_SetServers(n, list, count);
}

static natsStatus set_rest(const struct sink_options *o, natsOptions *n, const char **what)
{
    natsStatus s = natsOptions_SetName(n, o->name);

    if (s == NATS_OK)
        s = natsOptions_SetTimeout(n, JETSTREAM_CALL_MS);
    if (s == NATS_OK)
        s = natsOptions_SetAllowReconnect(n, false);
    if (s == NATS_OK)
        s = natsOptions_SetPingInterval(n, PING_MS);
    if (s == NATS_OK)
        s = natsOptions_SetMaxPingsOut(n, 2);
    *what = "credentials";
    if (s == NATS_OK && o->credentials != NULL)
        s = natsOptions_SetUserCredentialsFromFiles(n, o->credentials, NULL);
    return s;
}

static natsStatus set_options(const struct sink_options *o, bool tls, natsOptions *n,
                              const char **what)
{
    natsStatus s = set_servers(o->url, n);

    *what = "url";
    if (s == NATS_OK && tls)
        s = set_tls(o, n, what);
    return s == NATS_OK ? set_rest(o, n, what) : s;
}

/* libnats says "(null)" of some, and reads the credentials only once a server asks for them. */
static int check_files(const struct sink_options *o, char err[JETSTREAM_ERROR_MAX])
{
    const struct {
        const char *key, *path;
    } files[] = {{"ca-file", o->ca_file},
                 {"cert-file", o->cert_file},
                 {"key-file", o->key_file},
                 {"credentials", o->credentials}};

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (own_file_check(files[i].key, files[i].path, err, JETSTREAM_ERROR_MAX) != 0)
            return -1;
    }
    return 0;
}

int jetstream_connect(natsConnection **out, const struct sink_options *o, struct nats_loop *l,
                      char err[JETSTREAM_ERROR_MAX])
{
    struct nats_servers servers;
    natsOptions *n = NULL;
    const char *what = "connect";
    natsStatus s;

    if (nats_servers_parse(&servers, o->url, &what) != 0) {
        snprintf(err, JETSTREAM_ERROR_MAX, "url: %s", what);
        return -1;
    }
    if (check_files(o, err) != 0)
        return -1;
    s = natsOptions_Create(&n);
    if (s == NATS_OK)
        s = set_options(o, servers.tls, n, &what);
    if (s == NATS_OK)
        s = nats_loop_use(l, n);
    if (s != NATS_OK) {
        natsOptions_Destroy(n);
        return jetstream_fail(err, what, s);
    }
    s = natsConnection_Connect(out, n);
    natsOptions_Destroy(n);
    if (s != NATS_OK)
        return explain(&servers, s, err);
    nats_loop_begin(l);
    return 0;
}
