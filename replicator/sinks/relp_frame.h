/* Frames of RELP version 0 as a collector sends them: TXNR SP COMMAND SP DATALEN [SP DATA] LF.  No
 * I/O; any bytes may come. */
#ifndef EVREP_RELP_FRAME_H
#define EVREP_RELP_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum {
    RELP_TXNR_MAX = 999999999,
    RELP_COMMAND_MAX = 32,
    RELP_DATA_MAX = 128 << 10, /* A frame that claims more is refused. */
    RELP_DATA_KEPT = 512,      /* The rest of its data is skipped. */
};

struct relp_frame {
    uint32_t txnr; /* 0: of no command of ours. */
    char command[RELP_COMMAND_MAX + 1];
    size_t len, kept; /* Of its data, and of what is in data[]. */
    char data[RELP_DATA_KEPT + 1];
};

struct relp_reader {
    uint8_t state; /* Zeroed at the start of a connection. */
    size_t digits, command_len, seen;
    struct relp_frame frame;
};

/* Takes bytes from *at on until a frame is whole.  1: it is, in r->frame, until the next call.  0:
 * more bytes are needed.  -1: not RELP. */
int relp_read(struct relp_reader *r, const uint8_t **at, const uint8_t *end);

/* The code at the beginning of a response's data, or -1. */
int relp_response_code(const struct relp_frame *f);

#endif
