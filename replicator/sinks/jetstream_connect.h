/* A connection to the servers of a JetStream sink, and what is wrong when there is none.  Waits:
 * for a thread beside the loop. */
#ifndef EVREP_JETSTREAM_CONNECT_H
#define EVREP_JETSTREAM_CONNECT_H

#include "nats_loop.h"
#include "sink.h"

enum { JETSTREAM_ERROR_MAX = 256, JETSTREAM_CALL_MS = 5000 };

/* 0, or -1 with one line in err.  Every connection is a new one: what a lost one held is asked
 * about. */
int jetstream_connect(natsConnection **out, const struct sink_options *o, struct nats_loop *l,
                      char err[JETSTREAM_ERROR_MAX]);

/* -1; in err: what, and why, without libnats' own places in its source. */
int jetstream_fail(char err[JETSTREAM_ERROR_MAX], const char *what, natsStatus s);
/* Of a request to the server: what it does not permit is not answered. */
int jetstream_fail_asked(char err[JETSTREAM_ERROR_MAX], const char *what, natsStatus s,
                         natsConnection *nc);

#endif
