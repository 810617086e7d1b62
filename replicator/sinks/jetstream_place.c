#include "jetstream_place.h"

#include <stdio.h>
#include <string.h>

/* A % in the stream's name stands for the origin: then each has a stream of its own. */
void place_init(struct jetstream_place *p, const struct sink_options *o, int origin)
{
    const char *percent = strchr(o->stream, '%');

    if (percent != NULL)
        snprintf(p->stream, sizeof(p->stream), "%.*s%d%s", (int)(percent - o->stream), o->stream,
                 origin, percent + 1);
    else
        snprintf(p->stream, sizeof(p->stream), "%s", o->stream);
    snprintf(p->subject, sizeof(p->subject), "%s.%d", o->subject, origin);
}

void place_look_anew(struct jetstream_place *p)
{
    p->looked_from = 0;
    p->epoch_count = 0;
    p->crowded = false;
}

bool place_has_epoch(const struct jetstream_place *p, uint32_t epoch)
{
    for (size_t i = p->epoch_count; i > 0; i--) {
        if (p->epoch[i - 1] == epoch)
            return true;
    }
    return false;
}

void place_add_epoch(struct jetstream_place *p, uint32_t epoch)
{
    if (place_has_epoch(p, epoch))
        return;
    if (p->epoch_count < JETSTREAM_EPOCHS)
        p->epoch[p->epoch_count++] = epoch;
    else
        p->crowded = true;
}

void place_check_room(struct jetstream_place *p)
{
    if (p->crowded)
        place_look_anew(p);
}

void place_wrote(struct jetstream_place *p, uint32_t epoch, uint64_t at)
{
    place_add_epoch(p, epoch);
    place_check_room(p);
    p->last = at;
}
