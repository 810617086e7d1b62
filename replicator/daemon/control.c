/* The operator's socket: clients, their bounds, and their lines. */
#include "shell.h"
#include "control.h"

#include <errno.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct control_client {
    uv_pipe_t pipe;
    uv_timer_t patience;
    uv_write_t write;
    struct shell *shell;
    int handles;
    size_t len;
    char request[REQUEST_MAX];
    char *reply; /* On its way. */
    struct control_stream stream;
    bool counted;
};

static void on_closed(uv_handle_t *h)
{
    struct control_client *c = h->data;

    if (--c->handles > 0)
        return;
    c->shell->control_clients -= c->counted;
    if (c->stream.ended != NULL)
        c->stream.ended(c->stream.ctx);
    free(c->reply);
    free(c);
}

static void close_client(struct control_client *c)
{
    if (uv_is_closing((uv_handle_t *)&c->pipe))
        return;
    uv_close((uv_handle_t *)&c->pipe, on_closed);
    uv_close((uv_handle_t *)&c->patience, on_closed);
}

static void on_patience(uv_timer_t *t)
{
    close_client(t->data);
}

static void wait_for_client(struct control_client *c)
{
    uv_timer_start(&c->patience, on_patience, CONTROL_PATIENCE_MS, 0);
}

static void on_written(uv_write_t *w, int status)
{
    struct control_client *c = w->data;

    free(c->reply);
    c->reply = NULL;
    if (status != 0) {
        close_client(c);
        return;
    }
    if (c->stream.ready != NULL) {
        uv_timer_stop(&c->patience);
        c->stream.ready(c->stream.ctx);
    } else {
        wait_for_client(c);
    }
}

void control_write(struct control_client *c, char *text, size_t len)
{
    uv_buf_t buf = uv_buf_init(text, (unsigned)len);

    c->reply = text;
    c->write.data = c;
    if (c->stream.ready == NULL) /* A stream's reader may be slow: it loses, with a count. */
        wait_for_client(c);
    if (uv_write(&c->write, (uv_stream_t *)&c->pipe, &buf, 1, on_written) != 0)
        close_client(c);
}

void control_stream(struct control_client *c, const struct control_stream *stream)
{
    c->stream = *stream;
}

json_t *control_error(const char *format, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    return json_pack("{s:s}", "error", text);
}

json_t *control_done(void)
{
    return json_pack("{s:b}", "done", 1);
}

static json_t *answer(struct control_client *c, size_t len)
{
    struct control_request r;
    const char *why;
    json_t *out = NULL;

    if (control_parse(c->request, len, &r, &why) != 0)
        return control_error("%s", why);
    for (const struct control_command *k = control_commands; k->name != NULL; k++) {
        if (strcmp(k->name, r.command) == 0)
            out = k->run(c->shell, c, &r);
    }
    control_parse_free(&r);
    return out != NULL ? out : control_error("no such command in this version");
}

static void on_line(struct control_client *c, size_t len)
{
    json_t *o;
    char *text;
    size_t n;

    if (c->reply != NULL || c->stream.ready != NULL) { /* It did not wait for its answer. */
        close_client(c);
        return;
    }
    o = answer(c, len);
    text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    n = text != NULL ? strlen(text) : 0;
    c->len = 0;
    if (text == NULL) {
        close_client(c);
        return;
    }
    text[n] = '\n'; /* In the place of the end: the length says where it is. */
    control_write(c, text, n + 1);
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    struct control_client *c = h->data;

    (void)hint;
    *buf = uv_buf_init(c->request + c->len, (unsigned)(REQUEST_MAX - c->len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct control_client *c = stream->data;
    char *end;

    (void)buf;
    if (n < 0) { /* UV_ENOBUFS: longer than any request. */
        close_client(c);
        return;
    }
    c->len += (size_t)n;
    end = memchr(c->request, '\n', c->len);
    if (end == NULL)
        return;
    if (end + 1 != c->request + c->len) {
        close_client(c); /* One at a time. */
        return;
    }
    on_line(c, (size_t)(end - c->request));
}

static void on_connection(uv_stream_t *server, int status)
{
    struct shell *s = server->data;
    struct control_client *c = status == 0 ? calloc(1, sizeof(*c)) : NULL;

    if (c == NULL)
        return;
    c->shell = s;
    c->handles = 2;
    c->pipe.data = c->patience.data = c;
    uv_pipe_init(&s->loop, &c->pipe, 0);
    uv_timer_init(&s->loop, &c->patience);
    if (uv_accept(server, (uv_stream_t *)&c->pipe) != 0 ||
        s->control_clients == CONTROL_CLIENTS_MAX) {
        close_client(c);
        return;
    }
    c->counted = true;
    s->control_clients++;
    wait_for_client(c);
    if (uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) != 0)
        close_client(c);
}

/* The journal's lock says that no other evrepd of this node lives: a socket there is a dead one's.
 */
static int make_room(const char *path, char *err, size_t err_size)
{
    struct stat st;

    char folder[sizeof(((struct config *)0)->control_socket)];
    const char *slash = strrchr(path, '/');

    if (slash != NULL && slash != path) {
        snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
        if (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode)) {
            snprintf(err, err_size, "control socket %s: the folder %s is not there: make it", path,
                     folder);
            return -1;
        }
    }
    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
        snprintf(err, err_size, "control socket %s: there is something that is not a socket", path);
        return -1;
    }
    unlink(path);
    return 0;
}

static int open_to_group(const struct shell *s, char *err, size_t err_size)
{
    const char *path = s->config->control_socket, *name = s->config->control_group;
    const struct group *g;

    if (name[0] == '\0')
        return 0;
    g = getgrnam(name);
    if (g != NULL && chown(path, (uid_t)-1, g->gr_gid) == 0 && chmod(path, 0660) == 0)
        return 0;
    snprintf(err, err_size, "control socket %s: cannot be given to the group %s: %s", path, name,
             g == NULL ? "there is none" : strerror(errno));
    return -1;
}

int control_open(struct shell *s, char *err, size_t err_size)
{
    const char *path = s->config->control_socket;
    mode_t mask;
    int rc;

    if (make_room(path, err, err_size) != 0)
        return -1;
    uv_pipe_init(&s->loop, &s->control, 0);
    s->control.data = s;
    mask = umask(0177);
    rc = uv_pipe_bind(&s->control, path);
    umask(mask);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&s->control, 16, on_connection);
    if (rc != 0) {
        snprintf(err, err_size, "control socket %s: %s", path, uv_strerror(rc));
        return rc;
    }
    return open_to_group(s, err, err_size);
}

void control_close(struct shell *s)
{
    unlink(s->config->control_socket);
    uv_close((uv_handle_t *)&s->control, NULL);
}
