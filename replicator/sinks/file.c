/* A file, one record a line.  Confirmed when written; with `sync`, when synced. */
#include "file_rotate.h"
#include "file_tail.h"
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ITEMS = 512, BUFFER = 512 << 10, ASKED_MAX = 2048 /* As many as the core can have open. */ };

struct file_sink {
    struct sink base;
    uv_timer_t retry, later;
    uv_fs_t request;
    uv_work_t search, beside;
    int fd, beside_rc;
    bool writing; /* Or opening, or rotating: the file is busy. */
    bool searching, reopen;
    bool synced; /* What was there before this process is. */
    uint8_t *buffer;
    size_t used, items;
    off_t size;
    struct file_rotation rotation;
    struct file_question asked[ASKED_MAX], looked[ASKED_MAX]; /* looked: while `searching`. */
    size_t asked_count, looked_count;
};

static void pump(struct file_sink *f);
static void open_file(struct file_sink *f);
static void reopen(struct file_sink *f);

static void on_retry(uv_timer_t *timer)
{
    open_file(timer->data);
}

static void fault(struct file_sink *f, const char *what, int code)
{
    sink_fault(&f->base, "%s: %s", f->base.o.path, what != NULL ? what : strerror(code));
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
    uv_timer_start(&f->retry, on_retry, sink_backoff_ms(&f->base), 0);
}

/* NULL, or what is wrong with it; *code where that is an errno. */
static const char *check_file(struct file_sink *f, int *code)
{
    struct stat st, there;
    bool foreign;

    *code = 0;
    if (fstat(f->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return "not a file; 'path' has to name one, in a folder that exists";
    if (flock(f->fd, LOCK_EX | LOCK_NB) != 0)
        return "another program has locked it to write it; each evrepd needs a file of its own";
    if (stat(f->base.o.path, &there) != 0 || there.st_ino != st.st_ino || there.st_dev != st.st_dev)
        return "renamed while it was opened";
    f->size = file_mend_end(f->fd, st.st_size, &foreign);
    if (f->size == -EBADMSG)
        return "ends in something that is no line of ours; move it away";
    if (foreign)
        sink_warn(&f->base, "%s: the last line, which is not ours, had no end: it got one",
                  f->base.o.path);
    if (f->size < 0)
        *code = (int)-f->size;
    return NULL;
}

/* What waits for the disk goes beside the loop, with the file busy. */
static void go_beside(struct file_sink *f, uv_work_cb work, uv_after_work_cb done)
{
    f->writing = true;
    if (uv_queue_work(f->base.loop, &f->beside, work, done) != 0)
        done(&f->beside, UV_ENOMEM);
}

/* D1: what a process before this one wrote and did not sync is about to count as confirmed.  What
 * this one wrote was synced before it was confirmed. */
static void sync_what_is_there(uv_work_t *w)
{
    struct file_sink *f = w->data;

    if (!f->synced && fdatasync(f->fd) != 0)
        f->beside_rc = -errno;
    else
        f->beside_rc = file_sync_folder(f->base.o.path);
}

static void opened(struct file_sink *f)
{
    file_rotation_start(&f->rotation, f->fd, f->size);
    if (!f->base.up)
        sink_is_up(&f->base);
    pump(f);
}

static void on_there_synced(uv_work_t *w, int status)
{
    struct file_sink *f = w->data;
    int rc = status != 0 ? status : f->beside_rc;

    f->writing = false;
    if (rc != 0) {
        fault(f, NULL, -rc);
        return;
    }
    f->synced = true;
    if (f->reopen)
        reopen(f);
    else
        opened(f);
}

static void cannot_open(struct file_sink *f, int code)
{
    if (code == EISDIR)
        fault(f, "is a folder; 'path' has to name a file", 0);
    else if (code == ENOENT || code == ENOTDIR)
        fault(f, "the folder that it is to be in does not exist; make it, or mend 'path'", 0);
    else if (code == EACCES || code == EROFS)
        fault(f, "may not be written by the user that evrepd runs as; give it the right to", 0);
    else
        fault(f, NULL, code);
}

static void open_file(struct file_sink *f)
{
    const char *wrong;
    int code;

    if (f->writing)
        return;
    f->fd = open(f->base.o.path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
    if (f->fd < 0) {
        cannot_open(f, errno);
        return;
    }
    wrong = check_file(f, &code);
    if (wrong != NULL || code != 0)
        fault(f, wrong, code);
    else if (f->base.o.sync)
        go_beside(f, sync_what_is_there, on_there_synced);
    else
        opened(f);
}

/* Half of it is cut off again: certain, so nothing is in doubt. */
static void write_failed(struct file_sink *f, int code)
{
    if (ftruncate(f->fd, f->size) != 0)
        code = errno;
    sink_refuses(&f->base); /* It opens again, and is no news before it takes a record. */
    fault(f, NULL, code);
    sink_lost(&f->base, true);
}

static void reopen(struct file_sink *f)
{
    f->reopen = false;
    close(f->fd);
    open_file(f);
}

static void written(struct file_sink *f)
{
    f->writing = false;
    f->size += (off_t)f->used;
    sink_confirm(&f->base, f->items);
    if (f->reopen)
        reopen(f);
    pump(f);
}

static void on_synced(uv_fs_t *r)
{
    struct file_sink *f = r->data;
    int rc = (int)r->result;

    uv_fs_req_cleanup(r);
    if (rc == 0) {
        written(f);
        return;
    }
    f->writing = false; /* What a failed sync leaves on the disk is unknown: written anew. */
    write_failed(f, -rc);
}

static void on_written(uv_fs_t *r)
{
    struct file_sink *f = r->data;
    ssize_t n = r->result;

    uv_fs_req_cleanup(r);
    if (n < (ssize_t)f->used) {
        f->writing = false;
        write_failed(f, n < 0 ? (int)-n : ENOSPC);
    } else if (!f->base.o.sync) {
        written(f);
    } else if (uv_fs_fdatasync(f->base.loop, &f->request, f->fd, on_synced) != 0) {
        f->writing = false;
        write_failed(f, EIO);
    }
}

static void fill(struct file_sink *f)
{
    struct sink_item items[ITEMS];

    f->used = 0;
    f->items = f->base.host.pull(f->base.host.ctx, items, ITEMS, BUFFER - ITEMS);
    for (size_t i = 0; i < f->items; i++) {
        memcpy(f->buffer + f->used, items[i].bytes, items[i].len);
        f->used += items[i].len;
        f->buffer[f->used++] = '\n';
    }
}

static void rotate(uv_work_t *w)
{
    struct file_sink *f = w->data;

    f->beside_rc = file_rotate(&f->rotation, f->base.o.path, f->base.o.rotate_keep);
}

/* It goes on in the old file when that fails: nothing is lost by a file that is too long. */
static void on_rotated(uv_work_t *w, int status)
{
    struct file_sink *f = w->data;
    int rc = status != 0 ? status : f->beside_rc;

    f->writing = false;
    if (rc != 0 && rc != -ENOENT) /* ENOENT: somebody removed it; what went there is gone. */
        sink_warn(&f->base, "%s: cannot rotate it: %s; it grows on", f->base.o.path, strerror(-rc));
    if (rc == 0 || rc == -ENOENT || f->reopen)
        reopen(f);
    pump(f);
}

static void pump(struct file_sink *f)
{
    uv_buf_t buf;

    if (f->fd < 0 || f->writing)
        return;
    if (!f->searching && file_rotation_due(&f->rotation, &f->base.o, f->size)) {
        go_beside(f, rotate, on_rotated);
        return;
    }
    fill(f);
    if (f->items == 0)
        return;
    buf = uv_buf_init((char *)f->buffer, (unsigned)f->used);
    f->writing = true;
    if (uv_fs_write(f->base.loop, &f->request, f->fd, &buf, 1, f->size, on_written) != 0) {
        f->writing = false;
        write_failed(f, EIO);
    }
}

static void file_wake(struct sink *s)
{
    pump((struct file_sink *)s);
}

/* ---- D1 ---- */

static void on_search(uv_work_t *w)
{
    struct file_sink *f = w->data;

    file_tail_look(f->looked, f->looked_count, f->base.o.path, f->base.o.rotate_keep,
                   FILE_LOOK_MOST);
}

static void on_later(uv_timer_t *timer);

static void on_found(uv_work_t *w, int status)
{
    struct file_sink *f = w->data;

    f->searching = false;
    for (size_t i = 0; status == 0 && i < f->looked_count; i++) {
        const struct file_question *q = &f->looked[i];

        f->base.host.answer(f->base.host.ctx, q->origin, q->epoch, q->from, q->to,
                            q->known ? ANSWER_HAS : ANSWER_UNKNOWN, q->known ? q->last : 0);
    }
    on_later(&f->later);
}

/* One look answers all that is asked.  Questions wait while the file is written: the answer shall
 * be about all of it. */
static void on_later(uv_timer_t *timer)
{
    struct file_sink *f = timer->data;

    if (f->asked_count == 0 || f->searching)
        return;
    if (f->fd < 0 || f->writing) {
        uv_timer_start(&f->later, on_later, 5, 0);
        return;
    }
    memcpy(f->looked, f->asked, f->asked_count * sizeof(f->asked[0]));
    f->looked_count = f->asked_count;
    f->asked_count = 0;
    f->searching = uv_queue_work(f->base.loop, &f->search, on_search, on_found) == 0;
}

static void file_ask(struct sink *s, const struct sink_question *q)
{
    struct file_sink *f = (struct file_sink *)s;

    if (f->asked_count == ASKED_MAX)
        return;
    f->asked[f->asked_count++] = (struct file_question){
        .origin = q->origin, .epoch = q->epoch, .from = q->from, .to = q->to, .run = q->run};
    uv_timer_start(&f->later, on_later, 0, 0);
}

/* Somebody else has renamed it. */
static void file_reopen(struct sink *s)
{
    struct file_sink *f = (struct file_sink *)s;

    f->reopen = f->fd >= 0 && f->writing;
    if (f->fd >= 0 && !f->writing)
        reopen(f);
}

static const struct sink_ops file_ops = {
    .wake = file_wake,
    .ask = file_ask,
    .reopen = file_reopen,
};

int file_sink_open(struct sink **out, uv_loop_t *loop, const struct sink_options *o,
                   const struct sink_host *host, char *err, size_t err_size)
{
    struct file_sink *f = calloc(1, sizeof(*f));

    if (f == NULL || (f->buffer = malloc(BUFFER)) == NULL) {
        free(f);
        snprintf(err, err_size, "sink %s: out of memory", o->name);
        return -1;
    }
    f->base = (struct sink){.ops = &file_ops, .host = *host, .o = *o, .loop = loop};
    f->fd = -1;
    uv_timer_init(loop, &f->retry);
    uv_timer_init(loop, &f->later);
    f->retry.data = f->later.data = f->search.data = f->beside.data = f->request.data = f;
    uv_timer_start(&f->retry, on_retry, 0, 0);
    *out = &f->base;
    return 0;
}
