/* The calls to a JetStream server that wait for it.  For a thread beside the loop: while one runs,
 * nothing else uses the link. */
#ifndef EVREP_JETSTREAM_LINK_H
#define EVREP_JETSTREAM_LINK_H

#include "jetstream_connect.h"
#include "render.h"
#include "types.h"

enum {
    JETSTREAM_NAME_MAX = 160,
    JETSTREAM_CATCH_UPS = 4,
    JETSTREAM_TRIES = 5, /* Of each scan. */
    JETSTREAM_LOOKS = 5, /* Until the servers of a stream agree. */
    JETSTREAM_SPENT = (4 + JETSTREAM_CATCH_UPS) * JETSTREAM_TRIES * JETSTREAM_LOOKS,
    JETSTREAM_EPOCHS = 512,
    JETSTREAM_MESSAGE_MAX = RENDER_MAX + 256, /* A record with its headers. */
};

struct jetstream_place { /* Of one origin. */
    char stream[JETSTREAM_NAME_MAX], subject[JETSTREAM_NAME_MAX];
    char note[JETSTREAM_ERROR_MAX]; /* What its stream has lost, or will; empty: nothing. */
    bool replicated;                /* Its stream, by several servers. */
    uint64_t last; /* Sequence in the stream of the subject's last message; 0: none. */
    /* The subject's messages from here to the last were looked at, or are ours; 0: none were.  They
     * are records of these epochs only. */
    uint64_t looked_from;
    uint32_t epoch[JETSTREAM_EPOCHS];
    size_t epoch_count;
    bool crowded; /* There are more than these. */
};

struct jetstream_link {
    const struct sink_options *o;
    struct jetstream_place place[NODE_COUNT];
    natsConnection *nc;
    jsCtx *js;
    natsSubscription *acks; /* Answers to publishes: read with a timeout of 0. */
    char inbox[64];         /* Their subject is inbox.N. */
    natsSubscription *spent[JETSTREAM_SPENT];
    size_t spent_count;
    uint64_t depth; /* How far back a question is looked for; 0: JETSTREAM_SCAN. */
};

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

/* Connects, checks both streams, and reads where their subjects end.  0, or -1 with one line in
 * err; close it in both cases. */
int jetstream_link_open(struct jetstream_link *k, struct nats_loop *l,
                        char err[JETSTREAM_ERROR_MAX]);
void jetstream_link_close(struct jetstream_link *k);
/* After each of these calls, in the loop's thread: frees the subscriptions that it is done with.
 * libnats before 3.6 frees one under the reader's feet when another thread does it. */
void jetstream_link_tidy(struct jetstream_link *k);

/* What an earlier look at the stream tells of the question: its floor.  `own`: what it has anyway.
 */
void jetstream_link_floor(const struct jetstream_link *k, struct jetstream_question *a,
                          uint64_t own);
/* A record of ours was stored there, behind the subject's last. */
void jetstream_link_wrote(struct jetstream_link *k, uint8_t origin, uint32_t epoch, uint64_t at);

/* D1: answers all questions with one look at the stream, and sets place[origin].last as of then.
 * Records of one run lie in order, but others may lie between and behind them: looks at the last
 * JETSTREAM_SCAN of the stream's messages, or as far as the questions need.  Whichever server reads
 * for us may keep a record, of when it was the leader, that the others never had: what decides an
 * answer is looked up at the leader, and else all is looked at again.  Another writer may not
 * wait meanwhile: what came since is looked at too, so that the guard which stands on the answer
 * has a chance.  0, or -1 with one line in err. */
int jetstream_link_find(struct jetstream_link *k, struct jetstream_ask *a,
                        char err[JETSTREAM_ERROR_MAX]);
enum { JETSTREAM_SCAN = 1 << 18 };

#endif
