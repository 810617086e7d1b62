#include "stream.h"
#include "life.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 65536, ACK_MS = 20, HOLES_SAID_MAX = 20 };

struct ingest_stream {
    struct ingest_stream_options o;
    uv_loop_t *loop;
    struct ingest_ring *ring;
    uv_pipe_t listener;
    struct helper *helper; /* NULL: none is connected. */
    uint8_t place;         /* Of our memory and marks in the ring. */
    bool held_up;
    uint64_t refused, listening_ns; /* listening_ns: CLOCK_BOOTTIME. */
    unsigned holes_said;            /* Since the last statement. */
    struct stream_source source;
};

struct helper { /* One connection. */
    uv_pipe_t pipe;
    uv_write_t write;
    struct ingest_stream *stream;
    bool writing, closing;
    uint32_t run; /* Key of the numbering that this is about: */
    uint64_t acknowledged, ack_ns;
    struct { /* What can be acknowledged once the ring is released up to there. */
        uint64_t prefix, claimed;
    } waits;
    uint8_t control[STREAM_HEADER_SIZE];
    uint64_t read_ns; /* Of the last bytes. */
    size_t len;
    uint8_t buffer[BUFFER];
};

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* ---- the connection ---- */

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

static void drop(struct ingest_stream *s, const char *why)
{
    struct helper *h = s->helper;

    if (h == NULL)
        return;
    s->helper = NULL;
    s->held_up = false;
    h->closing = true;
    stream_disconnected(&s->source, clock_ns(CLOCK_MONOTONIC));
    s->o.log("source %s: the helper's connection ends: %s", s->o.name, why);
    uv_close((uv_handle_t *)&h->pipe, on_closed);
}

static void on_written(uv_write_t *w, int status)
{
    struct helper *h = w->data;

    h->writing = false;
    if (status != 0 && !h->closing)
        drop(h->stream, uv_strerror(status));
}

/* A header is all that is ever sent to a helper (contract 3.9). */
static bool send_control(struct helper *h, uint8_t type, uint64_t sequence)
{
    uv_buf_t buf = uv_buf_init((char *)h->control, sizeof(h->control));

    if (h->writing)
        return false;
    stream_header_encode(&(struct stream_header){.type = type, .sequence = sequence}, h->control);
    h->write.data = h;
    h->writing = uv_write(&h->write, (uv_stream_t *)&h->pipe, &buf, 1, on_written) == 0;
    return h->writing;
}

/* ---- frames to records ---- */

static int state_record(struct ingest_stream *s, const struct stream_item *item)
{
    struct evhooks_mark mark = {.source = s->place + 1u,
                                .what = STREAM_MARK_FRAME,
                                .run = s->source.run->key,
                                .from = item->sequence,
                                .to = item->sequence};

    return ingest_ring_put(s->ring, item->kind, SOURCE_EVENT_STREAM, clock_ns(CLOCK_REALTIME),
                           s->o.names, item->event, &mark);
}

/* Stated as what was suppressed, of no kind and zone: how many, and in which time. */
static int state_note(struct ingest_stream *s, const struct stream_note *n)
{
    static const uint8_t causes[] = {
        [STREAM_LOST] = CAUSE_STREAM_HOLE, [STREAM_DOUBTFUL] = CAUSE_STREAM_DOUBT};
    struct evhooks_mark mark = {.source = s->place + 1u,
                                .what = STREAM_MARK_TOLD,
                                .run = n->cause + 1u,
                                .from = n->from,
                                .to = n->to};
    struct record_note note = {.cause = causes[n->cause],
                               .count = n->count,
                               .first_ns = n->first_ns,
                               .last_ns = n->last_ns};
    uint8_t event[EVENT_SIZE];

    note_encode(&note, event);
    return ingest_ring_put(s->ring, RECORD_SUPPRESSED, SOURCE_EVREP, clock_ns(CLOCK_REALTIME),
                           s->o.names, event, &mark);
}

static void give_up(struct ingest_stream *s, const struct stream_gap *gap)
{
    stream_given_up(&s->source, gap);
    if (s->holes_said++ < HOLES_SAID_MAX)
        s->o.log("source %s: frames %" PRIu64 " to %" PRIu64 " of the helper %s", s->o.name,
                 gap->hole.from, gap->hole.to,
                 gap->cause == STREAM_LOST ? "never came" : "were before us: are they missing?");
}

static void state_what_is_untold(struct ingest_stream *s, uint64_t now_ns)
{
    struct stream_note note;

    while (stream_untold(&s->source, now_ns, &note)) {
        if (!ingest_ring_room(s->ring) || state_note(s, &note) != 0)
            return;
        s->o.log(
            "source %s: stated: %" PRIu64 " frames of the helper %s", s->o.name, note.count,
            note.cause == STREAM_LOST
                ? "never came"
                : "may be missing: before us, or taken for repeats of one whose process cannot "
                  "be told; run it where evrepd sees it");
        stream_told(&s->source, &note, now_ns);
        s->holes_said = 0;
    }
}

/* What begins the buffer; false: it stays for now. */
static bool one_frame(struct ingest_stream *s, struct helper *h, size_t *at, bool quiet)
{
    struct stream_item item;
    struct stream_gap gap;

    switch (stream_next(&s->source, h->buffer + *at, h->len - *at, quiet, &item, &gap)) {
    case STREAM_SKIP:
        break;
    case STREAM_RECORD:
        s->held_up = !ingest_ring_room(s->ring) || state_record(s, &item) != 0;
        if (s->held_up)
            return false;
        stream_taken(&s->source, &item);
        break;
    case STREAM_HOLE:
        give_up(s, &gap);
        return true;
    case STREAM_TORN:
        drop(s, item.why);
        return false;
    default:
        return false;
    }
    *at += item.used;
    return true;
}

/* quiet: nothing more will come, or has for so long. */
static void frames(struct ingest_stream *s, bool quiet)
{
    struct helper *h = s->helper;
    size_t at = 0;

    while (one_frame(s, h, &at, quiet))
        ;
    if (s->helper != h) /* Dropped; it is freed later. */
        return;
    memmove(h->buffer, h->buffer + at, h->len - at);
    h->len -= at;
}

static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *buf)
{
    struct helper *h = handle->data;

    (void)hint;
    *buf = uv_buf_init((char *)h->buffer + h->len, (unsigned)(BUFFER - h->len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct helper *h = stream->data;
    struct ingest_stream *s = h->stream;

    (void)buf;
    if (h->closing)
        return;
    if (n < 0) {
        frames(s, true);
        drop(s, n == UV_EOF ? "closed by the helper" : uv_strerror((int)n));
        return;
    }
    h->len += (size_t)n;
    h->read_ns = clock_ns(CLOCK_MONOTONIC);
    stream_arrived(&s->source, clock_ns(CLOCK_REALTIME));
    frames(s, false);
    if (s->held_up && s->helper == h)
        uv_read_stop(stream);
}

/* ---- who dials ---- */

static bool may_dial(struct ingest_stream *s, uv_pipe_t *pipe, struct ucred *who, uint64_t *life)
{
    socklen_t len = sizeof(*who);
    uv_os_fd_t fd;

    if (uv_fileno((uv_handle_t *)pipe, &fd) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, who, &len) != 0)
        return false;
    *life = life_of(fd, who);
    if (who->uid == 0 || who->uid == geteuid())
        return true;
    s->refused++;
    s->o.log("source %s: refused: a helper of user %u; run it as user %u or root", s->o.name,
             (unsigned)who->uid, (unsigned)geteuid());
    return false;
}

/* What the old one sent before it closed is not to be lost: a FULL_RESYNC is never sent again. */
static void read_rest(struct ingest_stream *s)
{
    struct helper *h = s->helper;
    uv_os_fd_t fd;

    if (h == NULL || uv_fileno((uv_handle_t *)&h->pipe, &fd) != 0)
        return;
    while (s->helper == h && !s->held_up && h->len < BUFFER) {
        ssize_t n = recv(fd, h->buffer + h->len, BUFFER - h->len, MSG_DONTWAIT);

        if (n <= 0)
            return;
        h->len += (size_t)n;
        stream_arrived(&s->source, clock_ns(CLOCK_REALTIME));
        frames(s, false);
    }
}

/* 12.2, 27: a new one takes the place of the old one. */
static void welcome(struct ingest_stream *s, struct helper *h, const struct ucred *who,
                    uint64_t life)
{
    read_rest(s);
    if (s->helper != NULL)
        frames(s, true);
    drop(s, "another helper dialled");
    s->helper = h;
    stream_connected(&s->source, life, life_began_ns(who) >= s->listening_ns,
                     clock_ns(CLOCK_MONOTONIC));
    s->o.log("source %s: helper connected (process %d), frames up to %" PRIu64 " are here",
             s->o.name, (int)who->pid, stream_prefix(&s->source));
    if (uv_read_start((uv_stream_t *)&h->pipe, on_alloc, on_read) != 0)
        drop(s, "cannot be read");
}

static void on_connection(uv_stream_t *server, int status)
{
    struct ingest_stream *s = server->data;
    struct helper *h = status == 0 ? calloc(1, sizeof(*h)) : NULL;
    struct ucred who;
    uint64_t life;

    if (h == NULL)
        return;
    h->stream = s;
    h->pipe.data = h;
    uv_pipe_init(s->loop, &h->pipe, 0);
    if (uv_accept(server, (uv_stream_t *)&h->pipe) == 0 && may_dial(s, &h->pipe, &who, &life)) {
        welcome(s, h, &who, life);
        return;
    }
    h->closing = true;
    uv_close((uv_handle_t *)&h->pipe, on_closed);
}

/* ---- acknowledgements, holes ---- */

/* That it has read all that we wrote: nothing is left in its queue, which goes with its end too. */
static void see_what_it_heard(struct ingest_stream *s, struct helper *h)
{
    struct pollfd end = {.events = POLLRDHUP};
    int unread = 0;

    if (h->writing || h->run != s->source.run->key || h->acknowledged <= s->source.run->heard ||
        uv_fileno((uv_handle_t *)&h->pipe, &end.fd) != 0)
        return;
    if (ioctl(end.fd, SIOCOUTQ, &unread) == 0 && unread == 0 && poll(&end, 1, 0) == 0)
        stream_heard(&s->source, h->acknowledged);
}

/* A frame is safe once the ring is released past where it was stated: then it is journaled. */
static void acknowledge(struct ingest_stream *s, struct helper *h, uint64_t now_ns)
{
    uint64_t prefix = stream_prefix(&s->source);

    if (!stream_may_acknowledge(&s->source) || now_ns - h->ack_ns < ACK_MS * 1000000ull)
        return;
    if (h->run != s->source.run->key) { /* It counts anew. */
        h->run = s->source.run->key;
        h->acknowledged = h->waits.prefix = 0;
    }
    if (h->waits.prefix == 0 && prefix > h->acknowledged) {
        h->waits.prefix = prefix;
        h->waits.claimed = ingest_ring_claimed(s->ring);
    }
    if (h->waits.prefix == 0 || ingest_ring_released(s->ring) < h->waits.claimed ||
        !send_control(h, STREAM_ACK, h->waits.prefix))
        return;
    h->acknowledged = h->waits.prefix;
    h->waits.prefix = 0;
    h->ack_ns = now_ns;
}

static void read_on(struct ingest_stream *s)
{
    s->held_up = false;
    frames(s, false);
    stream_held_up(&s->source);
    if (!s->held_up && s->helper != NULL)
        uv_read_start((uv_stream_t *)&s->helper->pipe, on_alloc, on_read);
}

void ingest_stream_tick(struct ingest_stream *s)
{
    uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    struct stream_gap gap;

    if (s->helper != NULL && s->held_up)
        read_on(s);
    else if (s->helper != NULL && s->helper->len > 0 &&
             now_ns - s->helper->read_ns >= STREAM_QUIET_MS * 1000000ull)
        frames(s, true);
    if (s->helper != NULL && !s->helper->writing && stream_drain_wanted(&s->source, now_ns))
        send_control(s->helper, STREAM_DRAIN_REQUEST, stream_prefix(&s->source));
    while (stream_gap_due(&s->source, now_ns, &gap))
        give_up(s, &gap);
    state_what_is_untold(s, now_ns);
    if (s->helper != NULL) {
        see_what_it_heard(s, s->helper);
        acknowledge(s, s->helper, now_ns);
    }
}

void ingest_stream_names(struct ingest_stream *s, uint32_t generation)
{
    s->o.names = generation;
}

void ingest_stream_state(const struct ingest_stream *s, struct ingest_stream_state *out)
{
    *out = (struct ingest_stream_state){
        .connected = s->helper != NULL,
        .held_up = s->held_up,
        .prefix = stream_prefix(&s->source),
        .newest = s->source.run != NULL ? s->source.run->set.newest : 0,
        .acknowledged = s->helper != NULL ? s->helper->acknowledged : 0,
        .refused_connections = s->refused,
        .untold = stream_untold_count(&s->source),
        .count = s->source.count,
    };
}

/* ---- open ---- */

/* A socket that nobody listens on is of a daemon that died. */
static int clear_path(const char *path, char *err, size_t err_size)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct stat st;
    int fd, rc;

    if (lstat(path, &st) != 0)
        return 0;
    if (!S_ISSOCK(st.st_mode)) {
        snprintf(err, err_size, "%s: exists, and is not a socket; remove it", path);
        return -1;
    }
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    rc = fd >= 0 ? connect(fd, (struct sockaddr *)&a, sizeof(a)) : -1;
    if (fd >= 0)
        close(fd);
    if (rc == 0) {
        snprintf(err, err_size, "%s: another daemon listens on it; stop it first", path);
        return -1;
    }
    unlink(path);
    return 0;
}

static int start_listening(struct ingest_stream *s, char *err, size_t err_size)
{
    mode_t mask;
    int rc;

    if (clear_path(s->o.socket, err, err_size) != 0)
        return -1;
    uv_pipe_init(s->loop, &s->listener, 0);
    s->listener.data = s;
    mask = umask(0077);
    rc = uv_pipe_bind(&s->listener, s->o.socket);
    umask(mask);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&s->listener, 4, on_connection);
    s->listening_ns = clock_ns(CLOCK_BOOTTIME);
    if (rc != 0)
        snprintf(err, err_size, "source %s: socket %s: %s: does its folder exist?", s->o.name,
                 s->o.socket, uv_strerror(rc));
    return rc;
}

static int restore(struct ingest_stream *s, char *err, size_t err_size)
{
    uint32_t key;
    void *memory = ingest_ring_memory(s->ring, s->o.name, &s->place, &key);
    struct evhooks_mark mark;
    uint64_t cursor = 0;

    if (memory == NULL) {
        snprintf(err, err_size, "source %s: the ring remembers %u sources already; remove the ring",
                 s->o.name, INGEST_SOURCES);
        return -1;
    }
    stream_open(&s->source, memory, key, s->o.hole_ms * 1000000);
    while (ingest_ring_marks(s->ring, &cursor, &mark)) {
        if (mark.source == s->place + 1)
            stream_mark(&s->source, mark.what, mark.run, mark.from, mark.to);
    }
    stream_disconnected(&s->source, clock_ns(CLOCK_MONOTONIC));
    return 0;
}

int ingest_stream_open(struct ingest_stream **out, uv_loop_t *loop, struct ingest_ring *ring,
                       const struct ingest_stream_options *o, char *err, size_t err_size)
{
    struct ingest_stream *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return -1;
    s->o = *o;
    s->loop = loop;
    s->ring = ring;
    if (restore(s, err, err_size) != 0 || start_listening(s, err, err_size) != 0) {
        free(s);
        return -1;
    }
    *out = s;
    return 0;
}

void ingest_stream_close(struct ingest_stream *s)
{
    drop(s, "evrepd ends");
    unlink(s->o.socket);
    uv_close((uv_handle_t *)&s->listener, NULL);
}
