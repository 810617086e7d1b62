/* The runs of one origin that were asked about over a connection: which of them may be published
 * under the guard, and what is known of the others, so that a question is answered by what was
 * written since the one before.  Pure. */
#ifndef EVREP_JETSTREAM_RUNS_H
#define EVREP_JETSTREAM_RUNS_H

#include "jetstream_find.h"

struct jetstream_runs {
    struct jetstream_question run[JETSTREAM_QUESTIONS];
    size_t count;
};

/* Adds what is kept to the questions that are put to the server.. */
void runs_join(const struct jetstream_runs *r, struct jetstream_ask *a);
/* true: nothing above a->q.from of its run was there when the last question was answered; a->blind
 * as that answer says. */
bool runs_tell(const struct jetstream_runs *r, struct jetstream_question *a);
/* false: somebody wrote of a run that stands, or may have: the guard that these answers bring would
 * let through what it did not know of. */
bool runs_stand(const struct jetstream_ask *a);
/* What a question to the server told of those that are kept. */
void runs_update(struct jetstream_runs *r, const struct jetstream_ask *a);
/* It was answered: it stands, in place of what was kept of its run. */
void runs_answered(struct jetstream_runs *r, const struct jetstream_question *a);
/* May that record be published under the guard? */
bool runs_cover(const struct jetstream_runs *r, position_t position);
/* All went back: each is asked about again before more of it goes out. */
void runs_fall(struct jetstream_runs *r);

#endif
