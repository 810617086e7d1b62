/* A file, one record a line.  Confirmed when written; with `sync`, when synced.  A worker thread
 * has the file while it is `busy`. */
#include "file_disk.h"
#include "file_tail.h"
#include "sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS = 512, BUFFER = 512 << 10, ASKED_MAX = 2048 /* As many as the core can have open. */ };

struct file_sink {
    struct sink base;
    uv_timer_t retry, later;
    uv_work_t search, beside;
    bool open, busy, searching, reopen;
    uint8_t *buffer;
    size_t used, items; /* Pulled, and not written. */
    struct file_disk disk;
    struct file_question asked[ASKED_MAX], looked[ASKED_MAX]; /* looked: while `searching`. */
    size_t asked_count, looked_count;
};

static void pump(struct file_sink *f);

static void go_beside(struct file_sink *f, uv_work_cb work, uv_after_work_cb done)
{
    f->busy = true;
    uv_queue_work(f->base.loop, &f->beside, work, done);
}

/* Of what was done beside. */
static bool is_good(struct file_sink *f)
{
    f->busy = false;
    if (f->disk.note != NULL)
        sink_warn(&f->base, "%s: %s", f->disk.path, f->disk.note);
    return f->disk.rc == 0;
}

/* ---- to open ---- */

static void open_beside(uv_work_t *w)
{
    struct file_sink *f = w->data;

    file_disk_open(&f->disk);
}

static void on_opened(uv_work_t *w, int status);

static void reopen(struct file_sink *f)
{
    f->open = f->reopen = false;
    go_beside(f, open_beside, on_opened);
}

static void on_retry(uv_timer_t *timer)
{
    reopen(timer->data);
}

/* T2: whether anything was under way or not. */
static void fault(struct file_sink *f)
{
    const struct file_disk *d = &f->disk;
    bool was_up = f->base.up;

    f->open = false;
    f->items = 0;
    sink_fault(&f->base, "%s: %s", d->path, d->wrong != NULL ? d->wrong : strerror(-d->rc));
    uv_timer_start(&f->retry, on_retry, sink_backoff_ms(&f->base), 0);
    if (was_up)
        sink_lost(&f->base, false);
}

static void on_opened(uv_work_t *w, int status)
{
    struct file_sink *f = w->data;

    (void)status; /* It was not cancelled: nobody does. */
    if (!is_good(f)) {
        fault(f);
        return;
    }
    f->open = true;
    if (!f->base.up)
        sink_is_up(&f->base);
    pump(f);
}

/* ---- to write ---- */

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

static void write_beside(uv_work_t *w)
{
    struct file_sink *f = w->data;

    file_disk_write(&f->disk, f->buffer, f->used);
}

static void on_written(uv_work_t *w, int status)
{
    struct file_sink *f = w->data;
    size_t items = f->items;

    (void)status;
    if (!is_good(f)) {
        sink_refuses(&f->base); /* It opens again, and is no news before it takes a record. */
        fault(f);
        return;
    }
    if (f->disk.gone) {
        sink_warn(&f->base, "%s: was removed, and what was in it: a new one is begun",
                  f->disk.path);
        reopen(f);
        return;
    }
    f->items = 0;
    sink_confirm(&f->base, items);
    pump(f);
}

static void rotate_beside(uv_work_t *w)
{
    struct file_sink *f = w->data;

    file_disk_rotate(&f->disk);
}

static void say_stuck(struct file_sink *f)
{
    const struct file_disk *d = &f->disk;
    const char *slash = strrchr(d->path, '/');
    char from[FILE_PATH_MAX], to[FILE_PATH_MAX];

    file_name(from, slash != NULL ? slash + 1 : d->path, d->rotation.stuck);
    file_name(to, slash != NULL ? slash + 1 : d->path, d->rotation.stuck + 1);
    sink_warn(&f->base, "%s: cannot rotate it, as %s cannot become %s: %s; it grows on", d->path,
              from, to, strerror(-d->rc));
}

static void on_rotated(uv_work_t *w, int status)
{
    struct file_sink *f = w->data;

    (void)status;
    if (!is_good(f) && !f->disk.gone)
        say_stuck(f);
    f->reopen |= f->disk.gone;
    pump(f);
}

static void look_for_asked(struct file_sink *f);

static void pump(struct file_sink *f)
{
    if (!f->open || f->busy)
        return;
    if (f->reopen) {
        reopen(f);
        return;
    }
    look_for_asked(f);
    if (f->items == 0 && !f->searching &&
        file_rotation_due(&f->disk.rotation, &f->base.o, f->disk.size)) {
        go_beside(f, rotate_beside, on_rotated);
        return;
    }
    if (f->items == 0)
        fill(f);
    if (f->items > 0)
        go_beside(f, write_beside, on_written);
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

static void on_found(uv_work_t *w, int status)
{
    struct file_sink *f = w->data;

    (void)status;
    for (size_t i = 0; i < f->looked_count; i++) {
        const struct file_question *q = &f->looked[i];

        f->base.host.answer(f->base.host.ctx, q->origin, q->epoch, q->from, q->to,
                            q->known ? ANSWER_HAS : ANSWER_UNKNOWN, q->known ? q->last : 0);
    }
    f->searching = false; /* Not before: an answer may lead to a question. */
    pump(f);
}

/* One look answers all that is asked, and not while the file is written: the answer shall be about
 * all of it. */
static void look_for_asked(struct file_sink *f)
{
    if (f->asked_count == 0 || f->searching)
        return;
    memcpy(f->looked, f->asked, f->asked_count * sizeof(f->asked[0]));
    f->looked_count = f->asked_count;
    f->asked_count = 0;
    f->searching = true;
    uv_queue_work(f->base.loop, &f->search, on_search, on_found);
}

static void on_later(uv_timer_t *timer)
{
    pump(timer->data);
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

    f->reopen = f->open || f->busy;
    pump(f);
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
    f->disk = (struct file_disk){
        .path = f->base.o.path, .sync = o->sync, .keep = o->rotate_keep, .fd = -1};
    uv_timer_init(loop, &f->retry);
    uv_timer_init(loop, &f->later);
    f->retry.data = f->later.data = f->search.data = f->beside.data = f;
    uv_timer_start(&f->retry, on_retry, 0, 0);
    *out = &f->base;
    return 0;
}
