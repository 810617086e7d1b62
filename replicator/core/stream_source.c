#include "stream_source.h"
#include "bytes.h"
#include "contract.h"
#include "stream_given.h"
#include "stream_holes.h"
#include "stream_repeat.h"

#include <string.h>

static uint32_t hash_of(uint32_t h, const uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        h = (h ^ at[i]) * 16777619u;
    return h;
}

static uint32_t key_of(uint64_t id, uint32_t generation)
{
    uint8_t bytes[12];
    uint32_t h;

    put_le64(bytes, id);
    put_le32(bytes + 8, generation);
    h = hash_of(2166136261u, bytes, sizeof(bytes));
    return h != 0 ? h : 1;
}

/* ---- runs ---- */

static void reset_samples(struct stream_source *s)
{
    for (size_t i = 0; i < STREAM_SAMPLES; i++)
        s->sample[i] = s->run != NULL ? s->run->set.prefix : 0;
}

void stream_open(struct stream_source *s, struct stream_memory *m, uint32_t owner, uint64_t hole_ns)
{
    memset(s, 0, sizeof(*s));
    s->memory = m;
    s->hole_ns = hole_ns;
    if (m->owner != owner || m->layout != STREAM_LAYOUT) {
        memset(m, 0, sizeof(*m));
        m->owner = owner;
        m->layout = STREAM_LAYOUT;
    }
    for (size_t i = 0; i < STREAM_RUNS; i++) {
        struct stream_run *r = &m->run[i];

        stream_set_mend(&r->set);
        if (r->heard > r->set.prefix) /* None of ours. */
            r->heard = 0;
        if (r->key == 0 || r->key != key_of(r->id, r->generation))
            memset(r, 0, sizeof(*r));
        else if (s->run == NULL || r->used > s->run->used)
            s->run = r;
    }
    stream_mend_given(m);
}

void stream_mark(struct stream_source *s, uint8_t what, uint32_t key, uint64_t from, uint64_t to)
{
    struct stream_run *r = stream_with_key(s->memory, key);

    if (what == STREAM_MARK_FRAME && r != NULL)
        stream_set_add(&r->set, from);
    else if (what == STREAM_MARK_TOLD && key >= 1 && key <= STREAM_CAUSES)
        stream_tell(&s->memory->untold[key - 1], from, to);
    reset_samples(s);
}

static struct stream_run *find(struct stream_memory *m, uint64_t id)
{
    struct stream_run *found = NULL;

    for (size_t i = 0; i < STREAM_RUNS; i++) {
        struct stream_run *r = &m->run[i];

        if (r->key != 0 && r->id == id && (found == NULL || r->generation > found->generation))
            found = r;
    }
    return found;
}

/* Nobody is left who could send what is missing. */
static void give_up_all(struct stream_source *s, struct stream_run *r)
{
    struct stream_gap gap;

    while (r->key != 0 && stream_set_missing(&r->set, r->set.newest, &gap.hole)) {
        stream_tell_gap(s, r, r->newest_ns, &gap);
        stream_given_up(s, &gap);
    }
}

/* The place of the one that was used longest ago. */
static struct stream_run *make(struct stream_source *s, uint64_t id, uint32_t generation,
                               bool whole)
{
    struct stream_run *r = &s->memory->run[0];

    for (size_t i = 1; i < STREAM_RUNS; i++) {
        if (s->memory->run[i].used < r->used)
            r = &s->memory->run[i];
    }
    give_up_all(s, r);
    r->key = 0; /* Free, until it is whole. */
    stream_set_clear(&r->set);
    r->heard = r->prefix_ns = r->newest_ns = 0;
    r->before = whole ? UINT64_MAX : 0;
    r->id = id;
    r->generation = generation;
    r->key = key_of(id, generation);
    s->count.runs++;
    return r;
}

static void use(struct stream_source *s, struct stream_run *r)
{
    r->used = ++s->memory->uses;
    s->run = r;
    s->drained = s->suspect = s->unproven = 0;
    s->odd = false;
    memset(s->recent, 0, sizeof(s->recent));
}

/* A connection begins, or a numbering within it. */
static void begin(struct stream_source *s)
{
    s->counted = s->drain_wanted = s->draining = s->drain_open = false;
    s->known = s->run->set.newest;
    s->heard = s->run->heard;
    s->settled = s->known == 0;
    s->settle_ns = s->skipped = s->doubts = s->last = 0;
    reset_samples(s);
}

void stream_connected(struct stream_source *s, uint64_t id, bool whole, uint64_t now_ns)
{
    struct stream_run *r = find(s->memory, id);

    s->connected = false; /* The one before may not have been heard to end. */
    stream_settle_doubts(s);
    if (r == NULL)
        r = make(s, id, 0, whole);
    if (r != s->run)
        use(s, r);
    s->connected = true;
    s->sample_ns = s->looked_ns = now_ns;
    begin(s);
}

void stream_disconnected(struct stream_source *s, uint64_t now_ns)
{
    s->connected = false;
    s->away_ns = 0;
    s->looked_ns = now_ns;
}

/* ---- frames ---- */

static bool is_sequenced(uint8_t type)
{
    return type != STREAM_KEEPALIVE && type != STREAM_DRAIN_COMPLETE;
}

static bool is_plausible(const struct stream_source *s, uint64_t sequence)
{
    return sequence <= STREAM_NUMBER_MAX &&
           (!s->counted || sequence <= s->run->set.newest + STREAM_JUMP);
}

/* Of a header, or as much of it as is there: why it can be none. */
static const char *torn(const struct stream_source *s, const uint8_t *at, size_t len)
{
    if (len >= 4 && get_le32(at) > STREAM_PAYLOAD_MAX)
        return "longer than a frame can be";
    if (len >= 5 && at[4] == 0)
        return "type 0";
    if (len >= STREAM_HEADER_SIZE && is_sequenced(at[4]) && !is_plausible(s, get_le64(at + 8)))
        return "a number out of the blue";
    return NULL;
}

static uint64_t apart(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* Contract 1.1: written as 0. */
static bool is_reserved_zero(const uint8_t *at)
{
    return (at[5] | at[6] | at[7]) == 0;
}

/* As a helper writes it (contract 2).  A keepalive has nothing else to be known by: 10.1.2.3 and
 * zeros would be one. */
static bool is_usual(const struct stream_header *h, const uint8_t *at)
{
    switch (h->type) {
    case STREAM_SESSION_OPEN:
    case STREAM_SESSION_UPDATE:
        return h->length >= 56 && h->sequence != 0;
    case STREAM_SESSION_CLOSE:
        return h->length >= 17 && h->sequence != 0;
    case STREAM_POLICY_DENY:
    case STREAM_SCREEN_DROP:
    case STREAM_FILTER_LOG:
        return h->length == EVENT_SIZE && h->sequence != 0;
    case STREAM_FULL_RESYNC:
        return h->length == 0 && h->sequence != 0;
    case STREAM_DRAIN_COMPLETE:
        return h->length == 0;
    default:
        return h->type == STREAM_KEEPALIVE && h->length == 0 && h->sequence == 0 &&
               is_reserved_zero(at);
    }
}

/* What no helper writes yet, or writes wrong, is counted and acknowledged (contract 2, 3.3), and so
 * to be told from a torn stream: it has a number near its neighbour's, and reserved bytes of zero,
 * which its own end in the midst of a frame's payload has not. */
static bool is_credible(const struct stream_header *h, const struct stream_header *next,
                        const uint8_t *at)
{
    return is_sequenced(next->type) && next->sequence != 0 &&
           apart(next->sequence, h->sequence) < STREAM_WINDOW && is_reserved_zero(at);
}

/* 12.2, 18: a frame into which something else was written has the length that it should have, and
 * what follows it is its own end: that is no header.  usual: it is one that a helper writes. */
static const char *no_header(const struct stream_source *s, const struct stream_header *before,
                             const uint8_t *at, size_t len, struct stream_header *next, bool *usual)
{
    const char *why = torn(s, at, len);

    *usual = true;
    if (why != NULL || len < STREAM_HEADER_SIZE || stream_header_decode(next, at) != 0)
        return why;
    *usual = s->odd || is_usual(next, at);
    if (!*usual && !is_credible(before, next, at))
        return "no header of a helper behind a frame";
    return is_sequenced(next->type) && apart(next->sequence, before->sequence) > STREAM_JUMP
               ? "a number out of the blue"
               : NULL;
}

/* Where it is not usual, what is behind it has a say, too.  needs: so many bytes tell. */
static const char *torn_behind(const struct stream_source *s, const struct stream_header *h,
                               const uint8_t *at, size_t len, size_t *needs)
{
    struct stream_header next, last;
    bool usual;
    const char *why = no_header(s, h, at, len, &next, &usual);
    size_t used;

    *needs = STREAM_HEADER_SIZE;
    if (why != NULL || usual)
        return why;
    used = STREAM_HEADER_SIZE + next.length;
    *needs += used;
    return len > used ? no_header(s, &next, at + used, len - used, &last, &usual) : NULL;
}

/* The helper counts anew, though it looks the same.  What of it was taken for repeats is in its
 * buffer still, as none of it was acknowledged; else it is a hole of the new numbering. */
static void begin_anew(struct stream_source *s)
{
    bool again = s->skipped > 0;

    use(s, make(s, s->run->id, s->run->generation + 1, true));
    begin(s);
    s->drain_wanted = again;
}

static void skip_repeat(struct stream_source *s, uint64_t sequence)
{
    s->count.repeats++;
    if (s->drain_open)
        return;
    s->skipped++;
    if (s->run->id != 0 || sequence > s->known)
        return;
    if (s->doubts++ == 0)
        s->doubt_first_ns = s->arrived_ns;
    s->doubt_last_ns = s->arrived_ns;
}

static void remember(struct stream_source *s, uint64_t sequence, uint32_t hash)
{
    size_t at = sequence % STREAM_WINDOW;

    s->recent[at].sequence = sequence;
    s->recent[at].hash = hash;
    s->recent[at].time_ns = s->arrived_ns;
}

static void add(struct stream_source *s, uint64_t sequence)
{
    struct stream_run *r = s->run;
    uint64_t time_ns;

    if (sequence > r->set.newest)
        r->newest_ns = s->arrived_ns;
    else if (!stream_set_has(&r->set, sequence)) /* A drain that goes on, however slowly. */
        s->drain_ns = 0;
    stream_set_add(&r->set, sequence);
    time_ns = stream_time_of(s, r->set.prefix);
    if (time_ns != 0)
        r->prefix_ns = time_ns;
}

static uint32_t recent_hash(const struct stream_source *s, uint64_t sequence)
{
    return s->recent[sequence % STREAM_WINDOW].hash;
}

static bool is_remembered(const struct stream_source *s, uint64_t sequence, uint32_t hash)
{
    return s->recent[sequence % STREAM_WINDOW].sequence == sequence &&
           s->recent[sequence % STREAM_WINDOW].hash == hash;
}

static enum stream_result done(struct stream_source *s, const struct stream_item *item)
{
    add(s, item->sequence);
    return STREAM_SKIP;
}

/* Counted, dropped and acknowledged, as the contract says (3.3). */
static enum stream_result refuse(struct stream_source *s, const struct stream_item *item,
                                 uint64_t *counter)
{
    (*counter)++;
    return done(s, item);
}

static enum stream_result session(struct stream_source *s, uint8_t type, const uint8_t *payload,
                                  size_t len, struct stream_item *out)
{
    struct stream_session x;

    if (stream_session_decode(&x, type, payload, len) != 0)
        return refuse(s, out, &s->count.malformed);
    stream_session_event(&x, type, len, out->event);
    out->kind = out->event[EVENT_TYPE];
    return STREAM_RECORD;
}

static enum stream_result telemetry(struct stream_source *s, uint8_t type, const uint8_t *payload,
                                    size_t len, struct stream_item *out)
{
    const uint8_t *event = stream_event(type, payload, len);

    if (event == NULL)
        return refuse(s, out, &s->count.malformed);
    memcpy(out->event, event, EVENT_SIZE);
    out->kind = event[EVENT_TYPE];
    return STREAM_RECORD;
}

/* 12.2, 16: what is still in the helper's buffer below it comes only when it is asked for; what was
 * given up while it was away may be there too, and its acknowledgement would delete it. */
static enum stream_result resync(struct stream_source *s, const struct stream_item *out)
{
    struct stream_hole hole;

    s->count.resyncs++;
    add(s, out->sequence);
    s->drain_wanted = stream_set_missing(&s->run->set, out->sequence, &hole) ||
                      stream_set_gave_up(&s->run->set, s->drained);
    return STREAM_SKIP;
}

static enum stream_result unsequenced(struct stream_source *s, uint8_t type)
{
    if (type == STREAM_DRAIN_COMPLETE)
        s->drain_open = false;
    if (type == STREAM_DRAIN_COMPLETE && s->draining) { /* Nothing older will come. */
        s->draining = false;
        s->drained = s->run->set.newest;
        for (size_t i = 0; i < STREAM_SAMPLES; i++)
            s->sample[i] = s->run->set.newest;
    }
    return STREAM_SKIP;
}

static enum stream_result frame(struct stream_source *s, uint8_t type, const uint8_t *payload,
                                size_t len, struct stream_item *out)
{
    switch (type) {
    case STREAM_SESSION_OPEN:
    case STREAM_SESSION_CLOSE:
    case STREAM_SESSION_UPDATE:
        return session(s, type, payload, len, out);
    case STREAM_POLICY_DENY:
    case STREAM_SCREEN_DROP:
    case STREAM_FILTER_LOG:
        return telemetry(s, type, payload, len, out);
    case STREAM_FULL_RESYNC:
        return resync(s, out);
    default: /* Also what only we send. */
        return refuse(s, out, &s->count.unknown);
    }
}

/* Of what carries an event: it can be believed. */
static bool is_sound(const struct stream_header *h, const uint8_t *payload)
{
    struct stream_session x;

    if (h->type >= STREAM_SESSION_OPEN && h->type <= STREAM_SESSION_UPDATE)
        return stream_session_decode(&x, h->type, payload, h->length) == 0;
    return h->type >= STREAM_POLICY_DENY && h->type <= STREAM_FILTER_LOG &&
           stream_event(h->type, payload, h->length) != NULL;
}

/* The frame of which a part came before the stream was torn, whole (12.2, 18). */
static bool replaces_torn(const struct stream_source *s, const struct stream_header *h,
                          const uint8_t *payload, uint32_t hash)
{
    return h->sequence == s->suspect && hash != s->suspect_hash && is_sound(h, payload);
}

/* Holes that leave no room for this number are given up at once. */
static bool makes_room(const struct stream_source *s, uint64_t sequence, struct stream_gap *gap)
{
    if (stream_set_fits(&s->run->set, sequence) ||
        !stream_set_missing(&s->run->set, sequence - STREAM_WINDOW / 2, &gap->hole))
        return true;
    stream_tell_gap(s, s->run, s->arrived_ns, gap);
    return false;
}

static enum stream_result tear_at(struct stream_source *s, uint64_t sequence, uint32_t hash)
{
    s->count.torn++;
    s->suspect = sequence;
    s->suspect_hash = hash;
    return STREAM_TORN;
}

static enum stream_result tear(struct stream_source *s)
{
    return tear_at(s, s->last, s->last_hash);
}

/* A number that this connection had, with other bytes.  In a drain that is a frame into which the
 * drain was written (12.2, 18), and here it is whole; else the helper counts anew. */
static bool is_torn(const struct stream_source *s, const struct stream_header *h,
                    const uint8_t *payload)
{
    return s->drain_open || (s->settled && !is_sound(h, payload));
}

static enum stream_result numbered(struct stream_source *s, const struct stream_header *h,
                                   const uint8_t *payload, struct stream_item *out,
                                   struct stream_gap *gap)
{
    uint32_t hash = hash_of(h->type, payload, h->length);

    if (h->sequence == 0) { /* None of the helper's. */
        s->count.malformed++;
        return STREAM_SKIP;
    }
    out->replaces = replaces_torn(s, h, payload, hash);
    if (!out->replaces && stream_set_has(&s->run->set, h->sequence) &&
        !stream_is_repeat(s, h, hash)) {
        if (is_torn(s, h, payload)) {
            out->why = "a known number with other bytes";
            return s->drain_open ? tear_at(s, h->sequence, recent_hash(s, h->sequence)) : tear(s);
        }
        begin_anew(s);
    }
    if (!makes_room(s, h->sequence, gap))
        return STREAM_HOLE;
    s->counted = true;
    s->settled = s->settled || h->sequence >= s->known;
    if (!out->replaces && stream_set_has(&s->run->set, h->sequence)) {
        s->last = 0;
        skip_repeat(s, h->sequence);
        return STREAM_SKIP;
    }
    out->sequence = s->last = h->sequence;
    s->last_hash = hash;
    remember(s, h->sequence, hash);
    return frame(s, h->type, payload, h->length, out);
}

/* Whether what is behind a frame proves it: SKIP.  What comes again as it was before the connection
 * was dropped for its sake was not torn. */
static enum stream_result proven(struct stream_source *s, const struct stream_header *h,
                                 const uint8_t *at, size_t len, bool quiet, struct stream_item *out)
{
    size_t used = STREAM_HEADER_SIZE + h->length, needs;
    uint32_t hash;

    out->why = torn_behind(s, h, at + used, len - used, &needs);
    if (out->why == NULL)
        return len - used >= needs || quiet ? STREAM_SKIP : STREAM_NEED;
    hash = hash_of(h->type, at + STREAM_HEADER_SIZE, h->length);
    if (is_remembered(s, h->sequence, hash))
        return STREAM_SKIP;
    if (s->unproven == h->sequence && s->unproven_hash == hash) {
        s->odd = true; /* That is how this one writes. */
        return STREAM_SKIP;
    }
    s->unproven = h->sequence;
    s->unproven_hash = hash;
    return tear(s);
}

/* SKIP: the whole frame is there. */
static enum stream_result look(struct stream_source *s, const uint8_t *at, size_t len, bool quiet,
                               struct stream_header *h, struct stream_item *out)
{
    out->why = torn(s, at, len);
    if (out->why != NULL)
        return tear(s);
    if (len < STREAM_HEADER_SIZE || stream_header_decode(h, at) != 0 ||
        len < STREAM_HEADER_SIZE + h->length)
        return STREAM_NEED;
    out->used = STREAM_HEADER_SIZE + h->length;
    return is_sequenced(h->type) ? proven(s, h, at, len, quiet, out) : STREAM_SKIP;
}

void stream_arrived(struct stream_source *s, uint64_t time_ns)
{
    s->arrived_ns = time_ns;
}

enum stream_result stream_next(struct stream_source *s, const uint8_t *at, size_t len, bool quiet,
                               struct stream_item *out, struct stream_gap *gap)
{
    struct stream_header h;
    enum stream_result r = look(s, at, len, quiet, &h, out);

    if (r != STREAM_SKIP)
        return r;
    r = is_sequenced(h.type) ? numbered(s, &h, at + STREAM_HEADER_SIZE, out, gap)
                             : unsequenced(s, h.type);
    s->count.frames += r == STREAM_SKIP;
    return r;
}

void stream_taken(struct stream_source *s, const struct stream_item *item)
{
    s->count.frames++;
    s->count.records++;
    if (item->replaces)
        s->suspect = 0;
    else
        s->count.late += item->sequence <= s->run->set.prefix;
    add(s, item->sequence);
}

/* ---- the connection ---- */

void stream_held_up(struct stream_source *s)
{
    s->settle_ns = s->drain_ns = 0;
    reset_samples(s);
}

bool stream_drain_wanted(struct stream_source *s, uint64_t now_ns)
{
    if (!s->connected || !s->drain_wanted)
        return false;
    s->drain_wanted = false;
    s->draining = s->drain_open = true;
    s->drain_ns = 0;
    s->looked_ns = now_ns;
    s->count.drains++;
    return true;
}

uint64_t stream_prefix(const struct stream_source *s)
{
    return s->run != NULL ? s->run->set.prefix : 0;
}

bool stream_may_acknowledge(const struct stream_source *s)
{
    return s->counted && s->settled && s->doubts == 0;
}

void stream_heard(struct stream_source *s, uint64_t acknowledged)
{
    if (acknowledged > s->run->heard && acknowledged <= s->run->set.prefix)
        s->run->heard = acknowledged;
}
