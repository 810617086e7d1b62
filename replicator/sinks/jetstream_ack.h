/* What a JetStream server answers to a publish, and the ids of messages.  Pure. */
#ifndef EVREP_JETSTREAM_ACK_H
#define EVREP_JETSTREAM_ACK_H

#include "types.h"

enum { /* err_code of a server. */
       JETSTREAM_NO_RESOURCES = 10023,
       JETSTREAM_NO_STORAGE = 10047,
       JETSTREAM_MESSAGE_TOO_LONG = 10054,
       JETSTREAM_WRONG_LAST_ID = 10070,
       JETSTREAM_WRONG_LAST_SEQUENCE = 10071,
       JETSTREAM_STORE_FAILED = 10077,
       JETSTREAM_SEALED = 10109,
};

struct jetstream_ack {
    bool duplicate;    /* Its id was there already: no expectation was looked at. */
    uint64_t sequence; /* In the stream; of a duplicate: of the first with that id. */
    uint32_t error;    /* err_code of the server; 0: stored. */
    char text[128];    /* Its description of the error, printable. */
    char stream[64];
};

/* 0, or -1: no such answer. */
int jetstream_ack_parse(struct jetstream_ack *out, const char *at, size_t len);

enum { JETSTREAM_ID_MAX = 48 };

/* Headers that guard a publish. */
#define JETSTREAM_BEHIND_SEQUENCE "Nats-Expected-Last-Subject-Sequence"
#define JETSTREAM_BEHIND_ID       "Nats-Expected-Last-Msg-Id"
/* Of a record that may be there already (D2). */
#define JETSTREAM_IN_DOUBT "Evrep-In-Doubt"

/* "0/12/345"; the n-th statement of the sink's own before that record: "0/12/345s1". */
size_t jetstream_id(char out[JETSTREAM_ID_MAX], uint8_t origin, position_t position,
                    unsigned statement);
/* false: not the id of a record (of a statement, or not ours). */
bool jetstream_id_parse(const char *id, uint8_t *origin, position_t *position);

/* Does the subject lie under the pattern (with * and >)? */
bool jetstream_matches(const char *pattern, const char *subject);

#endif
