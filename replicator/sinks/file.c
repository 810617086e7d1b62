/* A file, one record a line.  Confirmed when written. */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ITEMS = 512, BUFFER = 512 << 10, RETRY_MS = 1000, TAIL_BYTES = 8 << 20 };

struct file_sink {
    struct sink base;
    uv_timer_t retry, later;
    uv_fs_t request;
    int fd;
    bool writing;
    uint8_t *buffer;
    size_t used, items;
    off_t size;
    uint64_t confirmed;
    struct {
        uint8_t origin;
        uint32_t epoch, from, to;
    } asked[64];
    size_t asked_count;
    char last_error[128];
};

static void pump(struct file_sink *f);
static void open_file(struct file_sink *f);

static void on_retry(uv_timer_t *timer)
{
    open_file(timer->data);
}

static void fault(struct file_sink *f, const char *what, int code)
{
    char line[128];

    snprintf(line, sizeof(line), "%s: %s", what, strerror(code));
    if (strcmp(line, f->last_error) != 0)
        f->base.host.down(f->base.host.ctx, line);
    snprintf(f->last_error, sizeof(f->last_error), "%s", line);
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
    uv_timer_start(&f->retry, on_retry, RETRY_MS, 0);
}

/* A crash can leave half a line; it was never confirmed, so it is written again as a whole. */
static int cut_torn_line(struct file_sink *f)
{
    char block[4096];

    while (f->size > 0) {
        off_t from = f->size > (off_t)sizeof(block) ? f->size - (off_t)sizeof(block) : 0;
        ssize_t n = pread(f->fd, block, (size_t)(f->size - from), from);
        const char *end = n > 0 ? memrchr(block, '\n', (size_t)n) : NULL;

        if (n <= 0)
            return -1;
        if (end != NULL) {
            f->size = from + (end - block) + 1;
            break;
        }
        f->size = from;
    }
    return ftruncate(f->fd, f->size);
}

static void open_file(struct file_sink *f)
{
    struct stat st;

    f->fd = open(f->base.o.path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (f->fd < 0) {
        fault(f, f->base.o.path, errno);
        return;
    }
    if (flock(f->fd, LOCK_EX | LOCK_NB) != 0) {
        fault(f, "another program writes it", errno);
        return;
    }
    if (fstat(f->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        fault(f, "not a file", EINVAL);
        return;
    }
    f->size = st.st_size;
    if (cut_torn_line(f) != 0) {
        fault(f, "cannot cut its torn last line", errno);
        return;
    }
    f->last_error[0] = '\0';
    f->base.host.up(f->base.host.ctx);
    pump(f);
}

static void on_written(uv_fs_t *r)
{
    struct file_sink *f = r->data;
    ssize_t n = r->result;
    size_t items = f->items;

    uv_fs_req_cleanup(r);
    f->writing = false;
    if (n < 0 ||
        (size_t)n < f->used) { /* Half of it is cut off again: certain, so nothing is in doubt. */
        int code = n < 0 ? (int)-n : ENOSPC;

        if (ftruncate(f->fd, f->size) != 0)
            code = errno;
        fault(f, f->base.o.path, code);
        f->base.host.lost(f->base.host.ctx, true);
        return;
    }
    f->size += n;
    f->confirmed += items;
    f->base.host.confirmed(f->base.host.ctx, items);
    pump(f);
}

static void pump(struct file_sink *f)
{
    struct sink_item items[ITEMS];
    uv_buf_t buf;

    if (f->fd < 0 || f->writing)
        return;
    f->used = 0;
    f->items = f->base.host.pull(f->base.host.ctx, items, ITEMS, BUFFER - ITEMS);
    if (f->items == 0)
        return;
    for (size_t i = 0; i < f->items; i++) {
        memcpy(f->buffer + f->used, items[i].bytes, items[i].len);
        f->used += items[i].len;
        f->buffer[f->used++] = '\n';
    }
    buf = uv_buf_init((char *)f->buffer, (unsigned)f->used);
    f->request.data = f;
    f->writing = true;
    if (uv_fs_write(f->base.loop, &f->request, f->fd, &buf, 1, f->size, on_written) != 0) {
        f->writing = false;
        fault(f, "cannot write", EIO);
        f->base.host.lost(f->base.host.ctx, true);
    }
}

static void file_wake(struct sink *s)
{
    pump((struct file_sink *)s);
}

/* The sequence in a line's tag when it is of that origin and epoch; 0: not. */
static uint32_t tag_in_line(const char *line, size_t len, uint8_t origin, uint32_t epoch)
{
    char want[3][64];

    snprintf(want[0], 64, " evrep-origin=\"%u\" evrep-epoch=\"%" PRIu32 "\" evrep-seq=\"", origin,
             epoch);
    snprintf(want[1], 64, "[evrep@32473 origin=\"%u\" epoch=\"%" PRIu32 "\" seq=\"", origin, epoch);
    snprintf(want[2], 64, " tag=%u/%" PRIu32 "/", origin, epoch);
    for (size_t i = 0; i < 3; i++) {
        const char *at = memmem(line, len, want[i], strlen(want[i]));

        if (at != NULL && memmem(line, len, "EVREP_FILTERED", 14) == NULL)
            return (uint32_t)strtoul(at + strlen(want[i]), NULL, 10);
    }
    return 0;
}

static uint32_t last_in_tail(struct file_sink *f, uint8_t origin, uint32_t epoch, uint32_t from,
                             uint32_t to)
{
    off_t start = f->size > TAIL_BYTES ? f->size - TAIL_BYTES : 0;
    size_t len = (size_t)(f->size - start);
    char *tail = malloc(len + 1);
    uint32_t best = 0;

    if (tail == NULL || pread(f->fd, tail, len, start) != (ssize_t)len) {
        free(tail);
        return 0;
    }
    tail[len] = '\0';
    for (char *line = tail; line < tail + len;) {
        char *nl = memchr(line, '\n', (size_t)(tail + len - line));
        size_t n = nl != NULL ? (size_t)(nl - line) : (size_t)(tail + len - line);
        uint32_t q = tag_in_line(line, n, origin, epoch);

        if (q >= from && q <= to && q > best)
            best = q;
        line += n + 1;
    }
    free(tail);
    return best;
}

static void on_later(uv_timer_t *timer)
{
    struct file_sink *f = timer->data;

    if (f->fd < 0 || f->writing) {
        uv_timer_start(&f->later, on_later, 5, 0);
        return;
    }
    while (f->asked_count > 0) {
        size_t i = --f->asked_count;
        uint32_t last = last_in_tail(f, f->asked[i].origin, f->asked[i].epoch, f->asked[i].from,
                                     f->asked[i].to);

        f->base.host.answer(f->base.host.ctx, f->asked[i].origin, f->asked[i].epoch,
                            f->asked[i].from, ANSWER_HAS, last);
    }
}

static void file_ask(struct sink *s, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to)
{
    struct file_sink *f = (struct file_sink *)s;

    if (f->asked_count == 64)
        return;
    f->asked[f->asked_count].origin = origin;
    f->asked[f->asked_count].epoch = epoch;
    f->asked[f->asked_count].from = from;
    f->asked[f->asked_count++].to = to;
    uv_timer_start(&f->later, on_later, 0, 0);
}

static void file_reopen(struct sink *s)
{
    struct file_sink *f = (struct file_sink *)s;

    if (f->fd < 0 || f->writing)
        return;
    close(f->fd);
    open_file(f);
}

static void file_state(const struct sink *s, struct sink_state *out)
{
    const struct file_sink *f = (const struct file_sink *)s;

    out->word = f->fd >= 0 ? "up" : "down";
    out->confirmed = f->confirmed;
    memcpy(out->last_error, f->last_error, sizeof(out->last_error));
}

static const struct sink_ops file_ops = {
    .wake = file_wake,
    .ask = file_ask,
    .reopen = file_reopen,
    .state = file_state,
};

int file_sink_open(struct sink **out, uv_loop_t *loop, const struct sink_options *o,
                   const struct sink_host *host, char *err, size_t err_size)
{
    struct file_sink *f = calloc(1, sizeof(*f));

    if (f == NULL) {
        snprintf(err, err_size, "sink %s: out of memory", o->name);
        return -1;
    }
    f->base = (struct sink){.ops = &file_ops, .host = *host, .o = *o, .loop = loop};
    f->buffer = malloc(2 * BUFFER);
    f->fd = -1;
    uv_timer_init(loop, &f->retry);
    uv_timer_init(loop, &f->later);
    f->retry.data = f->later.data = f;
    uv_timer_start(&f->retry, on_retry, 0, 0);
    *out = &f->base;
    return 0;
}
