/* A sink's port: what it knows of the filter of its records, and what it said of answers. */
#ifndef EVREP_EMIT_H
#define EVREP_EMIT_H

#include "core.h"
#include "record.h"

struct shell;
struct sink_port;

enum { HIDDEN_RUNS_MAX = 64, HIDDEN_BACK_MAX = 16, HIDDEN_GONE_MAX = 64 };

/* Records that were hidden and are not stated yet: the last run ends right before the position that
 * is looked at next; those before it are of other segments.  Also a run of none, which says that
 * the record before was no hidden one. */
struct hidden_run {
    uint8_t origin;
    uint32_t epoch;
    uint32_t from, next; /* from == next: none. */
};

struct hidden_runs {
    struct hidden_run run[HIDDEN_RUNS_MAX];
    size_t count;
};

/* Of a sink, by its key: these records of a segment were hidden, and are not stated yet; the files
 * of those that it began with are gone. */
struct hidden_gone {
    uint32_t key, epoch, from, below;
    uint8_t origin;
};

/* Finds the run before a range, in the journal where the port has not followed it, a part at a
 * time. false: not at its beginning yet, call it again later. */
bool filter_look_back(struct sink_port *p, const struct core_range *r);
/* Follows one record.  true: it passes, after what p->hidden says. */
bool filter_follow(struct sink_port *p, const struct record *r);
/* It was stated. */
void filter_stated(struct sink_port *p);
/* Nothing is known any more. */
void filter_forget(struct sink_port *p);
/* Where the run of hidden records begins that ends with that range; to + 1: there is none. */
uint32_t filter_run_before(struct sink_port *p, const struct core_range *r);

/* emit_drain.c: what is hidden and waits to be stated goes back to the core, where nothing else of
 * the sink keeps a hand-over from its cut.  true: shell_flush() must follow. */
bool emit_gives_back(struct sink_port *p);
/* D1: a question about that, at a sink that only this node writes to, needs no sink: it was never
 * given it.  true: it is answered. */
bool emit_knows(struct sink_port *p, const struct core_range *r);
/* Looks, after each flush, for the end of a hand-over. */
void emit_handed_over(struct shell *s);
/* Records that stayed here at the last one and that a sink waits for: not what is hidden. */
uint64_t emit_stayed(const struct shell *s);

/* What a sink answered, which is said once: it is asked anew with each connection. */
enum { ANSWERS_SAID_MAX = 64 };

struct answers_said {
    struct {
        struct core_range range;
        uint32_t last;
        uint8_t kind;
    } said[ANSWERS_SAID_MAX];
    uint32_t count; /* Ever; the oldest gives way. */
};

/* A sink's answer, ctx its port: tells the core, and the log. */
void emit_answer(void *ctx, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to,
                 enum core_answer kind, uint32_t last);

#endif
