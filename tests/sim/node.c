/* One node's shell: what replicator/daemon does around the core, on the simulated parts. */
#include "sim.h"

#include "bytes.h"

#include <assert.h>
#include <string.h>

enum { FEED_MAX = 256, FRAME_HEARTBEAT = 17 };

static void flush(struct world *w, struct node *n);

uint64_t node_clock(const struct world *w, const struct node *n)
{
    return w->now + w->now / 1000000 * n->clock_ppm + n->clock_offset;
}

/* ---- life and death ---- */

/* Every effect on the outside is a place to die. */
static void effect(struct node *n)
{
    if (n->fuse == 0 || --n->fuse > 0)
        return;
    longjmp(n->died, 1);
}

static void disk_effect(void *ctx)
{
    struct node *n = ctx;

    if (n->in_call)
        effect(n);
}

/* Runs `call`; whatever it was doing ends where the fuse burns down. */
#define ALIVE(w, n, call)                                                                          \
    do {                                                                                           \
        struct node *alive_ = (n);                                                                 \
        if (!alive_->running || alive_->frozen)                                                    \
            break;                                                                                 \
        if (alive_->in_call) {                                                                     \
            call;                                                                                  \
            break;                                                                                 \
        }                                                                                          \
        alive_->in_call = true;                                                                    \
        if (setjmp(alive_->died) == 0) {                                                           \
            call;                                                                                  \
            alive_->in_call = false;                                                               \
        } else {                                                                                   \
            alive_->in_call = false;                                                               \
            node_kill((w), alive_, "in the middle of an effect");                                  \
            memory_died(alive_, false);                                                            \
            if ((w)->host_falls && rng_chance(&(w)->editing, 500))                                 \
                faults_host_died((w), alive_);                                                     \
        }                                                                                          \
    } while (0)

void node_kill(struct world *w, struct node *n, const char *why)
{
    if (!n->running)
        return;
    TRACE(w, "node %u: evrepd dies %s", n->id, why);
    world_struck(w);
    memory_died(n, true);
    n->running = n->frozen = n->flushing = false;
    n->fuse = 0;
    n->life++;
    if (n->journal != NULL)
        journal_close(n->journal);
    n->journal = NULL;
    for (unsigned i = 0; i < SIM_LINKS; i++)
        links_close(w, n, i);
    collector_detach(w, n, false);
}

void node_host_died(struct world *w, struct node *n)
{
    collector_power_cut(w, n);
    node_kill(w, n, "with its host");
    collector_detach(w, n, true);
    n->host_up = false;
    n->boot++;
    for (unsigned i = 0; i < SIM_LINKS; i++)
        links_close(w, n, i);
    oracle_ring_died(w, n->id);
    if (!n->power || (n->recovers && !n->before_power))
        oracle_copies_lost(w, n->id);
    memset(&n->ring, 0, sizeof(n->ring));
    sim_disk_power_cut(&n->disk);
    memory_power_cut(n);
}

/* ---- the core's inputs and outputs ---- */

static void input(struct world *w, struct node *n, struct core_input *in)
{
    in->now_ns = node_clock(w, n);
    w->stats.steps++;
    core_step(&n->core, in);
    alike_look(w, n);
}

static void commit_metas(struct world *w, struct node *n)
{
    for (size_t i = 0; i < n->out.meta_count; i++)
        journal_meta(n->journal, n->out.bytes + n->out.meta[i].at, n->out.meta[i].len);
    if (n->out.meta_count == 0)
        return;
    effect(n);
    if (journal_commit(n->journal, n->out.durable) != 0) {
        TRACE(w, "node %u: its marks cannot be written", n->id);
        longjmp(n->died, 1);
    }
}

static void journaled(struct world *w, struct node *n, uint8_t origin, uint32_t epoch,
                      uint32_t from, uint32_t to)
{
    struct core_input in = {.kind = CORE_RECORDS, .records = {origin, epoch, from, to}};

    if (origin == n->id)
        oracle_own(w, &in.records);
    input(w, n, &in);
}

static void journaled_lost(struct world *w, struct node *n, uint32_t epoch, uint32_t q)
{
    struct core_input in = {.kind = CORE_RECORDS, .records = {n->id, epoch, q, q}, .lost = true};

    input(w, n, &in);
}

/* The first record of the epoch that the ring is in. */
static void epoch_opened(struct world *w, struct node *n, uint32_t epoch, uint32_t previous,
                         uint32_t last)
{
    struct core_input in = {.kind = CORE_EPOCH_OPENED, .epoch = {epoch, previous, last}};
    struct record r = {.time_ns = w->now,
                       .epoch = epoch,
                       .sequence = 1,
                       .origin = n->id,
                       .kind = RECORD_EPOCH_OPEN,
                       .source = SOURCE_EVREP};
    struct record_note note = {0};
    uint64_t proof = record_proof(w, n->id, epoch, 1);
    uint8_t bytes[RECORD_SIZE];

    note.previous_epoch = in.epoch.previous != 0 ? in.epoch.previous : n->newest_epoch;
    note.last_sequence = in.epoch.last;
    note.last_known = in.epoch.previous != 0;
    note_encode(&note, r.event);
    memcpy(r.event + EVENT_SIZE - 8, &proof, 8);
    record_encode(&r, bytes);
    effect(n);
    if (journal_append(n->journal, n->id, epoch, 1, bytes, 1) != 0 ||
        journal_commit(n->journal, true) != 0) {
        TRACE(w, "node %u: epoch %u cannot be journaled", n->id, epoch);
        longjmp(n->died, 1);
    }
    TRACE(w, "node %u: epoch %u is open, before it %u/%u", n->id, epoch, in.epoch.previous,
          in.epoch.last);
    if (w->story == STORY_OPENINGS && !w->ending && rng_chance(&w->editing, 300))
        n->fuse = 1 + rng_below(&w->editing, 4);
    input(w, n, &in);
    journaled(w, n, n->id, epoch, 1, 1);
}

static void epoch_open(struct world *w, struct node *n, uint32_t epoch)
{
    uint32_t previous, last;

    effect(n);
    witness_epoch(w, n);
    ring_open(w, n, epoch, &previous, &last);
    if (core_forgot(&n->core, previous)) {
        previous = last = 0;
        oracle_ring_died(w, n->id);
    }
    epoch_opened(w, n, epoch, previous, last);
}

/* The process before this one may have died between the ring's switch and its journal. */
static void epoch_resume(struct world *w, struct node *n)
{
    uint32_t epoch, previous, last;

    ring_opened(n, &epoch, &previous, &last);
    if (!core_recover_ring(&n->core, epoch, previous, last))
        return;
    if (core_forgot(&n->core, previous))
        previous = last = 0;
    epoch_opened(w, n, epoch, previous, last);
}

static void send_range(struct world *w, struct node *n, const struct core_range *r)
{
    static uint8_t frame[RECORDS_HEADER_SIZE + SEND_BATCH_MAX * RECORD_SIZE];
    struct wire_records v = {.origin = r->origin, .epoch = r->epoch, .from = r->from};
    size_t got = journal_read(n->journal, r->origin, r->epoch, r->from, r->to - r->from + 1,
                              frame + RECORDS_HEADER_SIZE, (size_t)SEND_BATCH_MAX * RECORD_SIZE);

    if (got == 0)
        return;
    v.count = (uint16_t)got;
    v.base = core_needed(&n->core, r->origin, r->epoch);
    if (v.base > v.from)
        v.base = v.from;
    wire_put_records(frame, &v);
    core_stamp(&n->core, frame);
    effect(n);
    links_send(w, n, (unsigned)n->out.link, frame, RECORDS_HEADER_SIZE + got * RECORD_SIZE);
}

static void perform_peer(struct world *w, struct node *n)
{
    struct core_output *out = &n->out;

    for (size_t i = 0; i < out->frame_count && out->link >= 0; i++) {
        effect(n);
        witness_sent(w, n, out->bytes + out->frame[i].at, out->frame[i].len);
        links_send(w, n, (unsigned)out->link, out->bytes + out->frame[i].at, out->frame[i].len);
    }
    for (size_t i = 0; i < out->send_count && out->link >= 0; i++)
        send_range(w, n, &out->send[i]);
    if (!out->drop_links)
        return;
    TRACE(w, "node %u: drops the links: %s", n->id, out->why);
    if (n->core.lies != 0) /* Section 9: there is no liar here. */
        world_fail(w, "node %u takes what its peer says for a lie: %s", n->id, out->why);
    for (unsigned i = 0; i < SIM_LINKS; i++) {
        if (w->link[i].up[n->id]) {
            links_close(w, n, i);
            node_link(w, n, i, false);
        }
    }
}

static bool state(struct world *w, struct node *n, const struct core_note *c)
{
    struct record_note note = {
        .range_origin = c->range.origin,
        .range_epoch = c->range.epoch,
        .range_from = c->range.from,
        .range_to = c->range.to,
        .reason = c->reason,
    };

    effect(n);
    return ring_state(w, n, c->kind, &note);
}

/* A statement among records that are skipped, or given up, is made again, before they go. */
static bool restate(struct world *w, struct node *n, const struct core_note *c)
{
    static uint8_t records[FEED_MAX * RECORD_SIZE];
    const struct core_range *r = &c->range;
    struct core_note found;
    size_t got;

    if (c->reason != REASON_JOURNAL_LIMIT && c->kind != RECORD_GAP_IN_DOUBT)
        return true;
    if (n->note_at < r->from)
        n->note_at = core_restate_from(&n->restated, r);
    while (n->note_at <= r->to) {
        got = journal_read(n->journal, r->origin, r->epoch, n->note_at, r->to - n->note_at + 1,
                           records, sizeof(records));
        if (got == 0)
            return true;
        for (size_t i = 0; i < got; i++) {
            if (core_restate(records + i * RECORD_SIZE, &found) && !state(w, n, &found))
                return false;
            n->note_at++;
        }
    }
    core_restated_to(&n->restated, r);
    return true;
}

static void state_notes(struct world *w, struct node *n)
{
    while (n->note_count > 0) {
        if (!restate(w, n, &n->note[0]) || !state(w, n, &n->note[0]))
            return;
        n->note_at = 0;
        n->note_count--;
        memmove(n->note, n->note + 1, n->note_count * sizeof(n->note[0]));
    }
}

const char *statement_name(uint8_t kind)
{
    static const char *const names[] = {
        [RECORD_GAP_PENDING - RECORD_GAP_PENDING] = "GAP_PENDING",
        [RECORD_GAP_LOST - RECORD_GAP_PENDING] = "GAP_LOST",
        [RECORD_GAP_IN_DOUBT - RECORD_GAP_PENDING] = "GAP_IN_DOUBT",
        [RECORD_SUPPRESSED - RECORD_GAP_PENDING] = "SUPPRESSED",
        [RECORD_ABANDONED - RECORD_GAP_PENDING] = "ABANDONED",
    };
    size_t at = (size_t)kind - RECORD_GAP_PENDING;

    return at < sizeof(names) / sizeof(names[0]) ? names[at] : "an unknown kind";
}

static void perform(struct world *w, struct node *n)
{
    commit_metas(w, n);
    if (n->out.epoch_open != 0)
        epoch_open(w, n, n->out.epoch_open);
    perform_peer(w, n);
    for (size_t i = 0; i < n->out.drop_count; i++) {
        effect(n);
        journal_drop(n->journal, n->out.drop[i].origin, n->out.drop[i].epoch, SEQUENCE_MAX);
        TRACE(w, "node %u: segment %u/%u is settled", n->id, n->out.drop[i].origin,
              n->out.drop[i].epoch);
        aimed_settled(w, n);
    }
    for (size_t i = 0; i < n->out.note_count; i++) {
        const struct core_note *c = &n->out.note[i];

        TRACE(w, "node %u: states %s: %u/%u %u-%u", n->id, statement_name(c->kind), c->range.origin,
              c->range.epoch, c->range.from, c->range.to);
        witness_note(w, n, c);
        assert(n->note_count < NOTES_MAX);
        n->note[n->note_count++] = *c;
    }
    state_notes(w, n);
    for (size_t i = 0; i < n->out.ask_count; i++) {
        const struct core_range *r = &n->out.ask[i].range;

        TRACE(w, "node %u: asks sink %u of %u/%u %u-%u", n->id, n->out.ask[i].sink, r->origin,
              r->epoch, r->from, r->to);
        collector_ask(w, n, n->out.ask[i].sink, &n->out.ask[i].range);
    }
}

static void pull(struct world *w, struct node *n, unsigned sink)
{
    static uint8_t records[FEED_MAX * RECORD_SIZE];
    size_t room = collector_room(w, n, sink);
    struct core_give give;

    n->core.now_ns = node_clock(w, n); /* T6 */
    while (room > 0 && core_pull(&n->core, (uint8_t)sink,
                                 (uint32_t)(room < FEED_MAX ? room : FEED_MAX), &give)) {
        uint32_t want = give.range.to - give.range.from + 1;
        size_t got = journal_read(n->journal, give.range.origin, give.range.epoch, give.range.from,
                                  want, records, sizeof(records));

        witness_hand(w, n, sink, &give);
        TRACE(w, "node %u: to sink %u: %u/%u %u-%u%s", n->id, sink, give.range.origin,
              give.range.epoch, give.range.from, give.range.to, give.in_doubt ? " in doubt" : "");
        if (got < want)
            world_fail(w, "node %u: %u/%u: %u cannot be read from the journal", n->id,
                       give.range.origin, give.range.epoch, give.range.from + (unsigned)got);
        for (uint32_t i = 0; i < want; i++) {
            const uint8_t *r = records + i * RECORD_SIZE;
            struct item item = {.origin = give.range.origin,
                                .kind = r[21],
                                .in_doubt = give.in_doubt,
                                .epoch = give.range.epoch,
                                .sequence = give.range.from + i};

            note_decode(&item.note, r + 24);
            memcpy(&item.proof, r + 24 + EVENT_SIZE - 8, 8);
            effect(n);
            collector_push(w, n, sink, &item);
        }
        room -= want;
    }
    if (room > 0)
        progress_pulled(w, n, sink);
}

static void flush(struct world *w, struct node *n)
{
    if (n->flushing)
        return;
    n->flushing = true;
    do {
        uint32_t credit = 0;
        int link = n->core.link;

        if (link >= 0) {
            size_t backlog = links_backlog(w, n, (unsigned)link);

            credit = backlog < 1 << 18 ? (uint32_t)(((1 << 18) - backlog) / 256) : 0;
        }
        if (n->core.session != n->session_aimed) {
            n->session_aimed = n->core.session;
            if (w->aim_hello + w->aim_lost > 0 && n->core.session != SESSION_DOWN)
                aimed_session(w, n);
        }
        if (w->trace && n->core.session != n->session_said) {
            n->session_said = n->core.session;
            TRACE(w, "node %u: session %s", n->id,
                  n->core.session == SESSION_UP      ? "up"
                  : n->core.session == SESSION_HELLO ? "exchanges facts"
                                                     : "lost");
            oracle_say(w, n->id);
        }
        core_output_clear(&n->out);
        n->out.note_room = n->note_count < NOTES_MAX - 1 ? NOTES_MAX - 1 - n->note_count : 0;
        witness_flushes(w, n);
        progress_flushes(w, n);
        words_flushes(n);
        core_flush(&n->core, credit, &n->out);
        witness_flushed(w, n);
        progress_flushed(w, n);
        words_flushed(w, n);
        perform(w, n);
    } while (n->out.more || n->out.epoch_open != 0);
    n->flushing = false;
    for (unsigned k = 0; k < w->sink_count; k++) {
        if (n->sink[k].up)
            pull(w, n, k);
    }
}

/* ---- from the ring ---- */

static void tell_notes(struct world *w, struct node *n, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *r = n->feed + i * RECORD_SIZE;
        struct core_input in = {.kind = CORE_NOTED, .note = r[21]};
        struct record_note note;

        if (r[21] < RECORD_GAP_PENDING || r[21] > RECORD_GAP_IN_DOUBT)
            continue;
        note_decode(&note, r + 24);
        in.reason = note.reason;
        in.records = (struct core_range){note.range_origin, note.range_epoch, note.range_from,
                                         note.range_to};
        input(w, n, &in);
    }
}

/* What was journaled and is not there any more, under records that the ring still has. */
static void fill_hole(struct world *w, struct node *n, uint32_t epoch, uint32_t from)
{
    uint8_t lost[RECORD_SIZE];

    for (uint32_t q = core_hole(&n->core, epoch, from); q < from; q++) {
        record_lost(n->id, epoch, q, w->now, lost);
        effect(n);
        if (journal_append(n->journal, n->id, epoch, q, lost, 1) != 0 ||
            journal_commit(n->journal, false) != 0)
            return;
        journaled_lost(w, n, epoch, q);
    }
}

static bool has_statement(const struct node *n, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (n->feed[i * RECORD_SIZE + 21] >= RECORD_GAP_PENDING)
            return true;
    }
    return false;
}

/* Before the ring lets go of it. */
static void stated(struct world *w, struct node *n, size_t count)
{
    tell_notes(w, n, count);
    if (has_statement(n, count))
        flush(w, n);
}

static size_t skip_known(struct world *w, struct node *n, size_t count)
{
    uint32_t known_to = core_known_to(&n->core, get_le32(n->feed));
    uint32_t from = get_le32(n->feed + 4);
    size_t known;

    if (from > known_to)
        return count;
    known = known_to - from + 1;
    stated(w, n, known < count ? known : count);
    if (known >= count) {
        ring_release(n);
        return 0;
    }
    memmove(n->feed, n->feed + known * RECORD_SIZE, (count - known) * RECORD_SIZE);
    return count - known;
}

/* T5 */
static bool forgotten(struct world *w, struct node *n)
{
    uint32_t epoch = get_le32(n->feed);

    if (!core_forgot(&n->core, epoch))
        return false;
    TRACE(w, "node %u: %zu records of epoch %u go with the journal", n->id, n->feed_count, epoch);
    oracle_ring_died(w, n->id);
    ring_release(n);
    return true;
}

static bool feed(struct world *w, struct node *n)
{
    uint32_t epoch, from;

    if (n->feed_count == 0) {
        n->feed_count = ring_read(w, n, n->feed, FEED_MAX);
        if (n->feed_count == 0)
            return false;
        n->feed_count = forgotten(w, n) ? 0 : skip_known(w, n, n->feed_count);
        if (n->feed_count == 0)
            return true;
    }
    epoch = get_le32(n->feed);
    from = get_le32(n->feed + 4);
    if (core_hole_waits(&n->core, epoch, from))
        return false;
    fill_hole(w, n, epoch, from);
    effect(n);
    if (journal_append(n->journal, n->id, epoch, from, n->feed, n->feed_count) != 0 ||
        journal_commit(n->journal, has_statement(n, n->feed_count)) != 0)
        return false; /* Tried again. */
    effect(n);
    journaled(w, n, n->id, epoch, from, (uint32_t)(from + n->feed_count - 1));
    stated(w, n, n->feed_count);
    effect(n);
    ring_release(n);
    n->feed_count = 0;
    return true;
}

/* ---- the cluster ---- */

static void cluster_in(struct world *w, struct node *n, const struct cluster_input *in)
{
    static struct cluster_output out;
    struct cluster_input copy = *in;
    struct core_input core = {.kind = CORE_CLUSTER};

    copy.now_ns = node_clock(w, n);
    memset(&out, 0, sizeof(out));
    cluster_step(&n->cluster, &copy, &out);
    for (size_t i = 0; i < out.send_count; i++) {
        uint8_t frame[FRAME_HEADER_SIZE + CLUSTER_HEARTBEAT_MAX];

        wire_put_header(frame, FRAME_HEARTBEAT, 0);
        memcpy(frame + FRAME_HEADER_SIZE, out.send[i].bytes, out.send[i].len);
        links_send(w, n, out.send[i].link, frame, FRAME_HEADER_SIZE + out.send[i].len);
    }
    for (size_t i = 0; i < out.change_count; i++) {
        n->ring.active[out.change[i].group - 1] = out.change[i].active;
        TRACE(w, "node %u: group %u: %s", n->id, out.change[i].group, out.change[i].state);
    }
    core.cluster.peer_dead = cluster_peer_dead(&n->cluster);
    core.cluster.may_take = cluster_is_primary(&n->cluster);
    input(w, n, &core);
    if (out.fence_run)
        operations_fence_run(w, n);
    for (size_t i = 0; i < out.close_count; i++) {
        if (w->link[out.close[i]].up[n->id]) {
            links_close(w, n, out.close[i]);
            node_link(w, n, out.close[i], false);
        }
    }
}

/* ---- what the world calls ---- */

/* As the shell does, but at once, and now and then for no reason. */
static void choose_link(struct world *w, struct node *n)
{
    struct core_input in = {.kind = CORE_LINK_PREFER, .link.link = n->core.link};

    if (n->core.link < 0 || n->core.session != SESSION_UP || n->core.version < 2)
        return;
    in.link.link =
        w->steady ? n->id
        : rng_chance(&w->rng, 2)
            ? (int)rng_below(&w->rng, SIM_LINKS)
            : (int)cluster_choose_link(&n->cluster, (unsigned)n->core.link, node_clock(w, n));
    if (in.link.link == n->core.link)
        return;
    TRACE(w, "node %u: moves to link %d", n->id, in.link.link);
    input(w, n, &in);
}

/* Now and then the journal is at its limit, and the oldest records are to go. */
static void journal_full(struct world *w, struct node *n)
{
    struct core_input in = {.kind = CORE_SHED};
    uint32_t most = 1 + rng_below(&w->limit_rng, 300);

    if (w->ending || !rng_chance(&w->limit_rng, 20) || !core_oldest(&n->core, 1, &in.records))
        return;
    if (in.records.to - in.records.from >= most)
        in.records.to = in.records.from + most - 1;
    TRACE(w, "node %u: its journal is full: gives up %u/%u %u-%u", n->id, in.records.origin,
          in.records.epoch, in.records.from, in.records.to);
    oracle_segment(w, in.records.origin, in.records.epoch)->given_up = true;
    input(w, n, &in);
}

static void tick(struct world *w, struct node *n)
{
    struct core_input in = {
        .kind = CORE_PRODUCED,
        .records = {n->id, n->ring.epoch, 0, n->ring.epoch != 0 ? n->ring.next - 1 : 0},
        .drained = n->ring.read == n->ring.claimed};

    if (!core_forgot(&n->core, n->ring.epoch))
        n->ring.active_until = node_clock(w, n) + w->dead_ns / 2;
    input(w, n, &in);
    cluster_in(w, n, &(struct cluster_input){.kind = CLUSTER_TICK});
    choose_link(w, n);
    if (w->small_journals)
        journal_full(w, n);
    flush(w, n);
    for (int i = 0; i < 8 && feed(w, n); i++)
        continue;
    if (n->note_count > 0)
        state_notes(w, n);
    flush(w, n);
    witness_tick(w, n);
    aimed_tick(w, n);
}

void node_tick(struct world *w, struct node *n)
{
    ALIVE(w, n, tick(w, n));
}

/* N6 */
static bool hears_records(struct world *w, struct node *n, const uint8_t *at, size_t len)
{
    if (core_owes_marks(&n->core))
        flush(w, n);
    return core_hears(&n->core, at, len);
}

static void take_records(struct world *w, struct node *n, unsigned link, const uint8_t *at,
                         size_t len)
{
    struct wire_records v;
    bool restart;
    int skip;

    if (wire_get_records(at, len, &v) != 0)
        world_fail(w, "node %u: malformed records", n->id);
    skip = core_accepts(&n->core, v.origin, v.epoch, v.base, v.from, v.count, &restart);
    if (skip < 0 || skip == v.count)
        return;
    effect(n);
    if (restart)
        journal_drop(n->journal, v.origin, v.epoch, SEQUENCE_MAX);
    if (journal_append(n->journal, v.origin, v.epoch, v.from + (uint32_t)skip,
                       v.records + (size_t)skip * RECORD_SIZE, (size_t)(v.count - skip)) != 0 ||
        journal_commit(n->journal, false) != 0) {
        TRACE(w, "node %u: cannot journal records of the peer", n->id);
        links_close(w, n, link);
        node_link(w, n, link, false);
        return;
    }
    oracle_copied(w, &(struct core_range){v.origin, v.epoch, v.from, v.from + v.count - 1u});
    journaled(w, n, v.origin, v.epoch, v.from + (uint32_t)skip, v.from + v.count - 1);
}

static void frame(struct world *w, struct node *n, unsigned link, const uint8_t *at, size_t len)
{
    struct core_input in = {.kind = CORE_FRAME, .frame = {(int)link, at, len}};
    uint8_t type;
    uint32_t session, nonce = n->core.nonce;

    if (wire_get_header(at, len, &type, &session) != 0)
        world_fail(w, "node %u: a malformed frame", n->id);
    if (n->version == 1 && type >= FRAME_HANDOVER && type <= FRAME_CORE_MAX &&
        (session == nonce || session == wire_session(2, nonce, w->node[1 - n->id]->core.nonce)))
        world_fail(w, "node %u speaks wire version 1, and is sent a frame of type %u", n->id, type);
    if (type == FRAME_HEARTBEAT)
        cluster_in(w, n,
                   &(struct cluster_input){.kind = CLUSTER_HEARTBEAT,
                                           .link = link,
                                           .at = at + FRAME_HEADER_SIZE,
                                           .len = len - FRAME_HEADER_SIZE});
    else if (type == FRAME_RECORDS && hears_records(w, n, at, len))
        take_records(w, n, link, at, len);
    else if (type != FRAME_RECORDS)
        input(w, n, &in);
    words_heard(w, n, at, len);
    flush(w, n);
}

void node_frame(struct world *w, struct node *n, unsigned link, const uint8_t *at, size_t len)
{
    ALIVE(w, n, frame(w, n, link, at, len));
}

static void link_changed(struct world *w, struct node *n, unsigned link, bool up)
{
    struct core_input in = {.kind = up ? CORE_LINK_UP : CORE_LINK_DOWN,
                            .link = {(int)link, ++w->nonce}};

    TRACE(w, "node %u: link %u is %s", n->id, link, up ? "up" : "down");
    cluster_in(
        w, n,
        &(struct cluster_input){.kind = up ? CLUSTER_LINK_UP : CLUSTER_LINK_DOWN, .link = link});
    input(w, n, &in);
    flush(w, n);
}

void node_link(struct world *w, struct node *n, unsigned link, bool up)
{
    ALIVE(w, n, link_changed(w, n, link, up));
}

static void sink_input(struct world *w, struct node *n, struct core_input *in)
{
    input(w, n, in);
    flush(w, n);
}

void node_sink_up(struct world *w, struct node *n, unsigned sink)
{
    struct core_input in = {.kind = CORE_SINK_UP, .sink = (uint8_t)sink};

    ALIVE(w, n, sink_input(w, n, &in));
}

void node_sink_lost(struct world *w, struct node *n, unsigned sink, bool none)
{
    struct core_input in = {.kind = CORE_SINK_LOST, .sink = (uint8_t)sink, .none = none};

    n->sink[sink].losses++;
    ALIVE(w, n, sink_input(w, n, &in));
}

void node_confirmed(struct world *w, struct node *n, unsigned sink, const struct core_range *r)
{
    struct core_input in = {.kind = CORE_CONFIRMED, .sink = (uint8_t)sink, .records = *r};

    ALIVE(w, n, sink_input(w, n, &in));
}

void node_answered(struct world *w, struct node *n, unsigned sink, const struct core_range *r,
                   enum core_answer answer, uint32_t last)
{
    static const char *const words[] = {
        [ANSWER_HAS] = "has", [ANSWER_WRITTEN] = "was given", [ANSWER_UNKNOWN] = "cannot tell of"};
    struct core_input in = {.kind = CORE_ANSWER,
                            .sink = (uint8_t)sink,
                            .answer = (uint8_t)answer,
                            .last = last,
                            .records = *r};

    TRACE(w, "node %u: asked of %u/%u %u-%u, sink %u %s it up to %u", n->id, r->origin, r->epoch,
          r->from, r->to, sink, words[answer], last);
    ALIVE(w, n, sink_input(w, n, &in));
}

/* T4a: it would go on with what is its own, as a node that was not fenced. */
static bool peer_lives_on(const struct world *w, const struct node *n)
{
    const struct node *peer = w->node[1 - n->id];

    return (w->fencing[n->id] || n->core.must_fence || peer->core.both_fence) && peer->running &&
           peer->core.had_session;
}

static void fenced(struct world *w, struct node *n)
{
    struct core_input in = {.kind = CORE_FENCED};

    cluster_in(w, n, &(struct cluster_input){.kind = CLUSTER_FENCED});
    if (n->core.session == SESSION_DOWN) {
        n->fenced_said = true;
        w->fence_lied |= peer_lives_on(w, n);
    }
    input(w, n, &in);
}

static void fence_ended(struct world *w, struct node *n, bool good)
{
    n->fence_out = false;
    cluster_in(w, n, &(struct cluster_input){.kind = CLUSTER_FENCE_RESULT, .up = good});
    TRACE(w, "node %u: the fencing command %s%s", n->id, good ? "succeeds" : "fails",
          n->cluster.fence == FENCE_DONE ? "" : ", for nothing");
    if (n->cluster.fence == FENCE_DONE)
        fenced(w, n);
    flush(w, n);
}

void node_fence_result(struct world *w, struct node *n, bool good)
{
    ALIVE(w, n, fence_ended(w, n, good));
}

static void command(struct world *w, struct node *n, enum fault what)
{
    if (what == FAULT_FENCED) {
        fenced(w, n);
    } else if (what == FAULT_FAILOVER) {
        cluster_in(w, n, &(struct cluster_input){.kind = CLUSTER_FAILOVER, .group = 1, .node = -1});
    } else { /* The manual failover is over. */
        for (unsigned g = 1; g <= 2; g++)
            cluster_in(w, n, &(struct cluster_input){.kind = CLUSTER_RESET, .group = g});
    }
    flush(w, n);
}

void node_operator(struct world *w, struct node *n, enum fault what)
{
    ALIVE(w, n, command(w, n, what));
}

static void hand_over(struct world *w, struct node *n, uint8_t sink)
{
    struct core_input in = {.kind = CORE_HANDOVER, .sink = sink};

    input(w, n, &in);
    TRACE(w, "node %u: hand-over of sink %d: %s", n->id, sink == SINK_ALL ? -1 : sink,
          n->core.handover.state == HANDOVER_RUNNING ? "runs" : n->core.handover.why);
    witness_handover(w, n, sink);
    flush(w, n);
}

void node_handover(struct world *w, struct node *n, uint8_t sink)
{
    ALIVE(w, n, hand_over(w, n, sink));
}

/* ---- start ---- */

static void on_meta(void *ctx, const uint8_t *at, size_t len)
{
    core_recover_meta(&((struct node *)ctx)->core, at, len);
}

static void on_segment(void *ctx, uint8_t origin, uint32_t epoch, uint32_t first, uint32_t last)
{
    struct node *n = ctx;

    core_recover_segment(&n->core, origin, epoch, first, last);
    n->had_segments = true;
    if (origin == n->id && epoch > n->newest_epoch)
        n->newest_epoch = epoch;
}

static void on_marks_lost(void *ctx)
{
    core_recover_stale(&((struct node *)ctx)->core);
}

static void on_damage(void *ctx, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to)
{
    (void)ctx, (void)origin, (void)epoch, (void)from, (void)to;
}

static void snapshot(void *ctx, struct journal *j)
{
    struct node *n = ctx;
    uint8_t meta[META_SIZE_MAX];
    uint32_t cursor = 0;
    size_t len;

    while ((len = core_snapshot(&n->core, &cursor, meta)) > 0)
        journal_meta(j, meta, len);
}

/* T5: where both journals went, or the clock was set back and the journal that alone knew of an
 * epoch went, the operator has set the clock ahead of what it was before. */
static uint32_t wall_epoch(const struct world *w, struct node *n)
{
    uint32_t clock = (uint32_t)((int64_t)(w->now / (SECOND_NS / 4)) + 100000 + 4 * n->wall_offset);
    uint32_t ahead_s = (oracle_fresh_epoch(w, n, clock) - clock + 3) / 4;

    n->wall_offset += ahead_s;
    return clock + 4 * ahead_s;
}

static void recover_firsts(struct node *n)
{
    uint8_t first[RECORD_SIZE];

    for (uint16_t i = 0; i < n->core.count; i++) {
        const struct segment *g = &n->core.segment[n->core.order[i]];

        if (g->origin == n->id &&
            journal_read(n->journal, g->origin, g->epoch, 1, 1, first, sizeof(first)) == 1)
            core_recover_first(&n->core, first);
    }
}

static void start(struct world *w, struct node *n)
{
    struct journal_options o = {.disk = &n->disk.disk, .sync = n->power, .log_bytes = w->log_bytes};
    struct journal_visitor v = {.ctx = n,
                                .on_meta = on_meta,
                                .on_segment = on_segment,
                                .on_marks_lost = on_marks_lost,
                                .on_damage = on_damage,
                                .snapshot = snapshot};
    struct cluster_options c = {
        .node = n->id,
        .has_peer = true,
        .fence = w->fencing[n->id],
        .boot_id = n->boot,
        .heartbeat_ns = w->heartbeat_ns,
        .dead_ns = w->dead_ns,
        .link_count = SIM_LINKS,
        .group_count = w->two_groups ? 2 : 1,
        .group = {{.id = 1, .priority = n->id == 0 ? 200 : 100},
                  {.id = 2, .priority = n->id == 0 ? 100 : 200}},
    };
    struct core_options options = w->options;
    char err[200];

    options.node = n->id;
    options.power = n->power;
    memcpy(options.sink, n->configured, w->sink_count * sizeof(options.sink[0]));
    options.sink_count -= !n->has[w->sink_count - 1];
    options.boot = n->boot;
    options.fencing = w->fencing[n->id];
    options.wire_version = n->version;
    options.journal = rng_next(&w->rng) | 1;
    options.clock_epoch = wall_epoch(w, n);
    n->started_at = w->now;
    n->parted_ns = node_clock(w, n);
    memset(&n->flap, 0, sizeof(n->flap));
    n->had_segments = n->fenced_said = false;
    n->handover_seen = HANDOVER_NONE;
    n->fence_out = false;
    memset(&n->settled, 0, offsetof(struct settled, segment));
    memset(&n->met, 0, offsetof(struct settled, segment));
    n->meets = false;
    n->takeovers = n->settlements = n->epoch_opened_ns = n->taking_of = n->took_of = 0;
    n->newest_epoch = 0;
    core_init(&n->core, &options, node_clock(w, n));
    o.node = n->id;
    n->recovers = true;
    if (journal_open(&n->journal, &o, &v, err, sizeof(err)) != 0) {
        TRACE(w, "node %u: %s", n->id, err);
        longjmp(n->died, 1);
    }
    recover_firsts(n);
    core_recovered(&n->core);
    memory_check(w, n);
    n->recovers = false;
    n->was_up = false;
    memset(n->was, 0, sizeof(n->was));
    n->granted_ns = node_clock(w, n); /* The process before may have, just now. */
    n->cursor = n->ring.read;
    n->feed_count = n->note_count = n->note_at = 0;
    n->restated = (struct core_restated){0};
    n->flushing = false;
    memset(n->ring.active, 0, sizeof(n->ring.active));
    cluster_init(&n->cluster, &c, node_clock(w, n));
    TRACE(w, "node %u: evrepd starts%s", n->id, n->core.fresh ? " with an empty journal" : "");
    if (w->trace)
        oracle_say(w, n->id);
    if (n->core.fresh)
        aimed_fresh(w, n);
    epoch_resume(w, n);
    flush(w, n);
}

/* A start that an effect may end, and the next one after it. */
static void start_struck(struct world *w, struct node *n)
{
    bool struck = !w->ending && !w->quiet && w->now >= w->first_ns &&
                  rng_chance(&w->starting, w->start_falls);

    n->fuse = struck ? 1 + rng_below(&w->starting, 12) : 0;
    ALIVE(w, n, start(w, n));
    if (!struck)
        return;
    n->fuse = 0;
    if (n->running)
        return;
    w->stats.cut_starts++;
    w->open++;
    world_event(w, w->now + rng_between(&w->starting, 1, 400) * MS, EV_MEND, FAULT_CRASH, n->id, 0);
}

void node_start(struct world *w, struct node *n)
{
    if (n->running)
        return;
    operations_restart(w, n);
    n->host_up = n->running = true;
    n->frozen = false;
    n->disk.effect = disk_effect;
    n->disk.ctx = n;
    n->journal = NULL;
    for (unsigned k = 0; k < w->sink_count; k++) {
        n->sink[k].up = n->sink[k].unheard = false;
        n->sink[k].flight = -1;
    }
    start_struck(w, n);
    if (!n->running)
        return;
    world_event(w, w->now + 1 * MS, EV_TICK, n->id, 0, n->life);
    for (unsigned k = 0; k < w->sink_count; k++)
        world_event(w, w->now + 2 * MS, EV_SINK_UP, n->id, (uint8_t)k, n->life);
}
