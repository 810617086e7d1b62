/* Metas: what of the state must outlive the process, each the latest image of one thing. */
#include "rules.h"
#include "bytes.h"
#include "record.h"

#include <string.h>

enum {
    DROP_IMAGE_SIZE = 12,
    DROP_IMAGE_OLD = 8, /* Without its end. */
    NODE_IMAGE_SIZE = 40,
    KEPT_IMAGE_MAX = 4 + 4 * SINK_COUNT_MAX
};

static int recover_segment(struct core *c, const uint8_t *at, size_t len)
{
    struct segment image;
    struct segment *g;

    if (wire_get_segment(at, len, &image) < 0)
        return -1;
    g = segment_find(c, image.origin, image.epoch);
    if (g == NULL) {
        g = segment_add(c, image.origin, image.epoch);
        for (size_t k = 0; g != NULL && k < c->o.sink_count; k++)
            g->at[k].unheard = image.origin != c->o.node;
    }
    if (g == NULL)
        return -1;
    g->closed |= image.closed; /* It never opens again. */
    if (g->closed && g->state == SEGMENT_LIVE)
        segment_move(g, SEGMENT_DRAINING);
    g->ended = image.ended;
    g->lost = image.lost;
    g->gap = image.gap;
    g->gap_told = image.gap_told;
    g->hollow = g->hollow_kept = image.hollow;
    g->unsure = g->unsure_kept = image.unsure;
    g->last = image.last;
    g->produced = image.produced;
    g->sent_bound = image.sent_bound;
    g->gap_from = image.gap_from;
    g->gap_to = image.gap_to;
    return 0;
}

static int recover_delivery(struct core *c, const uint8_t *at, size_t len)
{
    struct delivery d;
    struct segment *g;
    uint8_t origin;
    uint32_t epoch, key;
    int k;

    if (wire_get_delivery(at, len, &origin, &epoch, &key, &d) < 0)
        return -1;
    g = segment_find(c, origin, epoch);
    k = sink_index(c, key);
    if (g == NULL)
        return -1;
    g->has_marks = true;
    if (k >= 0) /* A sink that was removed from the configuration is forgotten. */
        g->at[k] = d;
    if (k >= 0)
        g->at[k].marked = true;
    return 0;
}

/* Which sinks the journal was last run with: those that it lacked meanwhile it does not know. */
static int recover_kept(struct core *c, const uint8_t *at, size_t len)
{
    if (len < 4 || at[1] > SINK_COUNT_MAX || len != 4 + 4 * (size_t)at[1])
        return -1;
    c->kept_known = true;
    c->kept_count = at[1];
    for (uint8_t i = 0; i < at[1]; i++)
        c->kept[i] = get_le32(at + 4 + 4 * (size_t)i);
    return 0;
}

static bool was_kept(const struct core *c, uint32_t key)
{
    for (uint8_t i = 0; i < c->kept_count; i++) {
        if (c->kept[i] == key)
            return true;
    }
    return false;
}

static void remember_drop(struct core *c, const struct core_dropped *d)
{
    const struct core_dropped *before = segment_dropped(c, d->origin, d->epoch);

    if (before == NULL)
        c->dropped[c->dropped_next++ % DROPPED_MAX] = *d;
    else if (before->at_least == d->at_least) /* More is known since. */
        c->dropped[before - c->dropped].to = max_u32(before->to, d->to);
}

static int recover_drop(struct core *c, const uint8_t *at, size_t len)
{
    struct core_dropped d;
    struct segment *g;

    if (len != DROP_IMAGE_SIZE && len != DROP_IMAGE_OLD)
        return -1;
    d = (struct core_dropped){.origin = at[1], .epoch = get_le32(at + 4), .at_least = at[2] != 0};
    d.to = len == DROP_IMAGE_SIZE ? get_le32(at + 8) : SEQUENCE_MAX;
    g = segment_find(c, d.origin, d.epoch);
    if (g != NULL)
        segment_remove(c, g);
    remember_drop(c, &d);
    return 0;
}

/* Its files may come back when the power goes before their removal is on the disk. */
static bool was_dropped(struct core *c, uint8_t origin, uint32_t epoch)
{
    const struct core_dropped *dropped = segment_dropped(c, origin, epoch);

    if (dropped != NULL)
        c->dropped[dropped - c->dropped].left = c->dropped_left = true;
    return dropped != NULL;
}

int core_recover_meta(struct core *c, const uint8_t *at, size_t len)
{
    if (len == 0)
        return -1;
    switch (at[0]) {
    case 'S':
        return recover_segment(c, at, len);
    case 'D':
        return recover_delivery(c, at, len);
    case 'X':
        return recover_drop(c, at, len);
    case 'K':
        return recover_kept(c, at, len);
    case 'N':
        if (len != NODE_IMAGE_SIZE || at[1] >> 2 > EARLIER_PASSED)
            return -1;
        c->highest_epoch = max_u32(c->highest_epoch, get_le32(at + 4));
        c->must_fence = (at[1] & 1) != 0;
        c->power_seen = (at[1] & 2) != 0;
        c->earlier = (enum earlier_journal)(at[1] >> 2);
        c->boot_seen = get_le64(at + 8);
        c->journal = get_le64(at + 16);
        c->peer_journal = c->peer_journal_kept = get_le64(at + 24);
        c->own_epoch = get_le32(at + 32);
        c->first_epoch = get_le32(at + 36);
        return 0;
    default:
        return -1;
    }
}

void core_recover_segment(struct core *c, uint8_t origin, uint32_t epoch, uint32_t first,
                          uint32_t last)
{
    struct segment *g = segment_find(c, origin, epoch);

    if (origin >= NODE_COUNT || (epoch & 1) != origin)
        return;
    if (was_dropped(c, origin, epoch))
        return;
    if (g == NULL)
        g = segment_add(c, origin, epoch);
    if (g == NULL)
        return;
    if (origin == c->o.node && g->closed && !g->lost) { /* L4: the end that was told stays. */
        last = min_u32(last, g->last);
        first = min_u32(first, last + 1);
    }
    g->base = first;
    g->journaled = last;
    g->produced = max_u32(g->produced, last);
}

/* This process handed nothing over yet, the one before it may have: up to I is in doubt. */
static void recover_span(const struct core *c, const struct segment *g, struct span *s)
{
    s->handed = s->emitted;
    s->granted = s->requested = s->from - 1;
    s->asked = ASK_NONE;
    s->begun = s->intent;
    delivery_unguard(s);
    if (s->owner != c->o.node)
        return;
    if (!c->o.has_peer &&
        s->handing == HAND_OFFERED) { /* T1: a peer that left may have accepted. */
        s->handing = HAND_NONE;
        s->doubt = max_u32(s->doubt, min_u32(s->to, g->journaled));
        s->foreign = s->doubt > s->emitted;
    }
    if (s->intent > s->emitted)
        s->doubt = max_u32(s->doubt, s->intent);
    if (g->origin == c->o.node && (s->resumed || !c->o.has_peer))
        s->doubt = max_u32(s->doubt, min_u32(s->to, g->sent));
    if (g->unsure && (s->resumed || !c->o.has_peer))
        s->doubt = span_perhaps(g, s);
}

/* The power took what was not synced: this node may have done more than its marks say. */
static void all_unsure(struct core *c)
{
    for (uint16_t i = 0; i < c->count; i++) {
        c->segment[c->order[i]].unsure = true;
        c->segment[c->order[i]].dirty = true;
    }
    c->highest_epoch = max_u32(c->highest_epoch, c->o.clock_epoch);
    c->durable = true;
}

void core_recover_first(struct core *c, const uint8_t record[RECORD_SIZE])
{
    struct record r;
    struct record_note n;

    if (record_decode(&r, record) != 0 || r.kind != RECORD_EPOCH_OPEN || r.sequence != 1 ||
        r.origin != c->o.node)
        return;
    note_decode(&n, r.event);
    if (n.last_known && n.previous_epoch < r.epoch)
        epoch_ended(c, n.previous_epoch, n.last_sequence);
}

void core_recover_stale(struct core *c)
{
    c->stale = true;
}

/* Whoever wrote the marks did not sync them all, or that is not known of it. */
static bool power_may_have_gone(const struct core *c)
{
    return !(c->o.power && c->power_seen) && c->boot_seen != 0 && c->boot_seen != c->o.boot;
}

/* A sink has more than is held: the file went with it. */
static bool lost_its_file(const struct core *c, const struct segment *g)
{
    for (size_t k = 0; k < c->o.sink_count; k++) {
        for (uint8_t n = 0; n < g->at[k].count; n++) {
            if (g->at[k].span[n].emitted > g->journaled)
                return true;
        }
    }
    return false;
}

/* What the peer may have: also of what the disk has lost since, where it is known that there was
 * some. */
static uint32_t sent_before(const struct core *c, const struct segment *g)
{
    uint32_t had = max_u32(g->journaled, g->closed ? g->last : 0);

    if (g->unsure)
        return g->journaled;
    return !g->closed && lost_its_file(c, g) ? g->sent_bound : min_u32(g->sent_bound, had);
}

/* Of the sinks that this journal was last run with, and has marks of. */
static struct segment known_of(const struct core *c, const struct segment *g)
{
    struct segment known = *g;

    for (size_t k = 0; k < c->o.sink_count; k++) {
        if (!known.at[k].marked || (c->kept_known && !was_kept(c, c->o.sink[k].key)))
            known.at[k].count = 0;
    }
    return known;
}

static bool owns_some(const struct core *c, const struct segment *g)
{
    for (size_t k = 0; k < c->o.sink_count; k++) {
        for (uint8_t n = 0; n < g->at[k].count; n++) {
            if (g->at[k].span[n].owner == c->o.node &&
                g->at[k].span[n].emitted < g->at[k].span[n].to)
                return true;
        }
    }
    return false;
}

/* A file begins above what is done (section 7).  Where whole marks say that not all below it is,
 * the one before it went.  A replica that owns nothing of it holds nothing then, so that its origin
 * sends it again; else what went is stated (A3). */
static void first_file(struct core *c, struct segment *g)
{
    struct segment known = known_of(c, g);
    uint32_t undone = segment_undone(c, &known);
    bool went = g->has_marks && !g->unsure && undone < g->base;

    if (went && g->origin != c->o.node && !g->lost && !owns_some(c, &known)) {
        g->journaled = 0;
        return;
    }
    if (went)
        gap_file_lost(g, undone);
    segment_done_below(c, g, g->base);
}

/* L3, D2: what this node did at the sink when it last had it, it may not remember; what its peer
 * did there since, it was not told. */
static void distrust(struct core *c, struct segment *g, struct delivery *d)
{
    uint32_t high = max_u32(g->journaled, g->origin == c->o.node ? segment_may_be_sent(g) : 0);

    if (g->origin == c->o.node) /* Its file may have gone, and the ring have it. */
        high = max_u32(high, g->produced);
    if (g->origin == c->o.node && lost_its_file(c, g)) /* How much was tagged is not known. */
        high = SEQUENCE_MAX;
    d->dirty = true;
    d->unheard = true;
    for (uint8_t n = 0; n < d->count; n++) {
        struct span *s = &d->span[n];

        if (s->owner != c->o.node)
            continue;
        s->doubt = max_u32(s->doubt, min_u32(s->to, high));
        s->intent = max_u32(s->intent, s->doubt);
        s->foreign = true;
        s->resumed = false; /* Its peer may have taken it back. */
    }
}

/* A sink that was put into the configuration, or put back. */
static void sinks_came(struct core *c)
{
    for (size_t k = 0; c->kept_known && k < c->o.sink_count; k++) {
        if (was_kept(c, c->o.sink[k].key))
            continue;
        for (uint16_t i = 0; i < c->count; i++)
            distrust(c, &c->segment[c->order[i]], &c->segment[c->order[i]].at[k]);
    }
}

/* T3: the power may have taken all of it but that it was minted: what the peer has of it is not
 * settled, as our silence would say. */
static void add_minted(struct core *c)
{
    if (c->own_epoch != 0 && (c->own_epoch & 1) == c->o.node &&
        core_segment(c, c->o.node, c->own_epoch) == NULL &&
        segment_dropped(c, c->o.node, c->own_epoch) == NULL)
        segment_add(c, c->o.node, c->own_epoch);
}

void core_recovered(struct core *c)
{
    if (c->journal == 0)
        c->journal = c->o.journal;
    c->known_epoch = c->own_epoch;
    c->fresh = c->own_epoch == 0; /* T5: also when the peer has told it of older segments. */
    if (c->fresh) /* What was opened since its ring's epoch, it has forgotten, and must not deny. */
        c->highest_epoch = max_u32(c->highest_epoch, c->o.clock_epoch);
    if (power_may_have_gone(c))
        add_minted(c);
    if (c->stale || power_may_have_gone(c))
        all_unsure(c);
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        if (g->origin != c->o.node && segment_dropped(c, g->origin, g->epoch) != NULL)
            facts_settled_before(c, g); /* Finding 4: its origin had told of it again. */
        first_file(c, g);
        if (g->origin != c->o.node && g->lost && g->closed && g->journaled < g->last)
            gap_tail_lost(c, g); /* T5: neither node has it any more. */
        g->begun_before = g->origin == c->o.node && !(g->closed && g->journaled >= g->last);
        if (g->origin == c->o.node)
            g->sent = sent_before(c, g);
        if (g->origin == c->o.node)
            g->sent_bound = max_u32(g->sent_bound, g->sent);
        for (size_t k = 0; k < c->o.sink_count; k++) {
            g->at[k].unheard &= g->has_marks; /* Else a commit was cut short. */
            for (uint8_t n = 0; n < g->at[k].count; n++)
                recover_span(c, g, &g->at[k].span[n]);
        }
    }
    sinks_came(c);
    takeover_lost(c); /* T4 */
    core_check(c);
}

/* In the order of the configuration; of `kept`, those that still are in it. */
static size_t put_kept(uint8_t *out, const struct core *c, bool all)
{
    memset(out, 0, 4);
    out[0] = 'K';
    for (size_t k = 0; k < c->o.sink_count; k++) {
        if (all || was_kept(c, c->o.sink[k].key))
            put_le32(out + 4 + 4 * (size_t)out[1]++, c->o.sink[k].key);
    }
    return 4 + 4 * (size_t)out[1];
}

static bool kept_is_as_configured(const struct core *c)
{
    if (!c->kept_known || c->kept_count != c->o.sink_count)
        return false;
    for (size_t k = 0; k < c->o.sink_count; k++) {
        if (c->kept[k] != c->o.sink[k].key)
            return false;
    }
    return true;
}

static void keep_sinks(struct core *c, struct core_output *out, bool all)
{
    uint8_t image[KEPT_IMAGE_MAX];
    size_t len = put_kept(image, c, all);

    memcpy(out_meta(out, len), image, len);
    recover_kept(c, image, len);
}

static void put_drop(uint8_t *out, const struct core_dropped *d)
{
    memset(out, 0, DROP_IMAGE_SIZE);
    out[0] = 'X';
    out[1] = d->origin;
    out[2] = d->at_least;
    put_le32(out + 4, d->epoch);
    put_le32(out + 8, d->to);
}

static void put_node(uint8_t *out, const struct core *c, uint64_t boot, uint64_t peer_journal)
{
    memset(out, 0, NODE_IMAGE_SIZE);
    out[0] = 'N';
    out[1] = (uint8_t)(c->must_fence | c->power_seen << 1 | c->earlier << 2);
    put_le32(out + 4, c->highest_epoch);
    put_le64(out + 8, boot);
    put_le64(out + 16, c->journal);
    put_le64(out + 24, peer_journal);
    put_le32(out + 32, c->own_epoch);
    put_le32(out + 36, c->first_epoch);
}

/* cursor: 0 the node, 1 its sinks; then what was dropped; then for each segment its image and one
 * for each sink. */
size_t core_snapshot(const struct core *c, uint32_t *cursor, uint8_t out[META_SIZE_MAX])
{
    uint32_t per = (uint32_t)c->o.sink_count + 1;
    uint32_t dropped = min_u32(c->dropped_next, DROPPED_MAX);
    uint32_t at = (*cursor)++;
    const struct segment *g;

    if (at == 0 || (at == 1 && !c->kept_known)) {
        put_node(out, c, c->boot_seen, c->peer_journal_kept);
        return NODE_IMAGE_SIZE;
    }
    if (at == 1)
        return put_kept(out, c, false);
    at -= 2;
    if (at < dropped) { /* Oldest first. */
        at = (c->dropped_next - dropped + at) % DROPPED_MAX;
        put_drop(out, &c->dropped[at]);
        return DROP_IMAGE_SIZE;
    }
    at -= dropped;
    if (at / per >= c->count)
        return 0;
    g = &c->segment[c->order[at / per]];
    if (at % per == 0)
        return wire_put_segment(out, g);
    return wire_put_delivery(out, g, c->o.sink[at % per - 1].key, &g->at[at % per - 1]);
}

static void flush_marks(struct segment *g, struct core_output *out)
{
    if (!g->dirty)
        return;
    wire_put_segment(out_meta(out, SEGMENT_IMAGE_SIZE), g);
    g->dirty = false;
    g->unsure_kept = g->unsure;
    g->hollow_kept = g->hollow;
}

/* A write may end within: that nothing is unsure any more comes after what it left in doubt. */
static void flush_segment(struct core *c, struct segment *g, struct core_output *out)
{
    uint8_t image[DELIVERY_IMAGE_MAX];
    uint8_t *p;

    if (!g->unsure_kept || g->unsure)
        flush_marks(g, out);
    for (size_t k = 0; k < c->o.sink_count; k++) {
        if (!g->at[k].dirty)
            continue;
        delivery_tidy(&g->at[k], g->closed, g->last, delivery_keeper(c));
        size_t len = wire_put_delivery(image, g, c->o.sink[k].key, &g->at[k]);
        p = out_meta(out, len);
        memcpy(p, image, len);
        g->at[k].dirty = false;
    }
    flush_marks(g, out);
}

/* Settled on both sides: nobody asks for it any more. */
static void flush_drop(struct core *c, struct segment *g, struct core_output *out)
{
    bool theirs = g->origin != c->o.node;
    struct core_dropped d = {.origin = g->origin, .epoch = g->epoch, .to = SEQUENCE_MAX};

    /* T5: alone it is settled only as far as this node knows of it. */
    d.at_least = theirs && !g->lost && g->peer_done;
    if (theirs)
        d.to = g->last;
    else if (!g->peer_done) /* Above its end all is stated. */
        d.to = max_u32(g->last, g->produced);
    put_drop(out_meta(out, DROP_IMAGE_SIZE), &d);
    remember_drop(c, &d);
    out->drop[out->drop_count++] = (struct core_range){g->origin, g->epoch, 1, SEQUENCE_MAX};
    segment_remove(c, g);
}

/* A write may end within.  Before the marks: the first journal of the peer that we hear of, as they
 * are of it. */
static bool node_before(struct core *c, struct core_output *out)
{
    bool due = c->node_dirty || c->highest_epoch != c->highest_saved || c->boot_seen != c->o.boot ||
               c->power_seen != c->o.power || !kept_is_as_configured(c);

    if (!due)
        return false;
    if (c->peer_journal_kept == 0)
        c->peer_journal_kept = c->peer_journal;
    put_node(out_meta(out, NODE_IMAGE_SIZE), c, c->boot_seen, c->peer_journal_kept);
    if (!kept_is_as_configured(c)) /* Which went is said before the marks, */
        keep_sinks(c, out, false);
    c->node_dirty = false;
    c->highest_saved = c->highest_epoch;
    return true;
}

/* Behind them: that they were taken for what they are in this boot, and what followed from another
 * journal of the peer. */
static void node_behind(struct core *c, struct core_output *out)
{
    if (!kept_is_as_configured(c)) /* and behind them, which came. */
        keep_sinks(c, out, true);
    if (c->boot_seen == c->o.boot && c->peer_journal_kept == c->peer_journal &&
        c->power_seen == c->o.power)
        return;
    c->boot_seen = c->o.boot;
    c->power_seen = c->o.power;
    c->peer_journal_kept = c->peer_journal;
    put_node(out_meta(out, NODE_IMAGE_SIZE), c, c->boot_seen, c->peer_journal_kept);
}

void recover_flush(struct core *c, struct core_output *out)
{
    bool node = node_before(c, out);

    out->durable = c->durable || node;
    c->durable = false;
    for (size_t i = 0; c->dropped_left && i < DROPPED_MAX; i++) {
        if (!c->dropped[i].left || out->drop_count == 2 * SEGMENT_MAX)
            continue;
        c->dropped[i].left = false;
        out->drop[out->drop_count++] =
            (struct core_range){c->dropped[i].origin, c->dropped[i].epoch, 1, SEQUENCE_MAX};
    }
    c->dropped_left = c->dropped_left && out->drop_count == 2 * SEGMENT_MAX;
    for (uint16_t i = 0; i < c->count;) {
        struct segment *g = &c->segment[c->order[i]];

        if (g->state == SEGMENT_SETTLED) {
            flush_drop(c, g, out);
            continue;
        }
        flush_segment(c, g, out);
        i++;
    }
    if (node)
        node_behind(c, out);
    c->settled_due = false;
}
