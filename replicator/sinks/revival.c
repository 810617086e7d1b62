#include "revival.h"
#include "core.h"
#include "floating.h"
#include "kept.h"
#include "repair.h"
#include "tcp_acked.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { STEP_MS = 1, STAMP_MORE_MS = 200, DRIFT_PPM = 1000, TRY_MS = 1000 };

#define LIMIT_NS (30000 * MS_NS) /* An answer that does not come: D2. */
#define CLOSE_NS (1000 * MS_NS)  /* For the collector to close too. */

static void on_step(uv_timer_t *t);
static void next(struct revival *v);

void revival_init(struct revival *v, struct sink *s, const struct run_ip *own,
                  const struct run_ip *collector, uint16_t port)
{
    *v = (struct revival){
        .sink = s, .book = s->o.book, .own = *own, .collector = *collector, .port = port, .fd = -1};
    uv_timer_init(s->loop, &v->timer);
    v->timer.data = v;
}

void revival_keep(struct revival *v, uint32_t id, int fd)
{
    v->kept[v->kept_count].id = id;
    v->kept[v->kept_count++].fd = fd;
}

void revival_release(struct revival *v)
{
    struct run_table *t = &v->book->own;

    for (uint8_t i = t->held_count; i > 0; i--) {
        struct run_ip ip = t->held[i - 1];

        if (ip.family != v->collector.family || run_ip_equal(&ip, &v->own))
            continue;
        floating_remove(&ip, &v->collector);
        run_book_hold(v->book, &ip, false);
    }
}

static uint32_t key(const struct revival *v)
{
    return sink_key(v->sink->o.name);
}

/* ---- the end of one ---- */

static void give_back(struct revival *v)
{
    if (!v->theirs)
        return;
    floating_remove(&v->run.tcp.local, &v->collector);
    run_book_hold(v->book, &v->run.tcp.local, false);
}

static void over(struct revival *v)
{
    if (v->fd >= 0)
        repair_drop(v->fd);
    v->fd = -1;
    give_back(v);
    run_bytes_forget(&v->bytes);
    v->phase = REVIVAL_IDLE;
    if (v->answered)
        memmove(v->ask, v->ask + 1, --v->ask_count * sizeof(v->ask[0]));
    next(v);
}

static void answer(struct revival *v, enum core_answer kind, uint32_t last)
{
    struct revival_ask a = v->ask[0];
    struct sink *s = v->sink;

    v->answered = true;
    if (kind == ANSWER_UNKNOWN)
        s->state.unsettled++;
    else if (v->phase != REVIVAL_IDLE)
        s->state.settled++;
    s->host.answer(s->host.ctx, a.origin, a.epoch, a.from, a.to, kind, last);
}

/* What the tables say suffices for these; the answer then leads to another question. */
static void confirm_before(struct revival *v, uint32_t last)
{
    const struct revival_ask *q = &v->ask[0];
    struct sink *s = v->sink;

    if (last >= q->from)
        s->host.confirmed_written(s->host.ctx, q->origin, q->epoch, q->from, last);
}

static void close_in(struct revival *v, struct run_table *t, uint32_t last)
{
    struct run *r = run_find(t, v->run.key, v->run.id);

    if (r == NULL)
        return;
    if (last + 1 > r->first) {
        r->first = last + 1;
        r->offset =
            v->bytes.offset + (last >= v->bytes.begin ? v->bytes.end[last - v->bytes.begin] : 0);
    }
    if (t == &v->book->theirs)
        r->state = RUN_CLOSED;
    else
        run_book_close(v->book, r->key, r->id);
}

/* Nobody is to ask it again, and the other node learns how far it went. */
static void run_is_over(struct revival *v, uint32_t last)
{
    if (v->theirs)
        close_in(v, &v->book->theirs, last);
    close_in(v, &v->book->own, last);
}

static void fail(struct revival *v, const char *why)
{
    sink_warn(v->sink, "the connection that may have carried %u/%u from %u on tells nothing: %s",
              v->run.origin, v->run.epoch, v->bytes.begin, why);
    run_is_over(v, v->run.first - 1); /* Not begin: what lies below was not asked about. */
    confirm_before(v, v->bytes.begin - 1);
    answer(v, ANSWER_UNKNOWN, 0);
    over(v);
}

/* ---- the steps ---- */

static uint32_t stamp(const struct revival *v)
{
    uint64_t ms = (sink_clock_ns() - v->told_ns) / MS_NS;

    return v->run.tcp.stamp + (uint32_t)(ms + ms * DRIFT_PPM / 1000000 + STAMP_MORE_MS);
}

/* The socket first, then its address, then the question. */
static int probe(struct revival *v)
{
    if (v->fd >= 0)
        repair_drop(v->fd);
    v->fd = repair_revive(&v->run.tcp, v->bytes.offset, stamp(v), v->bytes.at, v->bytes.len);
    v->tried_ns = sink_clock_ns();
    v->phase = REVIVAL_PROBE;
    if (v->fd < 0)
        return -1;
    floating_add(&v->run.tcp.local, &v->collector);
    floating_announce(&v->run.tcp.local, &v->collector);
    return repair_speak(v->fd);
}

static int go_on(struct revival *v, size_t at)
{
    repair_drop(v->fd);
    v->at = at;
    v->phase = REVIVAL_FINISH;
    v->fd = repair_revive(&v->run.tcp, v->bytes.offset + at, stamp(v), NULL, 0);
    return v->fd < 0 ? -1 : repair_speak(v->fd);
}

static void step_probe(struct revival *v)
{
    uint64_t acked;
    int rc = repair_heard(v->fd, v->bytes.len, &acked);

    if (rc < 0) {
        fail(v, strerror(-rc));
    } else if (rc > 0) {
        sink_warn(v->sink,
                  "the other node's connection is revived: of %u/%u from %u on the "
                  "collector had %llu of %zu bytes",
                  v->run.origin, v->run.epoch, v->bytes.begin, (unsigned long long)acked,
                  v->bytes.len);
        if (go_on(v, (size_t)acked) != 0)
            fail(v, strerror(errno));
    } else if (sink_clock_ns() - v->started_ns > LIMIT_NS) {
        fail(v, "no answer");
    } else if (sink_clock_ns() - v->tried_ns > TRY_MS * MS_NS && probe(v) != 0) {
        fail(v, strerror(errno));
    }
}

/* The rest of what is asked went into another connection, if all of this one's went into this. */
static bool has_more(const struct revival *v)
{
    return v->to < v->ask[0].to;
}

static void finished(struct revival *v)
{
    run_is_over(v, v->bytes.last);
    if (!has_more(v)) {
        answer(v, ANSWER_HAS, v->bytes.last >= v->ask[0].from ? v->bytes.last : 0);
    } else if (v->bytes.last < v->to) {
        confirm_before(v, v->bytes.last);
        answer(v, ANSWER_UNKNOWN, 0);
    }
    shutdown(v->fd, SHUT_WR);
    v->phase = REVIVAL_CLOSE;
    v->tried_ns = sink_clock_ns();
}

/* `left` bytes are not acknowledged. */
static bool stands_still(struct revival *v, uint64_t left)
{
    if (left != v->moved)
        v->moved_ns = sink_clock_ns();
    v->moved = left;
    return sink_clock_ns() - v->moved_ns > LIMIT_NS;
}

static void step_finish(struct revival *v)
{
    struct tcp_progress p;
    int queued = 0;

    while (v->at < v->bytes.len) {
        ssize_t n =
            send(v->fd, v->bytes.at + v->at, v->bytes.len - v->at, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n <= 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n <= 0) {
            fail(v, strerror(errno));
            return;
        }
        v->at += (size_t)n;
    }
    if (tcp_progress(v->fd, &p) != 0 || ioctl(v->fd, SIOCOUTQ, &queued) != 0 || p.given_up) {
        fail(v, "no answer any more");
        return;
    }
    if (stands_still(v, v->bytes.len - v->at + (size_t)queued)) {
        fail(v, "it takes nothing more");
        return;
    }
    if (v->at == v->bytes.len && queued == 0 && p.established)
        finished(v);
    else if (!p.established)
        fail(v, "it was reset");
}

static void step_close(struct revival *v)
{
    uint8_t byte[256];
    ssize_t n = recv(v->fd, byte, sizeof(byte), MSG_DONTWAIT);

    if (n > 0 || (n < 0 && errno == EAGAIN && sink_clock_ns() - v->tried_ns < CLOSE_NS))
        return;
    over(v);
}

static void on_step(uv_timer_t *t)
{
    struct revival *v = t->data;

    if (v->phase == REVIVAL_PROBE)
        step_probe(v);
    else if (v->phase == REVIVAL_FINISH)
        step_finish(v);
    else if (v->phase == REVIVAL_CLOSE)
        step_close(v);
    next(v);
    if (v->phase == REVIVAL_IDLE)
        uv_timer_stop(t);
}

/* ---- the beginning ---- */

/* What the peer says of it is believed only as far as it is about our collector and our network. */
static bool is_ours_to_revive(const struct revival *v, const struct run *r)
{
    return r->place == v->sink->o.place && run_ip_equal(&r->tcp.remote, &v->collector) &&
           r->tcp.remote_port == v->port && !run_ip_equal(&r->tcp.local, &v->own) &&
           floating_fits(&r->tcp.local, &v->collector);
}

static int take_kept(struct revival *v, uint32_t id)
{
    char name[KEPT_NAME_MAX];
    int fd = -1;

    for (size_t i = 0; i < v->kept_count; i++) {
        if (v->kept[i].id != id)
            continue;
        fd = v->kept[i].fd;
        v->kept[i] = v->kept[--v->kept_count];
        snprintf(name, sizeof(name), "evrep-%s-%08x", v->sink->o.name, id);
        kept_remove(name);
        break;
    }
    return fd;
}

void revival_tidy(struct revival *v)
{
    struct sink *s = v->sink;

    for (size_t i = v->kept_count; i > 0; i--) {
        uint32_t id = v->kept[i - 1].id, emitted;
        const struct run *r = run_find(&v->book->own, key(v), id);

        if (r == NULL)
            continue;
        emitted = s->host.emitted(s->host.ctx, r->origin, r->epoch);
        if (emitted != SEQUENCE_MAX && (r->end == 0 || r->end - 1 > emitted))
            continue;
        close(take_kept(v, id));
        run_book_close(v->book, key(v), id);
    }
}

/* Only what the kernel was given, and the rest of the record that was cut. */
static int begin_kept(struct revival *v)
{
    uint64_t written;
    uint32_t n = 0, count = v->bytes.last - v->bytes.begin + 1;

    errno = 0;
    v->fd = take_kept(v, v->run.id);
    if (v->fd < 0 || tcp_written(v->fd, &written) != 0 || written < v->bytes.offset ||
        written > v->bytes.offset + v->bytes.len)
        return -1;
    v->at = (size_t)(written - v->bytes.offset);
    while (n < count && v->bytes.end[n] < v->at)
        n++;
    if (v->at == 0)
        v->bytes.last = v->bytes.begin - 1;
    else
        v->bytes.last = v->bytes.begin + n;
    v->bytes.len = v->at == 0 ? 0 : v->bytes.end[n];
    v->phase = REVIVAL_FINISH;
    return 0;
}

static bool is_kept(const struct revival *v, uint32_t id)
{
    for (size_t i = 0; i < v->kept_count; i++) {
        if (v->kept[i].id == id)
            return true;
    }
    return false;
}

/* The other node shall not take it up too, should it come back. */
static void take(struct revival *v)
{
    struct run r = v->run;

    r.state = RUN_TAKEN;
    run_book_put(v->book, &r);
    run_book_hold(v->book, &r.tcp.local, true);
}

static void begin(struct revival *v, const struct run_answer *a)
{
    v->run = *a->run;
    v->theirs = a->run >= v->book->theirs.run && a->run < v->book->theirs.run + RUN_MAX;
    v->bytes.begin = a->confirmed + 1;
    v->bytes.last = v->to = a->to;
    v->started_ns = v->moved_ns = sink_clock_ns();
    v->moved = 0;
    v->told_ns = v->book->theirs_ns;
    v->at = 0;
    if (run_bytes_render(&v->bytes, v->sink, &v->run) != 0) {
        fail(v, "its records cannot be rendered again");
        return;
    }
    if (v->theirs)
        take(v);
    if ((v->theirs ? probe(v) : begin_kept(v)) != 0)
        fail(v, errno != 0 ? strerror(errno) : "it does not fit");
    else
        uv_timer_start(&v->timer, on_step, STEP_MS, STEP_MS);
}

/* No connection is there to be asked. */
static void tell_at_once(struct revival *v, const struct run_answer *a)
{
    if (a->word == RUN_CONFIRMED) {
        answer(v, ANSWER_HAS, a->confirmed);
    } else {
        confirm_before(v, a->confirmed);
        answer(v, ANSWER_UNKNOWN, 0);
    }
    memmove(v->ask, v->ask + 1, --v->ask_count * sizeof(v->ask[0]));
}

/* One of ours that lives carries what nobody doubts. */
static bool may_ask(const struct revival *v, const struct run *r)
{
    bool ours = r >= v->book->own.run && r < v->book->own.run + RUN_MAX;

    return ours ? is_kept(v, r->id) : is_ours_to_revive(v, r);
}

static void next(struct revival *v)
{
    while (v->phase == REVIVAL_IDLE && v->ask_count > 0) {
        const struct revival_ask *q = &v->ask[0];
        struct run_answer a =
            run_ask(&v->book->own, &v->book->theirs, key(v), q->origin, q->epoch, q->from, q->to);

        v->answered = false;
        if (a.word == RUN_TO_ASK && may_ask(v, a.run))
            begin(v, &a);
        else
            tell_at_once(v, &a);
    }
}

void revival_ask(struct revival *v, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to)
{
    struct revival_ask q = {origin, epoch, from, to};

    for (size_t i = 0; i < v->ask_count; i++) {
        if (memcmp(&v->ask[i], &q, sizeof(q)) == 0 && !(i == 0 && v->answered))
            return;
    }
    if (v->ask_count == REVIVAL_ASKS_MAX) {
        v->sink->host.answer(v->sink->host.ctx, origin, epoch, from, to, ANSWER_UNKNOWN, 0);
        return;
    }
    v->ask[v->ask_count++] = q;
    /* Not from within the call: as the answers of other sinks, it comes from the loop. */
    if (!uv_is_active((uv_handle_t *)&v->timer))
        uv_timer_start(&v->timer, on_step, STEP_MS, STEP_MS);
}

void revival_end(struct revival *v)
{
    if (v->phase == REVIVAL_IDLE)
        return;
    if (v->fd >= 0)
        repair_drop(v->fd);
    v->fd = -1;
    give_back(v);
}
