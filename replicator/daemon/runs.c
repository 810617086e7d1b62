/* D1b: what the connections of floating sinks carry is told to the peer, and kept here for it.
 *
 * RUNS is the whole table, RUNS_ACK gives back its instance and generation once it is in a file.
 * Both are told again until they are known to have arrived, so that no order of links matters. */
#include "shell.h"

#include "bytes.h"
#include "kept.h"
#include "run_book.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ACK_SIZE = FRAME_HEADER_SIZE + 12, TAIL_SIZE = 16 };

#define MS_NS    1000000ull
#define TELL_NS  (20 * MS_NS)  /* What can wait, at most so often. */
#define AGAIN_NS (200 * MS_NS) /* What is not acknowledged. */
#define SAVE_NS  (500 * MS_NS)

static struct run_book book;

struct run_book *runs_book(struct shell *s)
{
    (void)s;
    return &book;
}

static bool is_used(const struct shell *s)
{
    for (size_t k = 0; k < s->config->sink_count; k++) {
        if (s->config->sink[k].source[0] != '\0')
            return true;
    }
    return false;
}

/* ---- files: the table, u64 boot, u64 CLOCK_BOOTTIME ns ---- */

struct table_file {
    const char *whose;
    int wrong; /* Why it could not be written, as it was said; 0: it could. */
};

static struct table_file own_file = {.whose = "own"}, peer_file = {.whose = "peer"};

static void file_name(const struct shell *s, const struct table_file *f, const char *end,
                      char out[320])
{
    snprintf(out, 320, "%s/runs-%s%s", s->config->state_dir, f->whose, end);
}

/* It need not survive the power: it says nothing after that. */
static int write_file(const char *name, const uint8_t *at, size_t len)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), rc = 0;

    if (fd < 0)
        return -errno;
    errno = 0; /* A short write leaves it. */
    if (write(fd, at, len) != (ssize_t)len)
        rc = errno != 0 ? -errno : -ENOSPC;
    close(fd);
    return rc;
}

/* Once, however often it is tried again. */
static void say_wrong(struct table_file *f, const char *name, int rc)
{
    if (rc != 0 && rc != f->wrong)
        shell_log("%s: %s: the other node's connections could not be taken up by what it says",
                  name, strerror(-rc));
    f->wrong = rc;
}

/* In place of the one before, or not at all. */
static int save(struct shell *s, struct table_file *f, const struct run_table *t, uint64_t ns)
{
    static uint8_t bytes[RUN_TABLE_SIZE_MAX + TAIL_SIZE];
    size_t len = run_table_put(bytes, t);
    char name[320], next[320];
    int rc;

    put_le64(bytes + len, s->core->o.boot);
    put_le64(bytes + len + 8, ns);
    file_name(s, f, "", name);
    file_name(s, f, ".new", next);
    rc = write_file(next, bytes, len + TAIL_SIZE);
    if (rc == 0 && rename(next, name) != 0)
        rc = -errno;
    say_wrong(f, name, rc);
    return rc;
}

/* Of this boot: the connections of one before are gone, and the clock is another. */
static void load(struct shell *s, const struct table_file *f, struct run_table *t, uint64_t *ns)
{
    static uint8_t bytes[RUN_TABLE_SIZE_MAX + TAIL_SIZE + 1];
    char name[320];
    ssize_t n = -1;
    int fd;

    file_name(s, f, "", name);
    fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, bytes, sizeof(bytes));
        close(fd);
    }
    if (n < TAIL_SIZE || run_table_get(t, bytes, (size_t)n - TAIL_SIZE) != 0 ||
        get_le64(bytes + n - TAIL_SIZE) != s->core->o.boot)
        *t = (struct run_table){0};
    else
        *ns = get_le64(bytes + n - 8);
}

/* ---- to tell ---- */

static int link_to(const struct shell *s)
{
    struct link_state st;

    for (size_t i = 0; s->links != NULL && i < s->config->link_count; i++) {
        int link =
            s->core->link >= 0 ? (s->core->link + (int)i) % (int)s->config->link_count : (int)i;

        link_set_state(s->links, link, &st);
        if (st.version >= WIRE_VERSION_RUNS)
            return link;
    }
    return -1;
}

static void tell(struct shell *s, int link)
{
    static uint8_t frame[FRAME_HEADER_SIZE + RUN_TABLE_SIZE_MAX];
    static struct run_table t;
    size_t len;

    if (link < 0)
        return;
    t = book.own;
    for (uint8_t i = 0; i < t.count; i++)
        t.run[i].tcp.stamp += (uint32_t)(uv_hrtime() / MS_NS);
    wire_put_header(frame, FRAME_RUNS, s->core->peer_nonce);
    len = run_table_put(frame + FRAME_HEADER_SIZE, &t);
    if (link_set_send(s->links, link, frame, FRAME_HEADER_SIZE + len, false) == 0)
        book.told = t.generation;
    s->runs_told_ns = shell_now_ns();
}

static void on_changed(struct run_book *b)
{
    struct shell *s = b->ctx;

    tell(s, link_to(s));
    save(s, &own_file, &b->own, 0);
    s->runs_saved = b->own.generation;
    s->runs_saved_ns = shell_now_ns();
}

/* ---- what the peer tells ---- */

static void acknowledge(struct shell *s, int link, const struct run_table *t)
{
    uint8_t frame[ACK_SIZE];

    wire_put_header(frame, FRAME_RUNS_ACK, s->core->peer_nonce);
    put_le64(frame + FRAME_HEADER_SIZE, t->instance);
    put_le32(frame + FRAME_HEADER_SIZE + 8, t->generation);
    link_set_send(s->links, link, frame, sizeof(frame), false);
}

static bool is_same_run(const struct run *a, const struct run *b)
{
    return a->key == b->key && a->id == b->id && a->state == b->state && a->end == b->end;
}

/* Only how far its runs are confirmed has changed: what is in the file still holds. */
static bool is_progress(const struct run_table *a, const struct run_table *b)
{
    if (a->instance != b->instance || a->count != b->count || a->held_count != b->held_count)
        return false;
    for (uint8_t i = 0; i < a->count; i++) {
        if (!is_same_run(&a->run[i], &b->run[i]))
            return false;
    }
    for (uint8_t i = 0; i < a->held_count; i++) {
        if (!run_ip_equal(&a->held[i], &b->held[i]))
            return false;
    }
    return true;
}

/* false: it is not in a file. */
static bool keep(struct shell *s, const struct run_table *t, bool progress)
{
    uint64_t now = shell_now_ns();

    if (progress && now - s->peer_runs_saved_ns < SAVE_NS)
        return true;
    /* D1b: else the same table, told again, would be progress above one that is in no file. */
    s->peer_runs_saved_ns = save(s, &peer_file, t, now) == 0 ? now : 0;
    return s->peer_runs_saved_ns != 0;
}

/* 0, or -1: malformed. */
int runs_frame(struct shell *s, int link, uint8_t type, const uint8_t *at, size_t len)
{
    static struct run_table t;
    bool progress;

    at += FRAME_HEADER_SIZE;
    len -= FRAME_HEADER_SIZE;
    if (type == FRAME_RUNS_ACK) {
        if (len != ACK_SIZE - FRAME_HEADER_SIZE)
            return -1;
        run_book_acked(&book, get_le64(at), get_le32(at + 8));
        emit_wake(s);
        return 0;
    }
    if (run_table_get(&t, at, len) != 0)
        return -1;
    progress = s->peer_runs_saved_ns != 0 && is_progress(&book.theirs, &t);
    if (!run_book_take(&book, &t, shell_now_ns()))
        return 0;
    if (keep(s, &t, progress))
        acknowledge(s, link, &t);
    return 0;
}

/* ---- time, links ---- */

void runs_link(struct shell *s)
{
    struct link_state st;
    bool any = false, knows = false;

    for (size_t i = 0; s->links != NULL && i < s->config->link_count; i++) {
        link_set_state(s->links, (int)i, &st);
        any |= st.version != 0;
        knows |= st.version >= WIRE_VERSION_RUNS;
    }
    book.deaf = any && !knows;
    book.ready |= book.deaf;
    run_book_link(&book, knows);
}

/* Before the sinks are woken. */
void runs_flushed(struct shell *s)
{
    book.leased = s->config->has_peer && core_lease_valid(s->core);
}

void runs_tick(struct shell *s)
{
    uint64_t now = shell_now_ns();
    bool news = book.told != book.own.generation;
    bool lacks = book.acked != book.own.generation;

    if (!s->config->has_peer || now - s->core->started_ns > 2 * s->core->o.hello_ns)
        book.ready |= !book.link;
    if ((news && now - s->runs_told_ns > TELL_NS) || (lacks && now - s->runs_told_ns > AGAIN_NS))
        tell(s, link_to(s));
    if (kept_possible() && s->runs_saved != book.own.generation &&
        now - s->runs_saved_ns > SAVE_NS) {
        save(s, &own_file, &book.own, 0);
        s->runs_saved = book.own.generation;
        s->runs_saved_ns = now;
    }
}

void runs_open(struct shell *s)
{
    uint64_t ns = 0;

    book.ctx = s;
    if (!is_used(s))
        return;
    load(s, &own_file, &book.own, &ns);
    load(s, &peer_file, &book.theirs, &book.theirs_ns);
    randombytes_buf(&book.own.instance, sizeof(book.own.instance));
    book.own.generation = 1;
    book.changed = on_changed;
}
