/* Where the records of one origin go: a subject of a stream, and what is known of what lies there.
 */
#ifndef EVREP_JETSTREAM_PLACE_H
#define EVREP_JETSTREAM_PLACE_H

#include "jetstream_connect.h"
#include "render.h"

enum {
    JETSTREAM_NAME_MAX = 160,
    JETSTREAM_EPOCHS = 512,
    JETSTREAM_MESSAGE_MAX = RENDER_MAX + 256, /* A record with its headers. */
};

struct jetstream_place {
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

void place_init(struct jetstream_place *p, const struct sink_options *o, int origin);
/* A record of ours was stored there, behind the subject's last. */
void place_wrote(struct jetstream_place *p, uint32_t epoch, uint64_t at);
/* A record of that epoch lies there. */
void place_add_epoch(struct jetstream_place *p, uint32_t epoch);
bool place_has_epoch(const struct jetstream_place *p, uint32_t epoch);
/* After more epochs than there is room for: nobody has looked. */
void place_check_room(struct jetstream_place *p);
/* Nobody has looked. */
void place_look_anew(struct jetstream_place *p);

#endif
