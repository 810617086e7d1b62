/* HTTP for Prometheus: libmicrohttpd on our own loop, by its epoll descriptor.  The state is read
 * on the thread that owns it, once a request; connections, memory and time are bounded. */
#include "metrics.h"
#include "shell.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECTIONS_MAX = 16, IDLE_S = 5, CONNECTION_BYTES = 16384, LOOK_MS = 1000 };

struct metrics {
    struct shell *shell;
    struct MHD_Daemon *http;
    uv_poll_t poll;
    uv_timer_t timer;
};

static enum MHD_Result reply(struct MHD_Connection *c, unsigned code, char *text, size_t len,
                             enum MHD_ResponseMemoryMode mode)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(len, text, mode);
    enum MHD_Result rc;

    if (r == NULL)
        return MHD_NO;
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE,
                            "text/plain; version=0.0.4; charset=utf-8");
    rc = MHD_queue_response(c, code, r);
    MHD_destroy_response(r);
    return rc;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **per_request)
{
    static char nothing[] = "only GET /metrics is here\n";
    static int seen;
    struct metrics *m = ctx;
    size_t len;
    char *text;

    (void)version;
    (void)upload;
    if (*per_request == NULL) { /* The headers are there; a body is not wanted. */
        *per_request = &seen;
        return MHD_YES;
    }
    *upload_size = 0;
    if (strcmp(url, "/metrics") != 0 ||
        (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0))
        return reply(c, MHD_HTTP_NOT_FOUND, nothing, sizeof(nothing) - 1, MHD_RESPMEM_PERSISTENT);
    text = metrics_text(m->shell, &len);
    return text != NULL ? reply(c, MHD_HTTP_OK, text, len, MHD_RESPMEM_MUST_FREE) : MHD_NO;
}

static void run(struct metrics *m);

static void on_timer(uv_timer_t *t)
{
    run(t->data);
}

static void run(struct metrics *m)
{
    MHD_UNSIGNED_LONG_LONG ms;

    MHD_run(m->http);
    /* At the latest after LOOK_MS: it accepts again after its limit only when it is run. */
    if (MHD_get_timeout(m->http, &ms) != MHD_YES || ms > LOOK_MS)
        ms = LOOK_MS;
    uv_timer_start(&m->timer, on_timer, ms, 0);
}

static void on_ready(uv_poll_t *p, int status, int events)
{
    (void)status;
    (void)events;
    run(p->data);
}

static int parse(const char *text, struct sockaddr_storage *out)
{
    const char *colon = strrchr(text, ':');
    char host[64];
    size_t len;
    int port;

    if (colon == NULL || colon == text)
        return -1;
    port = atoi(colon + 1);
    len = (size_t)(colon - text);
    if (text[0] == '[' && colon[-1] == ']') {
        text++;
        len -= 2;
    }
    if (len >= sizeof(host) || port <= 0 || port > 65535)
        return -1;
    memcpy(host, text, len);
    host[len] = '\0';
    if (uv_ip4_addr(host, port, (struct sockaddr_in *)out) == 0)
        return 0;
    return uv_ip6_addr(host, port, (struct sockaddr_in6 *)out);
}

int metrics_open(struct shell *s, char *err, size_t err_size)
{
    struct sockaddr_storage at = {0};
    const union MHD_DaemonInfo *info;
    struct metrics *m;

    if (s->config->metrics[0] == '\0')
        return 0;
    if (parse(s->config->metrics, &at) != 0) {
        snprintf(err, err_size, "metrics = \"%s\": not an address and port", s->config->metrics);
        return -1;
    }
    m = calloc(1, sizeof(*m));
    if (m == NULL)
        return -1;
    m->shell = s;
    m->http = MHD_start_daemon(
        MHD_USE_EPOLL | (at.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0), 0, NULL, NULL, on_request, m,
        MHD_OPTION_SOCK_ADDR, &at, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_BYTES, MHD_OPTION_END);
    info = m->http != NULL ? MHD_get_daemon_info(m->http, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (info == NULL) {
        snprintf(err, err_size,
                 "metrics: cannot listen at %s: is it in use, or not an address of "
                 "this host?",
                 s->config->metrics);
        free(m);
        return -1;
    }
    uv_poll_init(&s->loop, &m->poll, info->epoll_fd);
    uv_timer_init(&s->loop, &m->timer);
    m->poll.data = m->timer.data = m;
    s->metrics = m;
    return uv_poll_start(&m->poll, UV_READABLE, on_ready);
}

void metrics_close(struct shell *s)
{
    if (s->metrics == NULL)
        return;
    uv_poll_stop(&s->metrics->poll);
    MHD_stop_daemon(s->metrics->http);
}
