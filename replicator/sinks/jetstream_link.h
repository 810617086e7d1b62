/* The calls to a JetStream server that wait for it.  For a thread beside the loop: while one runs,
 * nothing else uses the link. */
#ifndef EVREP_JETSTREAM_LINK_H
#define EVREP_JETSTREAM_LINK_H

#include "jetstream_connect.h"
#include "render.h"
#include "types.h"

enum {
    JETSTREAM_NAME_MAX = 160,
    JETSTREAM_SPENT = 4,
    JETSTREAM_MESSAGE_MAX = RENDER_MAX + 256, /* A record with its headers. */
};

struct jetstream_place { /* Of one origin. */
    char stream[JETSTREAM_NAME_MAX], subject[JETSTREAM_NAME_MAX];
    uint64_t last; /* Sequence in the stream of the subject's last message; 0: none. */
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
    uint64_t floor; /* Nothing of it is there up to this sequence of the stream. */
    uint32_t last;  /* The answer; 0: none of them. */
    bool known;     /* false: further back than was looked may lie some. */
    bool before;    /* Below it, of its run, is there: nothing of it lies before that. */
    bool stands;    /* It was answered: `last` is what somebody wrote of its run since. */
};

enum { JETSTREAM_QUESTIONS = 2048 }; /* More than the core can have open. */

/* Questions of one origin. */
struct jetstream_ask {
    struct jetstream_question question[2 * JETSTREAM_QUESTIONS];
    size_t count;    /* > 0; the first does not stand. */
    uint64_t behind; /* place[origin].last, as those that stand know it. */
};

/* Connects, checks both streams, and reads where their subjects end.  0, or -1 with one line in
 * err; close it in both cases. */
int jetstream_link_open(struct jetstream_link *k, struct nats_loop *l,
                        char err[JETSTREAM_ERROR_MAX]);
void jetstream_link_close(struct jetstream_link *k);
/* After each of these calls, in the loop's thread: frees the subscriptions that it is done with.
 * libnats before 3.6 frees one under the reader's feet when another thread does it. */
void jetstream_link_tidy(struct jetstream_link *k);

/* D1: answers all questions with one look at the stream, and sets place[origin].last as of then.
 * Records of one run lie in order, but others may lie between and behind them: looks at the last
 * JETSTREAM_SCAN of the stream's messages, or as far as the questions need.  0, or -1 with one line
 * in err. */
int jetstream_link_find(struct jetstream_link *k, struct jetstream_ask *a,
                        char err[JETSTREAM_ERROR_MAX]);
enum { JETSTREAM_SCAN = 1 << 18 };

#endif
