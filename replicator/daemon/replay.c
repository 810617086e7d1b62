/* evrepctl sinks replay NAME --from ORIGIN/EPOCH/SEQUENCE: what the sink has confirmed and the
 * journal still holds goes out again, each record marked in doubt.  Beside the core, which knows
 * nothing of it: no mark moves.  Live records go first. */
#include "replay.h"
#include "control.h"
#include "shell.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- what there is ---- */

/* Up to where the sink has everything, confirmed. */
static uint32_t confirmed_to(const struct segment *g, size_t sink)
{
    const struct delivery *d = &g->at[sink];

    return d->count == 0 || d->span[0].emitted > g->journaled ? g->journaled : d->span[0].emitted;
}

static void add_range(struct replay *r, uint32_t epoch, uint32_t from, uint32_t to)
{
    size_t i = r->count;

    if (r->count == REPLAY_RANGES || from > to)
        return;
    for (; i > 0 && r->range[i - 1].epoch > epoch; i--)
        r->range[i] = r->range[i - 1];
    r->range[i] = (struct core_range){r->origin, epoch, from, to};
    r->count++;
}

static void find_ranges(struct sink_port *p, position_t from)
{
    struct shell *s = p->shell;
    struct replay *r = &p->replay;
    uint32_t epoch = position_epoch(from), sequence = position_sequence(from);

    for (size_t i = 0; i < s->retained.count; i++) {
        uint32_t e = s->retained.segment[i].epoch;

        if (s->retained.segment[i].origin == r->origin && e >= epoch)
            add_range(r, e, e == epoch ? sequence : 1, SEQUENCE_MAX);
    }
    for (uint16_t i = 0; i < s->core->count; i++) {
        const struct segment *g = &s->core->segment[s->core->order[i]];

        if (g->origin == r->origin && g->epoch >= epoch)
            add_range(r, g->epoch, g->epoch == epoch ? sequence : 1, confirmed_to(g, p->index));
    }
}

/* ---- to hand over ---- */

static bool range_next(struct sink_port *p, const struct core_range **range, uint32_t *from)
{
    struct replay *r = &p->replay;

    if (r->at == r->count)
        return false;
    *range = &r->range[r->at];
    *from = r->next > (*range)->from ? r->next : (*range)->from;
    return true;
}

static void range_end(struct sink_port *p)
{
    struct replay *r = &p->replay;

    r->at++;
    r->next = 0;
    if (r->at == r->count)
        shell_log("sink %s: replay: %" PRIu64 " records were handed over", p->config->name,
                  r->handed);
}

void replay_fill(struct sink_port *p, size_t n)
{
    static uint8_t records[REPLAY_BATCH * RECORD_SIZE];
    struct replay *r = &p->replay;
    const struct core_range *range;
    uint32_t from, first;
    size_t got;

    if (r->in_flight >= REPLAY_FLIGHT || !range_next(p, &range, &from))
        return;
    n = n < REPLAY_BATCH ? n : REPLAY_BATCH;
    if (range->to - from < n)
        n = range->to - from + 1;
    got = journal_read(p->shell->journal, range->origin, range->epoch, from, n, records,
                       sizeof(records));
    /* What is delivered of an open segment goes from its beginning on. */
    first = got == 0 ? journal_first(p->shell->journal, range->origin, range->epoch, from) : from;
    for (size_t i = 0; i < got; i++) {
        struct record record;

        if (record_decode(&record, records + i * RECORD_SIZE) == 0)
            emit_replayed(p, &record);
    }
    if (got == 0 && first > from && first <= range->to) {
        r->next = first;
        replay_fill(p, n);
        return;
    }
    r->next = from + (uint32_t)got;
    if (got < n || r->next > range->to)
        range_end(p);
}

/* A replay goes on behind what is confirmed of it. */
void replay_lost(struct sink_port *p)
{
    struct replay *r = &p->replay;

    r->in_flight = 0;
    if (!r->any)
        return;
    for (r->at = 0; r->at < r->count && r->range[r->at].epoch < r->done_epoch; r->at++)
        ;
    r->next = r->at < r->count && r->range[r->at].epoch == r->done_epoch ? r->done + 1 : 0;
}

void replay_confirmed(struct sink_port *p, uint32_t epoch, uint32_t sequence)
{
    p->replay.in_flight--;
    p->replay.done_epoch = epoch;
    p->replay.done = sequence;
}

/* ---- the command ---- */

static struct sink_port *port_by_name(struct shell *s, const char *name)
{
    for (size_t k = 0; k < s->port_count; k++) {
        if (strcmp(s->port[k].config->name, name) == 0)
            return &s->port[k];
    }
    return NULL;
}

static bool parse_position(const char *text, unsigned *origin, position_t *p)
{
    unsigned epoch, sequence;

    if (!control_position(text, origin, &epoch, &sequence))
        return false;
    *p = position_make(epoch, sequence);
    return true;
}

/* The first that the journal holds of what was asked for; 0: none of it. */
static position_t first_held(struct sink_port *p)
{
    const struct replay *r = &p->replay;

    for (size_t i = 0; i < r->count; i++) {
        const struct core_range *g = &r->range[i];
        uint32_t first = journal_first(p->shell->journal, g->origin, g->epoch, g->from);

        if (first != 0 && first <= g->to)
            return position_make(g->epoch, first);
    }
    return 0;
}

/* What was asked for and is gone is not passed over in silence. */
static json_t *say_started(const struct sink_port *p, unsigned origin, position_t from,
                           position_t first)
{
    char text[128];

    snprintf(text, sizeof(text), "records from %u/%u/%u%s on go out again, marked", origin,
             position_epoch(first), position_sequence(first),
             first != from ? ", the first that the journal holds," : "");
    shell_log("sink %s: replay from %u/%u/%u, by the operator: %s", p->config->name, origin,
              position_epoch(from), position_sequence(from), text);
    return json_pack("{s:b,s:s}", "done", 1, "text", text);
}

static json_t *start(struct sink_port *p, unsigned origin, position_t from)
{
    struct replay *r = &p->replay;
    position_t first;
    json_t *said;

    if (r->at < r->count || r->in_flight > 0)
        return control_error("sink %s: a replay is under way", p->config->name);
    *r = (struct replay){
        .origin = (uint8_t)origin, .any = true, .number = (uint32_t)(shell_time_ns() / SECOND_NS)};
    find_ranges(p, from);
    first = first_held(p);
    r->done_epoch = r->count > 0 ? r->range[0].epoch : 0;
    r->done = r->count > 0 ? r->range[0].from - 1 : 0;
    if (first == 0) {
        r->count = 0;
        return control_error("the journal holds nothing of %u from there on that sink %s has "
                             "confirmed; `journal-keep-mib` says how much stays",
                             origin, p->config->name);
    }
    said = say_started(p, origin, from, first);
    sink_wake(p->sink);
    return said;
}

json_t *sinks_command(struct shell *s, struct control_client *c, const struct control_request *r)
{
    struct sink_port *p;
    position_t from;
    unsigned origin;

    if (r->argc == 0)
        return status_sinks(s, c, r);
    if (r->argc != 4 || strcmp(r->argv[0], "replay") != 0 || strcmp(r->argv[2], "--from") != 0 ||
        !parse_position(r->argv[3], &origin, &from))
        return control_error("sinks replay NAME --from ORIGIN/EPOCH/SEQUENCE, as in a tag");
    p = port_by_name(s, r->argv[1]);
    return p != NULL ? start(p, origin, from) : control_error("no sink %s", r->argv[1]);
}
