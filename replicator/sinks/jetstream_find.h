/* D1 at JetStream: which records of a run are in the stream.  For the same thread as the link. */
#ifndef EVREP_JETSTREAM_FIND_H
#define EVREP_JETSTREAM_FIND_H

#include "jetstream_link.h"

struct jetstream_question {
    struct sink_question q;
    uint64_t floor; /* Nothing of it is there up to this sequence of the stream; */
    bool blind;     /* but for what may lie further back than was looked. */
    uint32_t last;  /* The answer; 0: none of them. */
    uint64_t at;    /* Where that is in the stream. */
    uint32_t top;   /* The last that is there of q.from .. q.run_end; 0: none. */
    bool known;     /* false: further back than was looked may lie some. */
    bool sure;      /* Of its run one is there that went out first then: none lies before that. */
    bool kept;   /* It was answered: `last` is what somebody wrote of q.from .. q.run_end since. */
    bool stands; /* And records of its run may go out, until somebody did. */
};

enum { JETSTREAM_QUESTIONS = 2048 }; /* More than the core can have open. */

/* Questions of one origin; those that are kept are the last. */
struct jetstream_ask {
    struct jetstream_question question[2 * JETSTREAM_QUESTIONS];
    size_t count;
    uint8_t origin;
    uint64_t behind; /* place[origin].last, as those that are kept know it. */
    bool shrunk;     /* It is not there any more: nothing that was known of the stream holds. */
};

/* What an earlier look at the stream tells of the question: its floor.  `own`: what it has anyway.
 */
void jetstream_floor(const struct jetstream_link *k, struct jetstream_question *a, uint64_t own);
/* D1: answers all questions with one look at the stream, and sets place[origin].last as of then.
 * Records of one run lie in order, but others may lie between and behind them: looks at the last
 * JETSTREAM_SCAN of the stream's messages, or as far as the questions need.  Whichever server reads
 * for us may keep a record, of when it was the leader, that the others never had: what decides an
 * answer is looked up at the leader, and else all is looked at again.  Another writer may not
 * wait meanwhile: what came since is looked at too, so that the guard which stands on the answer
 * has a chance.  0, or -1 with one line in err. */
int jetstream_find(struct jetstream_link *k, struct jetstream_ask *a,
                   char err[JETSTREAM_ERROR_MAX]);
enum { JETSTREAM_SCAN = 1 << 18 };

#endif
