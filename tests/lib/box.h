/* A dataplane without interfaces: a configuration as text, frames in, decisions out, and a clock
 * that the test moves. */
#ifndef EVREP_TEST_BOX_H
#define EVREP_TEST_BOX_H

#include "config.h"
#include "decide.h"
#include "frames.h"

enum { BOX_EVENTS_MAX = 256 };
enum { LEFT = 0, RIGHT = 1 };

struct box {
    struct evdp_config config;
    struct state state;
    void *memory;
    uint64_t now_ns;
    uint8_t frame[FRAME_MAX]; /* The last one: as it went in, and then as decide() left it. */
    struct decision d;
    struct packet out;  /* What the last frame is now, when it was sent. */
    size_t extra_count; /* Frames that were sent as time went by; the last one is in d.extra. */
    struct box_event {
        uint8_t at[EVENT_BYTES];
        uint32_t names;
        uint8_t group;
    } event[BOX_EVENTS_MAX]; /* Since box_forget(). */
    size_t event_count;
};

/* The first lines are made: ring, node, 1024 sessions unless `text` has them, the zones of `trust`
 * and `untrust` when `text` does not begin with a zone, wire "w0" between them.  Fails the test
 * when it does not load. */
struct box *box_open(const char *text);
/* A new configuration, as by SIGHUP. */
void box_reload(struct box *b, const char *text);
void box_close(struct box *b);

/* true: it was forwarded or answered.  b->d, b->out, b->event tell more. */
bool box_send(struct box *b, uint8_t port, const struct frame *f);
bool box_send_raw(struct box *b, uint8_t port, const uint8_t *frame, size_t len);
void box_elapse_ms(struct box *b, uint64_t ms); /* Sessions expire meanwhile. */
void box_forget(struct box *b);
/* Ends all sessions, as the dataplane does when it ends. */
void box_end(struct box *b);

size_t box_count(const struct box *b, uint8_t kind);
/* The n-th event of a kind, from 0; the test fails when there is none. */
const uint8_t *box_get(const struct box *b, uint8_t kind, size_t n);
uint64_t event_le(const uint8_t *event, int at, int bytes);
uint16_t event_be(const uint8_t *event, int at);
uint32_t box_sessions(const struct box *b);

#endif
