/* NATS JetStream: one subject for each origin, `subject.0` and `subject.1`.  A record is confirmed
 * once the server has acknowledged its publish.
 *
 * No other writer can get between two records of ours unnoticed.  The server looks for a known
 * message id first, and only then at what was expected, so both are used:
 *   - The id is the record's tag.  A record that is there is acknowledged as a duplicate and not
 *     stored again, for as long as the stream remembers ids (duplicate_window).
 *   - What is published while nothing is in flight expects the subject's last message to be the one
 *     that we know of.  What follows in the pipeline expects the id of the one before it to be the
 *     stream's last: so one refusal refuses all behind it, and nothing is stored out of order.
 * A refusal means that somebody else wrote.  All that is in flight goes back, the core asks what is
 * there (D1), and goes on behind that.  Where the other origin's records cause it (they share the
 * stream), the next ones go one at a time, under the first guard alone, which they cannot break. */
#include "jetstream_ack.h"
#include "jetstream_link.h"
#include "sink.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FLIGHT_MAX = 8192, /* A power of two. */
    BATCH = 64,
    BATCH_BYTES = 1 << 18,
    ACK_MS = 5000,
    TICK_MS = 100,
    ALONE_MIN = 32, /* Records to publish one at a time after a broken chain, doubled up to */
    ALONE_MAX = 2048,
};

enum job { JOB_NONE, JOB_OPEN, JOB_ASK, JOB_CLOSE };

struct jetstream_sink {
    struct sink base;
    struct nats_loop loop;
    struct jetstream_link link;
    uv_timer_t retry, tick;
    uv_async_t job_done;
    uv_thread_t job_thread;
    enum job job;
    int job_result;
    char job_error[JETSTREAM_ERROR_MAX];

    struct sink_question question[JETSTREAM_QUESTIONS];
    size_t question_count;
    struct jetstream_ask asking;
    /* Of each origin, over this connection: whose runs go out under the guard. */
    struct jetstream_question answered[NODE_COUNT][JETSTREAM_QUESTIONS];
    size_t answered_count[NODE_COUNT];
    /* Where the subjects ended when the first connection was up, and when that was. */
    uint64_t floor[NODE_COUNT], floor_ns;

    struct sink_item batch[BATCH]; /* Pulled, and published up to batch_at. */
    size_t batch_count, batch_at;

    /* In flight: answers first .. next - 1, modulo 2^32. */
    uint32_t first, next;
    struct {
        uint8_t origin;
        bool stored;
    } flight[FLIGHT_MAX];
    uint64_t heard_ms;        /* When the last answer came, or the first of the flight left. */
    bool guarded[NODE_COUNT]; /* The chain in flight began behind this subject's last message. */
    char chain[JETSTREAM_ID_MAX]; /* The id that was published last. */
    uint32_t alone, alone_next;   /* So many are to go one at a time. */
    bool refused;
    uint32_t refused_at;
    bool pumping, ending;
};

static void pump(struct jetstream_sink *t);
static void job_start(struct jetstream_sink *t, enum job job);
static void job_try(struct jetstream_sink *t, enum job job);

static uint32_t in_flight(const struct jetstream_sink *t)
{
    return t->next - t->first;
}

/* ---- the end of a connection ---- */

static void forget_flight(struct jetstream_sink *t)
{
    t->first = t->next;
    t->batch_count = t->batch_at = 0;
    t->refused = false;
    memset(t->answered_count, 0, sizeof(t->answered_count));
}

/* The connection stays; the core asks again. */
static void all_goes_back(struct jetstream_sink *t)
{
    forget_flight(t);
    t->question_count = 0;
    sink_lost(&t->base, false);
}

static void end(struct jetstream_sink *t, const char *why)
{
    bool was_up = t->base.up;

    if (t->ending)
        return;
    t->ending = true;
    nats_loop_stop(&t->loop);
    uv_timer_stop(&t->tick);
    forget_flight(t);
    if (was_up)
        t->question_count = 0; /* The core asks again. */
    sink_fault(&t->base, "%s", why);
    if (t->job == JOB_NONE)
        job_try(t, JOB_CLOSE);
    if (was_up)
        sink_lost(&t->base, false);
}

/* ---- answers ---- */

static void confirm(struct jetstream_sink *t)
{
    size_t n = 0;

    while (t->first != t->next && t->flight[t->first % FLIGHT_MAX].stored) {
        t->first++;
        n++;
    }
    if (n > 0)
        sink_confirm(&t->base, n);
}

/* Everything before the refused one is known to be stored, and nothing from it on. */
static void give_back(struct jetstream_sink *t)
{
    if (!t->refused || t->first != t->refused_at)
        return;
    all_goes_back(t);
}

static void on_refused(struct jetstream_sink *t, uint32_t n, const struct jetstream_ack *a)
{
    if (t->refused && n - t->first > t->refused_at - t->first)
        return;
    t->refused = true;
    t->refused_at = n;
    if (a->error != JETSTREAM_WRONG_LAST_ID)
        return;
    t->alone = t->alone_next;
    t->alone_next = t->alone_next * 2 < ALONE_MAX ? t->alone_next * 2 : ALONE_MAX;
}

static void on_stored(struct jetstream_sink *t, uint32_t n, const struct jetstream_ack *a)
{
    uint8_t origin = t->flight[n % FLIGHT_MAX].origin;

    t->flight[n % FLIGHT_MAX].stored = true;
    if (!a->duplicate) {
        t->link.place[origin].last = a->sequence;
        return;
    }
    /* Its sequence is of the first with that id: it says nothing about the subject's last. */
    if (t->base.state.duplicates++ == 0)
        sink_warn(&t->base, "records were there already: another writer had published them");
}

static const char *what_to_do(uint32_t error)
{
    switch (error) {
    case JETSTREAM_STORE_FAILED: /* Of max_msgs, max_bytes, with discard = new. */
        return "raise its limits, or let it discard its oldest";
    case JETSTREAM_MESSAGE_TOO_LONG:
        return "raise its max_msg_size";
    case JETSTREAM_NO_RESOURCES:
    case JETSTREAM_NO_STORAGE:
        return "give its server, or the account, more storage";
    case JETSTREAM_SEALED:
        return "use another stream";
    default:
        return "the server's log may tell more";
    }
}

static void refused(struct jetstream_sink *t, const struct jetstream_place *p,
                    const struct jetstream_ack *a)
{
    char why[SINK_ERROR_MAX];

    snprintf(why, sizeof(why), "stream %.64s refuses a record: %.90s (%" PRIu32 "): %s", p->stream,
             a->text[0] != '\0' ? a->text : "error", a->error, what_to_do(a->error));
    sink_refuses(&t->base);
    end(t, why);
}

/* false: the connection has ended. */
static bool on_answer(struct jetstream_sink *t, natsMsg *m)
{
    const char *number = strrchr(natsMsg_GetSubject(m), '.');
    uint32_t n = number != NULL ? (uint32_t)strtoul(number + 1, NULL, 10) : 0;
    const struct jetstream_place *p;
    struct jetstream_ack a;

    if (n - t->first >= in_flight(t))
        return true; /* Of a flight that was given back. */
    p = &t->link.place[t->flight[n % FLIGHT_MAX].origin];
    t->heard_ms = uv_now(t->base.loop);
    if (jetstream_ack_parse(&a, natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m)) != 0) {
        end(t, "the server's answer to a publish is malformed");
        return false;
    }
    if (a.error == JETSTREAM_WRONG_LAST_ID || a.error == JETSTREAM_WRONG_LAST_SEQUENCE) {
        on_refused(t, n, &a);
    } else if (a.error != 0) {
        confirm(t);
        refused(t, p, &a);
        return false;
    } else if (strcmp(a.stream, p->stream) != 0) {
        end(t, "another stream takes the subject than the one that is configured");
        return false;
    } else {
        on_stored(t, n, &a);
    }
    return true;
}

static void on_io(void *ctx)
{
    struct jetstream_sink *t = ctx;
    natsMsg *m = NULL;
    natsStatus s;

    if (t->ending || !t->base.up || t->job != JOB_NONE) {
        if (t->base.up && nats_loop_closed(&t->loop))
            end(t, "the connection was lost");
        return;
    }
    while ((s = natsSubscription_NextMsg(&m, t->link.acks, 0)) == NATS_OK) {
        bool alive = on_answer(t, m);

        natsMsg_Destroy(m);
        if (!alive)
            return;
    }
    confirm(t);
    if (s == NATS_NO_RESPONDERS) {
        end(t, "no stream takes the subject now, or it has no leader");
        return;
    }
    give_back(t);
    if (nats_loop_closed(&t->loop))
        end(t, "the connection was lost");
    else
        pump(t);
}

static void on_tick(uv_timer_t *timer)
{
    struct jetstream_sink *t = timer->data;

    if (in_flight(t) > 0 && uv_now(t->base.loop) - t->heard_ms > ACK_MS)
        end(t, "no acknowledgement for 5 s");
    else
        pump(t);
}

/* ---- publishing ---- */

/* Which header guards the item, or NULL: it has to wait for what is in flight. */
static const char *guard(struct jetstream_sink *t, const struct sink_item *item, char *value,
                         size_t size)
{
    uint8_t o = item->origin;

    if (in_flight(t) == 0) {
        memset(t->guarded, 0, sizeof(t->guarded));
        t->guarded[o] = true;
        snprintf(value, size, "%" PRIu64, t->link.place[o].last);
        return "Nats-Expected-Last-Subject-Sequence";
    }
    if (t->alone > 0 || !t->guarded[o])
        return NULL;
    snprintf(value, size, "%s", t->chain);
    return "Nats-Expected-Last-Msg-Id";
}

static natsStatus make_message(const struct jetstream_sink *t, const struct sink_item *item,
                               const char *id, const char *key, const char *value, natsMsg **m)
{
    char reply[96];
    natsStatus s;

    snprintf(reply, sizeof(reply), "%s.%" PRIu32, t->link.inbox, t->next);
    s = natsMsg_Create(m, t->link.place[item->origin].subject, reply, (const char *)item->bytes,
                       (int)item->len);
    if (s == NATS_OK)
        s = natsMsgHeader_Set(*m, "Nats-Msg-Id", id);
    if (s == NATS_OK)
        s = natsMsgHeader_Set(*m, key, value);
    return s;
}

/* 1: it is on its way; 0: not yet; -1: the connection has ended. */
static int publish(struct jetstream_sink *t, const struct sink_item *item)
{
    char value[JETSTREAM_ID_MAX], id[JETSTREAM_ID_MAX];
    const char *key = guard(t, item, value, sizeof(value));
    natsMsg *m = NULL;
    natsStatus s;
    size_t n;

    if (key == NULL)
        return 0;
    n = jetstream_id(id, item->origin, item->position, item->statement);
    if (item->replay != 0) /* A known id would be taken for a duplicate. */
        snprintf(id + n, sizeof(id) - n, "r%" PRIu32, item->replay);
    s = make_message(t, item, id, key, value, &m);
    if (s == NATS_OK)
        s = natsConnection_PublishMsg(t->link.nc, m);
    natsMsg_Destroy(m);
    if (s != NATS_OK) {
        end(t, natsStatus_GetText(s));
        return -1;
    }
    if (in_flight(t) == 0)
        t->heard_ms = uv_now(t->base.loop);
    t->flight[t->next % FLIGHT_MAX].origin = item->origin;
    t->flight[t->next % FLIGHT_MAX].stored = false;
    t->next++;
    memcpy(t->chain, id, sizeof(id));
    if (t->alone > 0 && --t->alone == 0)
        t->alone_next = t->alone_next > ALONE_MIN ? t->alone_next / 2 : ALONE_MIN;
    return 1;
}

/* Publishes what was pulled.  false: not all of it can go now. */
static bool publish_batch(struct jetstream_sink *t)
{
    while (t->batch_at < t->batch_count) {
        if (publish(t, &t->batch[t->batch_at]) <= 0)
            return false;
        t->batch_at++;
    }
    return true;
}

static bool may_publish(const struct jetstream_sink *t)
{
    return t->base.up && !t->ending && !t->refused && t->job == JOB_NONE;
}

static void pump(struct jetstream_sink *t)
{
    if (t->pumping || !may_publish(t))
        return;
    t->pumping = true;
    while (may_publish(t) && publish_batch(t) && t->question_count == 0) {
        size_t room = FLIGHT_MAX - in_flight(t);

        t->batch_at = t->batch_count = 0;
        if (room == 0)
            break;
        t->batch_count =
            t->base.host.pull(t->base.host.ctx, t->batch, room < BATCH ? room : BATCH, BATCH_BYTES);
        if (t->batch_count == 0)
            break;
    }
    t->pumping = false;
    /* A question is answered while nothing is in flight, so that the answer is exact. */
    if (may_publish(t) && t->question_count > 0 && in_flight(t) == 0 &&
        t->batch_at == t->batch_count)
        job_start(t, JOB_ASK);
}

/* ---- what waits for the server, in a thread beside the loop ---- */

static void job_run(void *ctx)
{
    struct jetstream_sink *t = ctx;

    t->job_error[0] = '\0';
    t->job_result = 0;
    if (t->job == JOB_OPEN)
        t->job_result = jetstream_link_open(&t->link, &t->loop, t->job_error);
    else if (t->job == JOB_ASK)
        t->job_result = jetstream_link_find(&t->link, &t->asking, t->job_error);
    else
        jetstream_link_close(&t->link);
    nats_ReleaseThreadMemory();
    uv_async_send(&t->job_done);
}

/* What this process opened an epoch for cannot lie below where the subject ended before anybody
 * could have written of it; so a new epoch, of which there is nothing, needs no look at the whole
 * stream.
 */
static uint64_t floor_of(const struct jetstream_sink *t, const struct sink_question *q)
{
    if (q->opened_ns == 0 || t->floor_ns >= q->opened_ns + t->base.o.alone_ms * 1000000ull)
        return 0;
    return t->floor[q->origin];
}

/* One look at the stream answers all that is asked of one origin, and says whether somebody wrote
 * of a run that is answered: the guard of this answer would hide that. */
static void put_questions(struct jetstream_sink *t)
{
    struct jetstream_ask *a = &t->asking;
    uint8_t origin = t->question[0].origin;
    size_t left = 0;

    a->count = 0;
    for (size_t i = 0; i < t->question_count; i++) {
        if (t->question[i].origin == origin)
            a->question[a->count++] = (struct jetstream_question){
                .q = t->question[i], .floor = floor_of(t, &t->question[i])};
        else
            t->question[left++] = t->question[i];
    }
    t->question_count = left;
    memcpy(a->question + a->count, t->answered[origin],
           t->answered_count[origin] * sizeof(a->question[0]));
    a->count += t->answered_count[origin];
    a->behind = t->link.place[origin].last;
}

static void take_back_questions(struct jetstream_sink *t)
{
    for (size_t i = 0; i < t->asking.count; i++) {
        if (!t->asking.question[i].stands)
            t->question[t->question_count++] = t->asking.question[i].q;
    }
}

static void job_start(struct jetstream_sink *t, enum job job)
{
    if (job == JOB_ASK)
        put_questions(t);
    t->job = job;
    if (uv_thread_create(&t->job_thread, job_run, t) == 0)
        return;
    t->job = JOB_NONE; /* Tried again at the next tick. */
    if (job == JOB_ASK)
        take_back_questions(t);
}

static void on_retry(uv_timer_t *timer)
{
    struct jetstream_sink *t = timer->data;

    if (t->link.nc == NULL) {
        t->base.connecting = true;
        t->ending = false;
    }
    job_try(t, t->link.nc == NULL ? JOB_OPEN : JOB_CLOSE);
}

/* Without a thread to be had now, the next try is later. */
static void job_try(struct jetstream_sink *t, enum job job)
{
    job_start(t, job);
    if (t->job == JOB_NONE)
        uv_timer_start(&t->retry, on_retry, sink_backoff_ms(&t->base), 0);
}

static void on_open(struct jetstream_sink *t)
{
    if (t->job_result != 0) {
        end(t, t->job_error);
        return;
    }
    for (int i = 0; t->floor_ns == 0 && i < NODE_COUNT; i++)
        t->floor[i] = t->link.place[i].last;
    t->floor_ns = t->floor_ns != 0 ? t->floor_ns : sink_clock_ns();
    t->alone = 0;
    t->alone_next = ALONE_MIN;
    uv_timer_start(&t->tick, on_tick, TICK_MS, TICK_MS);
    sink_is_up(&t->base);
}

static bool is_overtaken(const struct jetstream_ask *a)
{
    for (size_t i = 0; i < a->count; i++) {
        if (a->question[i].stands && (a->question[i].last != 0 || !a->question[i].known))
            return true;
    }
    return false;
}

/* Asked anew, it replaces what stood of its run. */
static void stand(struct jetstream_sink *t, const struct sink_question *q)
{
    struct jetstream_question *a = t->answered[q->origin];
    size_t n = 0, *count = &t->answered_count[q->origin];

    while (n < *count && (a[n].q.epoch != q->epoch || a[n].q.run != q->run))
        n++;
    a[n] = (struct jetstream_question){.q = *q, .stands = true};
    *count += n == *count;
}

static void on_asked(struct jetstream_sink *t)
{
    const struct jetstream_ask *a = &t->asking;

    if (t->job_result != 0) {
        end(t, t->job_error);
        return;
    }
    if (is_overtaken(a) || a->count > JETSTREAM_QUESTIONS) {
        all_goes_back(t);
        return;
    }
    t->pumping = true; /* No other question is put meanwhile. */
    for (size_t i = 0; i < a->count && !a->question[i].stands; i++) {
        const struct sink_question *q = &a->question[i].q;

        stand(t, q);
        t->base.host.answer(t->base.host.ctx, q->origin, q->epoch, q->from, q->to,
                            a->question[i].known ? ANSWER_HAS : ANSWER_UNKNOWN,
                            a->question[i].last);
    }
    t->pumping = false;
}

static void on_job_done(uv_async_t *a)
{
    struct jetstream_sink *t = a->data;
    enum job job = t->job;

    if (job == JOB_NONE)
        return;
    uv_thread_join(&t->job_thread);
    jetstream_link_tidy(&t->link);
    t->job = JOB_NONE;
    if (job == JOB_CLOSE)
        uv_timer_start(&t->retry, on_retry, sink_backoff_ms(&t->base), 0);
    else if (t->ending) /* It ended during the job. */
        job_try(t, JOB_CLOSE);
    else if (job == JOB_OPEN)
        on_open(t);
    else
        on_asked(t);
    on_io(t);
}

/* ---- the interface ---- */

static void jetstream_wake(struct sink *s)
{
    pump((struct jetstream_sink *)s);
}

static void jetstream_ask(struct sink *s, const struct sink_question *q)
{
    struct jetstream_sink *t = (struct jetstream_sink *)s;

    if (t->question_count < JETSTREAM_QUESTIONS)
        t->question[t->question_count++] = *q;
}

static const struct sink_ops jetstream_ops = {.wake = jetstream_wake, .ask = jetstream_ask};

/* A % in the stream's name stands for the origin: then each has a stream of its own. */
static void place_init(struct jetstream_place *p, const struct sink_options *o, int origin)
{
    const char *percent = strchr(o->stream, '%');

    if (percent != NULL)
        snprintf(p->stream, sizeof(p->stream), "%.*s%d%s", (int)(percent - o->stream), o->stream,
                 origin, percent + 1);
    else
        snprintf(p->stream, sizeof(p->stream), "%s", o->stream);
    snprintf(p->subject, sizeof(p->subject), "%s.%d", o->subject, origin);
}

int jetstream_sink_open(struct sink **out, uv_loop_t *loop, const struct sink_options *o,
                        const struct sink_host *host, char *err, size_t err_size)
{
    struct jetstream_sink *t = calloc(1, sizeof(*t));

    if (t == NULL || nats_Open(-1) != NATS_OK || nats_loop_init(&t->loop, loop, on_io, t) != 0 ||
        uv_async_init(loop, &t->job_done, on_job_done) != 0) {
        snprintf(err, err_size, "sink %s: out of memory", o->name);
        return -1;
    }
    t->base = (struct sink){.ops = &jetstream_ops, .host = *host, .o = *o, .loop = loop};
    t->link.o = &t->base.o;
    for (int i = 0; i < NODE_COUNT; i++)
        place_init(&t->link.place[i], o, i);
    uv_timer_init(loop, &t->retry);
    uv_timer_init(loop, &t->tick);
    t->job_done.data = t->retry.data = t->tick.data = t;
    uv_timer_start(&t->retry, on_retry, 0, 0);
    *out = &t->base;
    return 0;
}
