/* `journal-full = oldest`: at its limit the journal gives the oldest records up, each stated as
 * lost before it goes (core/shed.c). */
#include "shell.h"

#include "segment.h"

enum {
    SHED_RECORDS = 4 * JOURNAL_CHUNK_RECORDS, /* At a time: more than a ring holds. */
    LOOK_RECORDS = 4 * JOURNAL_CHUNK_RECORDS, /* Likewise, of what may have to be read first. */
};

/* Of a full file. */
#define CHUNK_BYTES ((uint64_t)JOURNAL_HEADER_SIZE + JOURNAL_CHUNK_RECORDS * JOURNAL_SLOT_SIZE)

#define TRIM_NS (SECOND_NS / 10) /* Between two looks for files that may go. */

/* What is delivered everywhere.  A settled segment is not the core's any more: retain.c. */
static uint32_t needed(void *ctx, uint8_t origin, uint32_t epoch)
{
    const struct shell *s = ctx;

    return core_needed(s->core, origin, epoch);
}

static bool is_over(const struct shell *s, uint64_t limit)
{
    return journal_bytes(s->journal) > limit;
}

/* A range that waits for a sink's filter must not reach into what is gone. */
static void forget_given(struct shell *s, const struct core_range *r)
{
    for (size_t k = 0; k < s->port_count; k++) {
        struct sink_port *p = &s->port[k];

        if (!p->has_give || p->give.range.origin != r->origin || p->give.range.epoch != r->epoch ||
            p->give.range.from > r->to)
            continue;
        p->give.range.from = r->to + 1;
        p->has_give = p->give.range.to > r->to;
        p->looking = false; /* What it found hidden so far stays. */
    }
}

static void ask_to_shed(struct shell *s)
{
    struct core_input in = {.kind = CORE_SHED};
    struct core_range *r = &in.records;
    uint32_t end;

    if (s->note_count > NOTES_MAX / 2 || !core_oldest(s->core, JOURNAL_CHUNK_RECORDS, r))
        return;
    if (r->to - r->from >= SHED_RECORDS)
        r->to = r->from + SHED_RECORDS - 1;
    end = journal_file_end(s->journal, r->origin, r->epoch, r->from);
    if (end != 0 && r->to > end) /* Whole files: a part of one frees nothing. */
        r->to = end + (r->to - end) / JOURNAL_CHUNK_RECORDS * JOURNAL_CHUNK_RECORDS;
    r->to = notes_fit(s, r);
    shell_input(s, &in);
    shell_flush(s);
}

/* As above, and so much of it that `journal-keep-mib` stays. */
static uint32_t needed_or_kept(void *ctx, uint8_t origin, uint32_t epoch)
{
    const struct shell *s = ctx;
    uint64_t bytes = journal_bytes(s->journal), keep = s->config->journal_keep;
    uint64_t files = bytes > keep ? (bytes - keep + CHUNK_BYTES - 1) / CHUNK_BYTES : 0;
    uint64_t below = journal_first(s->journal, origin, epoch, 1) + files * JOURNAL_CHUNK_RECORDS;
    uint32_t delivered = needed(ctx, origin, epoch);

    return below < delivered ? (uint32_t)below : delivered;
}

static uint32_t stays(void *ctx, uint8_t origin, uint32_t epoch)
{
    struct shell *s = ctx;
    uint32_t below = (s->config->journal_oldest ? needed : needed_or_kept)(ctx, origin, epoch);
    uint32_t first = journal_first(s->journal, origin, epoch, 1);

    if (!hidden_is_used(s) || first == 0 || below <= first || below - first <= LOOK_RECORDS)
        return below;
    s->trimmed_part = true;
    return first + LOOK_RECORDS;
}

/* The marks by which the files may go have to survive the power before the files go. */
static void free_files(struct shell *s)
{
    s->core->node_dirty = true;
    shell_flush(s);
    s->trimmed_part = false;
    if (hidden_note(s, stays))
        journal_trim(s->journal, stays, s);
    s->trimmed_ns = shell_now_ns();
    s->trimmed_count = s->core->shed.count;
}

/* What is delivered of a segment that is still open goes too: one epoch can last for months. */
static void free_delivered(struct shell *s)
{
    uint64_t limit = s->config->journal_limit, most = s->config->journal_keep + CHUNK_BYTES;

    if (limit != 0 && limit < most)
        most = limit;
    if (!s->flushing && is_over(s, most) && tally_is_complete(s) &&
        shell_now_ns() - s->trimmed_ns > (s->trimmed_part ? TRIM_NS : SECOND_NS))
        free_files(s);
}

static void say_given_up(struct shell *s)
{
    const struct core_range *r = &s->given_up_last;
    uint64_t more = shell_more(s->given_up, &s->given_up_said);

    if (more > 0)
        shell_log(
            "journal: its limit (journal-limit-mib) is reached: %llu records are given up, and "
            "stated as lost; the last of them is %u/%u/%u",
            (unsigned long long)more, r->origin, r->epoch, r->to);
}

void full_look(struct shell *s)
{
    uint64_t limit = s->config->journal_limit;

    say_given_up(s);
    if (!s->config->journal_oldest) {
        free_delivered(s);
        return;
    }
    if (s->flushing || s->core->shed.wanted || !is_over(s, limit) ||
        !tally_is_complete(s)) /* It reads the journal from the oldest on. */
        return;
    if (s->trimmed_count != s->core->shed.count || shell_now_ns() - s->trimmed_ns > TRIM_NS)
        free_files(s);
    if (is_over(s, limit))
        ask_to_shed(s);
}

void full_noted(struct shell *s, uint64_t count_before)
{
    const struct core_range *r = &s->core->shed.range;

    if (s->core->shed.count == count_before)
        return;
    forget_given(s, r);
    s->given_up += r->to - r->from + 1;
    s->given_up_last = *r;
    if (r->origin == s->config->node)
        tally_shed(s, r);
}

bool full_refuses(const struct shell *s, bool replica)
{
    uint64_t limit = s->config->journal_limit;

    if (!s->config->journal_oldest)
        return limit != 0 && is_over(s, limit);
    if (replica) /* Its owner gives up, sooner than this where both have the same limit. */
        return is_over(s, 2 * limit);
    return !s->core->shed.wanted && is_over(s, limit + limit / 8);
}
