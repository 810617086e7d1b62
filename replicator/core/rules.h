/* The core's parts, by the rules that they keep.  Not for shells. */
#ifndef EVREP_RULES_H
#define EVREP_RULES_H

#include "core.h"
#include "segment.h"
#include "wire.h"

/* session.c: from hello to loss. */
void session_link_up(struct core *c, int link, uint32_t random);
void session_link_down(struct core *c, int link);
void session_link_prefer(struct core *c, int link);
void session_tick(struct core *c);
void session_break(struct core *c, const char *why);
/* Section 9: `why` is what lie.h says, NULL: nothing.  true: it is one, and the session ends. */
bool session_lies(struct core *c, const char *why);
void session_forget_facts(struct core *c);
void session_begin_anew(struct core *c, int link);
void session_rewind(struct core *c);
void session_establish(struct core *c);
uint8_t session_version(const struct core *c);

/* hear.c */
void session_frame(struct core *c, int link, const uint8_t *at, size_t len);

/* tell.c */
void session_flush(struct core *c, uint32_t credit, struct core_output *out);

/* core.c: L1, T5. */
void epoch_ended(struct core *c, uint32_t previous, uint32_t last);
void epoch_leap(struct core *c);
/* Its ring is still in it, and this process has not opened the next one: its end is to come. */
bool epoch_goes_on(const struct core *c, const struct segment *g);
/* T5: neither the journal that this process found nor the process itself knows of it: an old copy.
 */
bool epoch_never_known(const struct core *c, uint32_t epoch);

/* takeover.c: L1-L3, T1, T4, T4a. */
void takeover_lost(struct core *c);
void takeover_tick(struct core *c);
void takeover_fenced(struct core *c);
/* Takes what the peer owns of a lost tail of ours, of which it has no more than `have`: only an
 * owner asks. */
void takeover_tail(struct core *c, struct segment *g, uint32_t have);

/* gap.c: L4, A3.  What a statement of `gap` is still to name; none where nothing is missing. */
void gap_note(const struct core *c, struct segment *g, enum gap_state gap);
/* Its origin has closed it, and knows of nothing above `last`. */
void gap_note_lost(const struct core *c, struct segment *g, uint32_t last);
/* What lies above J of a closed segment is nowhere any more: it is stated as lost. */
void gap_tail_lost(struct core *c, struct segment *g);
/* As that, at its origin: run by run, each once the statement of the one above it is told. */
void gap_runs_lost(struct core *c, struct segment *g);
/* The peer has it, but not every sink of ours: it is lost to those. */
void gap_tail_ours(struct core *c, struct segment *g);
void gap_file_lost(struct segment *g, uint32_t from);
void gap_came_back(struct core *c, struct segment *g, uint32_t last);
void gap_gone_at(const struct core *c, const struct delivery *d, struct segment *g);
void gap_left(const struct core *c, struct segment *g);
void gap_filled(struct core *c, struct segment *g);
void gap_notes(struct core *c, struct core_output *out);
void gap_noted(struct core *c, const struct core_input *in);

/* reconcile.c: T3 for one segment at one sink; theirs: as the peer sees it. */
void reconcile(struct core *c, struct segment *g, size_t k, const struct delivery *theirs);
/* What its origin's disk has lost is ours again only then: so is what was in flight of it, as `old`
 * was before. */
void reconcile_tail(const struct core *c, struct segment *g, size_t k, struct delivery *old);

/* facts.c: T3, T5. */
void facts_learn(struct core *c, const struct segment *fact, const uint8_t *at, size_t len,
                 uint8_t n);
void facts_told(struct core *c, struct segment *g);
void facts_settled_before(struct core *c, struct segment *g);
/* Its origin's journal is gone: up to `replicated` it is the replica's. */
void facts_origin_lost(struct core *c, struct segment *g, uint32_t replicated);
/* T3: one node says that the other had taken it over, and that one remembers nothing of it: what it
 * had emitted before it forgot cannot be told. */
void facts_forgotten_by(const struct core *c, struct segment *g, uint8_t owner);
bool facts_bear_no_witness(const struct core *c);
bool facts_are_blind(const struct core *c, const struct segment *g, const struct delivery *d);

/* settled.c: T3, T5. */
void settled_hello_done(struct core *c);
void settled_peer_heard(struct core *c);
/* What the peer owned, up to there, at a sink that it does not have any more, or has nothing of: it
 * may have emitted it before. */
void settled_take_back(struct core *c, const struct segment *g, struct delivery *d, uint32_t to);

/* delivery.c: N3, L2, D1, D2. */
bool span_may_go_solo(const struct core *c, const struct segment *g, const struct span *s);
void delivery_raise(struct core *c);
void delivery_raise_span(struct core *c, struct segment *g, size_t sink, struct span *s);
void delivery_confirmed(struct core *c, uint8_t sink, const struct core_range *r);
void delivery_lost(struct core *c, uint8_t sink, bool none);
/* Its sink is asked before anything of it is handed over again, where it can be. */
void delivery_unguard(struct span *s);
void delivery_answer(struct core *c, uint8_t sink, const struct core_range *r,
                     enum core_answer kind, uint32_t last);
uint32_t delivery_window(const struct core *c, size_t sink); /* W */
void delivery_asks(struct core *c, struct core_output *out);
/* Is one of its sinks to say first what it has above J?  No longer than a sink needs to be up. */
bool delivery_asks_first(struct core *c, struct segment *g);
void delivery_skips(struct core *c, struct core_output *out);
void delivery_skipped(struct core *c, struct segment *g, const struct core_range *r);

/* shed.c: the journal's limit. */
void shed_start(struct core *c, const struct core_range *r);
void shed_notes(struct core *c, struct core_output *out);
/* false: not the statement that was asked for. */
bool shed_noted(struct core *c, const struct core_range *r);
/* The process before this one asked for it, and ended before it had an effect. */
void shed_found(struct core *c, struct segment *g, const struct core_range *r);

/* handover.c: T1, T2. */
void handover_start(struct core *c, uint8_t sink);
void handover_lost(struct core *c);
void handover_rewind(struct core *c);
void handover_tick(struct core *c);
size_t handover_collect(struct core *c, uint8_t *out, size_t max);
void handover_offered(struct core *c, const uint8_t *at, size_t len);
void handover_acked(struct core *c, const struct wire_handover *e);

/* recover.c: metas of what changed. */
void recover_flush(struct core *c, struct core_output *out);

bool sink_knows_all(const struct core *c, size_t sink);
int sink_index(const struct core *c, uint32_t key);

/* check.c: section 2. */
void check_touched(struct core *c);
void check_span(const struct core *c, const struct segment *g, size_t sink, const struct span *s);

/* out.c: room in the output.  A meta always fits; a frame: NULL when none is left, and out->more
 * is set. */
uint8_t *out_meta(struct core_output *out, size_t len);
uint8_t *out_frame(struct core_output *out, size_t len);

#endif
