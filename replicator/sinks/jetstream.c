/* NATS JetStream: one subject for each origin, `subject.0` and `subject.1`.  A record is confirmed
 * once the server has acknowledged its publish.
 *
 * No other writer can get between two records of ours unnoticed.  The server looks for a known
 * message id first, and only then at what was expected, so both are used:
 *   - The id is the record's tag.  A record that is there is acknowledged as a duplicate and not
 *     stored again, for as long as the stream remembers ids (duplicate_window).
 *   - What is published while nothing is in flight expects the subject's last message to be the one
 *     that we know of.  What follows in the pipeline expects the id of the one before it to be the
 *     stream's last: so one refusal refuses all behind it, and nothing is stored out of order. That
 *     goes on for as long as nobody else writes to the stream.
 * A refusal means that somebody else wrote, which is no harm by itself:
 *   - Where the other origin's records broke the chain (they share the stream), what was refused
 * goes again, and the next chains are short: between two of them those records break nothing.
 *   - Where the subject's last message is another one, it is looked at what was written.  Is it of
 *     other runs than those that were answered about (after a takeover both nodes write to one
 *     subject), what was refused goes again behind it.
 *   - Else all that is in flight goes back, the core asks what is there (D1), and goes on.
 * Of two writers to one subject, the one with a queue at the server would keep the other's guard
 * old for ever.  So each rests after a while where the peer has something to publish there, too. */
#include "jetstream_chain.h"
#include "jetstream_flight.h"
#include "jetstream_runs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH = 64,
    BATCH_BYTES = 1 << 18,
    ACK_MS = 5000,
    TICK_MS = 100,
    CHAIN_IDLE_MS = 1000, /* After so long without an answer another one begins. */
    REST_MS = 25, /* A rest where the peer publishes, too: half as long as the work before it, */
    REST_LONG_MS = 3200, /* doubled up to this while the peer does not come in time for one. */
    LOOK_MS = 32,        /* The most between two looks without a record stored between them. */
    ANSWER_MIN = 64,     /* Bytes of an answer to a publish, at least. */
    ANSWERS_FEW = 128,   /* Of so many under way each is heard at once; of this many, only */
    ANSWERS_MANY = 512,  /* when a quarter is here: there are as many turns of the loop, and as */
                         /* many writes, as it is woken. */
};

enum job { JOB_NONE, JOB_OPEN, JOB_ASK, JOB_LOOK, JOB_CLOSE };

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
    struct jetstream_runs runs[NODE_COUNT];
    /* Where the subjects ended when the first connection was up, and when that was. */
    uint64_t floor[NODE_COUNT], floor_ns;

    struct jetstream_flight flight;
    uint64_t heard_ms;            /* When the last answer came, or the first of the flight left. */
    struct jetstream_chain chain; /* That the flight is in. */

    bool refused;        /* All from this one on. */
    uint32_t refused_at; /* When all are answered, it */
    uint32_t refused_error;
    bool look;        /* has to be looked at first what another writer wrote. */
    uint32_t in_vain; /* Looks since a record was stored. */
    uv_timer_t pause; /* Runs while nothing goes out. */
    bool paused;
    bool shared[NODE_COUNT];   /* The peer has something for that subject. */
    uint64_t busy_ms, rest_ms; /* Since the last rest; how long the next one is. */
    bool rested;               /* And what goes out first after it tells whether that was enough. */
    bool pumping, ending;
};

static void pump(struct jetstream_sink *t);
static void job_start(struct jetstream_sink *t, enum job job);
static void job_try(struct jetstream_sink *t, enum job job);

/* ---- the end of a connection ---- */

static void forget_flight(struct jetstream_sink *t)
{
    flight_forget(&t->flight);
    t->refused = t->look = t->paused = t->chain.at_end = false;
    uv_timer_stop(&t->pause);
    for (int i = 0; i < NODE_COUNT; i++)
        runs_fall(&t->runs[i]);
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
    for (int i = 0; i < NODE_COUNT; i++)
        t->runs[i].count = 0;
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
    size_t n = flight_confirm(&t->flight);

    if (n > 0)
        sink_confirm(&t->base, n);
}

static void on_pause(uv_timer_t *timer)
{
    struct jetstream_sink *t = timer->data;

    t->paused = false;
    pump(t);
}

static void pause_for(struct jetstream_sink *t, uint64_t ms)
{
    t->paused = true;
    uv_timer_start(&t->pause, on_pause, ms, 0);
}

static uint64_t up_to(uint64_t ms)
{
    return uv_hrtime() / 1000 % (ms + 1);
}

/* Another writer's records of this subject may be of other runs. */
static void look_later(struct jetstream_sink *t)
{
    uint64_t most = 1ull << (t->in_vain < 6 ? t->in_vain : 6);

    t->look = true;
    t->rested = false;
    t->rest_ms = t->rest_ms / 2 > REST_MS ? t->rest_ms / 2 : REST_MS;
    if (t->in_vain++ > 0)
        pause_for(t, up_to(most < LOOK_MS ? most : LOOK_MS));
}

static bool all_covered(struct jetstream_sink *t)
{
    for (uint32_t n = t->flight.first; n != t->flight.next; n++) {
        const struct jetstream_sent *s = flight_at(&t->flight, n);

        if (s->replay || !runs_cover(&t->runs[s->origin], s->position))
            return false;
    }
    return true;
}

/* Everything before the refused one is known to be stored, and nothing from it on. */
static void turn_back(struct jetstream_sink *t)
{
    if (!t->refused || t->flight.unanswered > 0)
        return;
    t->refused = t->chain.at_end = false;
    flight_rewind(&t->flight);
    if (t->refused_error == JETSTREAM_WRONG_LAST_ID)
        chain_broke(&t->chain);
    else if (all_covered(t))
        look_later(t);
    else
        all_goes_back(t);
}

static void on_refused(struct jetstream_sink *t, uint32_t n, const struct jetstream_ack *a)
{
    flight_answered(&t->flight, n, false);
    if (t->refused && n - t->flight.first > t->refused_at - t->flight.first)
        return;
    t->refused = true;
    t->refused_at = n;
    t->refused_error = a->error;
}

static void on_stored(struct jetstream_sink *t, uint32_t n, const struct jetstream_ack *a)
{
    const struct jetstream_sent *s = flight_at(&t->flight, n);

    flight_answered(&t->flight, n, true);
    t->in_vain = 0;
    t->chain.at_end = !a->duplicate;
    if (!a->duplicate) {
        place_wrote(&t->link.place[s->origin], position_epoch(s->position), a->sequence);
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

    if (n - t->flight.first >= t->flight.sent - t->flight.first)
        return true; /* Of a flight that was given back. */
    p = &t->link.place[flight_at(&t->flight, n)->origin];
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
    turn_back(t);
    if (nats_loop_closed(&t->loop))
        end(t, "the connection was lost");
    else
        pump(t);
}

static void on_tick(uv_timer_t *timer)
{
    struct jetstream_sink *t = timer->data;

    for (uint8_t i = 0; i < NODE_COUNT; i++)
        t->shared[i] = t->base.host.shared != NULL && t->base.host.shared(t->base.host.ctx, i);
    if (t->flight.unanswered > 0 && uv_now(t->base.loop) - t->heard_ms > ACK_MS)
        end(t, "no acknowledgement for 5 s");
    else
        pump(t);
    if (uv_now(t->base.loop) - t->heard_ms >= TICK_MS) /* Perhaps none comes any more. */
        nats_loop_expect(&t->loop, 1);
}

/* ---- publishing ---- */

static bool must_rest(const struct jetstream_sink *t, uint8_t origin)
{
    return t->shared[origin] && uv_now(t->base.loop) - t->busy_ms >= 2 * t->rest_ms;
}

/* false: the peer has its turn. */
static bool may_begin(struct jetstream_sink *t, uint8_t origin)
{
    if (uv_now(t->base.loop) - t->heard_ms >= t->rest_ms) /* As good as a rest. */
        t->busy_ms = uv_now(t->base.loop);
    if (!must_rest(t, origin))
        return true;
    if (t->rested)
        t->rest_ms = t->rest_ms * 2 < REST_LONG_MS ? t->rest_ms * 2 : REST_LONG_MS;
    t->rested = true;
    pause_for(t, t->rest_ms + up_to(t->rest_ms / 4));
    return false;
}

static bool may_go_on(const struct jetstream_sink *t, uint8_t origin)
{
    return chain_has_room(&t->chain, origin) && !must_rest(t, origin);
}

static bool lasts(const struct jetstream_sink *t)
{
    return chain_lasts(&t->chain) && uv_now(t->base.loop) - t->heard_ms < CHAIN_IDLE_MS;
}

/* Which header guards what is sent next, or NULL: it has to wait. */
static const char *guard(struct jetstream_sink *t, uint8_t origin, char *value, size_t size)
{
    bool drained = t->flight.first == t->flight.sent;

    if (drained && !may_begin(t, origin))
        return NULL;
    if (drained && !(lasts(t) && may_go_on(t, origin))) {
        chain_begin(&t->chain, origin);
        snprintf(value, size, "%" PRIu64, t->link.place[origin].last);
        return JETSTREAM_BEHIND_SEQUENCE;
    }
    if (!may_go_on(t, origin))
        return NULL;
    snprintf(value, size, "%s", t->chain.last);
    return JETSTREAM_BEHIND_ID;
}

/* 1: it is on its way; 0: not yet; -1: the connection has ended. */
static int publish(struct jetstream_sink *t)
{
    const struct jetstream_sent *s = flight_at(&t->flight, t->flight.sent);
    char value[JETSTREAM_ID_MAX];
    const char *key = nats_loop_full(&t->loop) ? NULL : guard(t, s->origin, value, sizeof(value));
    natsStatus status;

    if (key == NULL)
        return 0;
    if (t->flight.unanswered == 0)
        t->heard_ms = uv_now(t->base.loop);
    chain_add(&t->chain, s->id);
    status = flight_send(&t->flight, &t->link, key, value);
    if (status == NATS_OK)
        return 1;
    end(t, natsStatus_GetText(status));
    return -1;
}

/* Publishes what was pulled.  false: not all of it can go now. */
static bool publish_pulled(struct jetstream_sink *t)
{
    while (t->flight.sent != t->flight.next) {
        if (flight_at(&t->flight, t->flight.sent)->stored)
            t->flight.sent++;
        else if (publish(t) <= 0)
            return false;
    }
    return true;
}

static bool may_publish(const struct jetstream_sink *t)
{
    return t->base.up && !t->ending && !t->refused && !t->paused && !t->look && t->job == JOB_NONE;
}

/* false: nothing came. */
static bool pull(struct jetstream_sink *t)
{
    size_t room = FLIGHT_MAX - (t->flight.next - t->flight.first);
    struct sink_item item[BATCH];
    natsStatus s = NATS_OK;
    size_t n = room > 0 ? t->base.host.pull(t->base.host.ctx, item, room < BATCH ? room : BATCH,
                                            BATCH_BYTES)
                        : 0;

    for (size_t i = 0; s == NATS_OK && i < n; i++)
        s = flight_add(&t->flight, &item[i]);
    if (s != NATS_OK)
        end(t, natsStatus_GetText(s));
    return n > 0;
}

static void expect_answers(struct jetstream_sink *t)
{
    uint32_t n = t->flight.unanswered;
    int answers = n >= ANSWERS_MANY ? ANSWERS_MANY / 4 : n >= ANSWERS_FEW ? ANSWERS_FEW / 4 : 0;

    nats_loop_expect(&t->loop, answers > 0 ? answers * ANSWER_MIN : 1);
}

static void pump(struct jetstream_sink *t)
{
    if (t->pumping)
        return;
    t->pumping = true;
    while (may_publish(t) && publish_pulled(t) && t->question_count == 0 && pull(t))
        ;
    t->pumping = false;
    expect_answers(t);
    if (t->look && t->base.up && !t->ending && !t->paused && t->job == JOB_NONE)
        job_start(t, JOB_LOOK);
    /* A question is answered while nothing is in flight, so that the answer is exact. */
    else if (may_publish(t) && t->question_count > 0 && t->flight.first == t->flight.next)
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
    else if (t->job == JOB_ASK || t->job == JOB_LOOK)
        t->job_result = jetstream_find(&t->link, &t->asking, t->job_error);
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
    size_t left = 0;

    a->count = 0;
    a->origin = t->question[0].origin;
    for (size_t i = 0; i < t->question_count; i++) {
        struct jetstream_question *one = &a->question[a->count];

        if (t->question[i].origin != a->origin) {
            t->question[left++] = t->question[i];
            continue;
        }
        *one = (struct jetstream_question){.q = t->question[i]};
        if (runs_tell(&t->runs[a->origin], one))
            one->floor = t->link.place[a->origin].last;
        else
            jetstream_floor(&t->link, one, floor_of(t, &one->q));
        a->count++;
    }
    t->question_count = left;
}

/* Of the origin whose records were refused. */
static void put_look(struct jetstream_sink *t)
{
    t->asking.count = 0;
    t->asking.origin = flight_at(&t->flight, t->flight.first)->origin;
}

static void take_back_questions(struct jetstream_sink *t)
{
    for (size_t i = 0; i < t->asking.count; i++) {
        if (!t->asking.question[i].kept)
            t->question[t->question_count++] = t->asking.question[i].q;
    }
}

static void job_start(struct jetstream_sink *t, enum job job)
{
    if (job == JOB_ASK)
        put_questions(t);
    if (job == JOB_LOOK)
        put_look(t);
    if (job == JOB_ASK || job == JOB_LOOK) {
        t->chain.at_end = false; /* The guard stands on the answer. */
        runs_join(&t->runs[t->asking.origin], &t->asking);
        t->asking.behind = t->link.place[t->asking.origin].last;
    }
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
    chain_init(&t->chain, t->link.place[0].replicated || t->link.place[1].replicated);
    t->in_vain = 0;
    t->rest_ms = REST_MS;
    uv_timer_start(&t->tick, on_tick, TICK_MS, TICK_MS);
    sink_is_up(&t->base);
    for (int i = 0; i < NODE_COUNT; i++) {
        if (t->link.place[i].note[0] != '\0')
            sink_warn(&t->base, "%s", t->link.place[i].note);
    }
}

/* false: all goes back, or the connection has ended. */
static bool take_answers(struct jetstream_sink *t)
{
    struct jetstream_runs *r = &t->runs[t->asking.origin];
    bool full = t->asking.count > JETSTREAM_QUESTIONS;

    if (t->job_result != 0) {
        end(t, t->job_error);
        return false;
    }
    runs_update(r, &t->asking);
    if (runs_stand(&t->asking) && !full)
        return true;
    r->count = full ? 0 : r->count;
    all_goes_back(t);
    return false;
}

static void on_asked(struct jetstream_sink *t)
{
    const struct jetstream_ask *a = &t->asking;

    if (!take_answers(t))
        return;
    t->pumping = true; /* No other question is put meanwhile. */
    for (size_t i = 0; i < a->count && !a->question[i].kept; i++) {
        const struct sink_question *q = &a->question[i].q;

        runs_answered(&t->runs[a->origin], &a->question[i]);
        t->base.host.answer(t->base.host.ctx, q->origin, q->epoch, q->from, q->to,
                            a->question[i].known ? ANSWER_HAS : ANSWER_UNKNOWN,
                            a->question[i].last);
    }
    t->pumping = false;
}

/* What was refused may go again: what came before it is of other runs. */
static void on_looked(struct jetstream_sink *t)
{
    t->look = false;
    take_answers(t);
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
    else if (job == JOB_ASK)
        on_asked(t);
    else
        on_looked(t);
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
    uv_timer_init(loop, &t->pause);
    t->job_done.data = t->retry.data = t->tick.data = t->pause.data = t;
    uv_timer_start(&t->retry, on_retry, 0, 0);
    *out = &t->base;
    return 0;
}
