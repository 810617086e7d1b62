/* The operator's socket: one line of JSON in, one line of JSON out. */
#include "shell.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { REQUEST_MAX = 4096 };

struct client {
    uv_pipe_t pipe;
    uv_write_t write;
    struct shell *shell;
    size_t len;
    char request[REQUEST_MAX];
    char *reply;
};

static void on_closed(uv_handle_t *h)
{
    struct client *c = h->data;

    free(c->reply);
    free(c);
}

static void close_client(struct client *c)
{
    if (!uv_is_closing((uv_handle_t *)&c->pipe))
        uv_close((uv_handle_t *)&c->pipe, on_closed);
}

static void on_written(uv_write_t *w, int status)
{
    struct client *c = w->data;

    (void)status;
    free(c->reply);
    c->reply = NULL;
}

static char *error_json(const char *text)
{
    json_t *o = json_pack("{s:s}", "error", text);
    char *out = json_dumps(o, JSON_COMPACT);

    json_decref(o);
    return out;
}

static char *fenced(struct shell *s)
{
    struct core_input in = {.kind = CORE_FENCED};

    if (s->core->session != SESSION_DOWN)
        return error_json("the session with the peer is up: it is not dead");
    shell_log("the operator says that the peer is dead and stays so");
    peer_cluster(s, &(struct cluster_input){.kind = CLUSTER_FENCED});
    shell_input(s, &in);
    shell_flush(s);
    return strdup("{\"done\":true}");
}

static char *failover(struct shell *s, json_t *args)
{
    struct cluster_input in = {.kind = CLUSTER_FAILOVER, .node = -1};
    const char *group = json_string_value(json_array_get(args, 0));
    const char *second = json_string_value(json_array_get(args, 1));

    if (group == NULL)
        return error_json("failover: which redundancy group?");
    in.group = (unsigned)strtoul(group, NULL, 10);
    if (second != NULL && strcmp(second, "reset") == 0)
        in.kind = CLUSTER_RESET;
    else if (second != NULL)
        in.node = atoi(second);
    peer_cluster(s, &in);
    shell_flush(s);
    return strdup("{\"done\":true}");
}

static char *answer(struct shell *s, const char *line)
{
    json_t *request = json_loads(line, 0, NULL);
    const char *command = json_string_value(json_object_get(request, "command"));
    json_t *args = json_object_get(request, "args");
    char *out = NULL;

    if (command == NULL)
        out = error_json("not a request: {\"command\": \"watermark\", \"args\": []}");
    else if (strcmp(command, "peer") == 0 || strcmp(command, "fenced") == 0)
        out = fenced(s);
    else if (strcmp(command, "failover") == 0)
        out = failover(s, args);
    else
        out = status_json(s, command);
    if (out == NULL)
        out = error_json("no such command in this version");
    json_decref(request);
    return out;
}

static void on_line(struct client *c)
{
    uv_buf_t bufs[2];

    if (c->reply != NULL) { /* It did not wait for its answer. */
        close_client(c);
        return;
    }
    c->reply = answer(c->shell, c->request);
    if (c->reply == NULL) {
        close_client(c);
        return;
    }
    bufs[0] = uv_buf_init(c->reply, (unsigned)strlen(c->reply));
    bufs[1] = uv_buf_init((char *)"\n", 1);
    c->write.data = c;
    c->len = 0;
    if (uv_write(&c->write, (uv_stream_t *)&c->pipe, bufs, 2, on_written) != 0)
        close_client(c);
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    struct client *c = h->data;

    (void)hint;
    *buf = uv_buf_init(c->request + c->len, (unsigned)(REQUEST_MAX - 1 - c->len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct client *c = stream->data;
    char *end;

    (void)buf;
    if (n < 0) {
        close_client(c);
        return;
    }
    c->len += (size_t)n;
    c->request[c->len] = '\0';
    end = strchr(c->request, '\n');
    if (end != NULL) {
        *end = '\0';
        on_line(c);
    }
}

static void on_connection(uv_stream_t *server, int status)
{
    struct shell *s = server->data;
    struct client *c = status == 0 ? calloc(1, sizeof(*c)) : NULL;

    if (c == NULL)
        return;
    c->shell = s;
    c->pipe.data = c;
    uv_pipe_init(&s->loop, &c->pipe, 0);
    if (uv_accept(server, (uv_stream_t *)&c->pipe) != 0 ||
        uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) != 0)
        close_client(c);
}

int control_open(struct shell *s, char *err, size_t err_size)
{
    const char *path = s->config->control_socket;
    mode_t mask;
    int rc;

    unlink(path); /* The journal's lock says that no other evrepd of this node lives. */
    uv_pipe_init(&s->loop, &s->control, 0);
    s->control.data = s;
    mask = umask(0077);
    rc = uv_pipe_bind(&s->control, path);
    umask(mask);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&s->control, 16, on_connection);
    if (rc != 0)
        snprintf(err, err_size, "control socket %s: %s: does its folder exist?", path,
                 uv_strerror(rc));
    return rc;
}

void control_close(struct shell *s)
{
    unlink(s->config->control_socket);
    uv_close((uv_handle_t *)&s->control, NULL);
}
