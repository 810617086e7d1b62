/* Settled segments stay in the journal for a while (`journal-keep-mib`), so that a collector that
 * lost what it had acknowledged can be sent it again (evrepctl sinks replay). */
#include "shell.h"

#include <string.h>

static void drop_oldest(struct shell *s)
{
    struct retained *r = &s->retained;

    journal_drop(s->journal, r->segment[0].origin, r->segment[0].epoch, SEQUENCE_MAX);
    memmove(r->segment, r->segment + 1, --r->count * sizeof(r->segment[0]));
}

/* What is not settled has to stay, and comes first. */
void retain_trim(struct shell *s)
{
    while (s->retained.count > 0 && journal_bytes(s->journal) > s->config->journal_keep)
        drop_oldest(s);
}

void retain_settled(struct shell *s, uint8_t origin, uint32_t epoch)
{
    struct retained *r = &s->retained;

    if (s->config->journal_keep == 0) {
        journal_drop(s->journal, origin, epoch, SEQUENCE_MAX);
        return;
    }
    if (r->count == RETAINED_MAX)
        drop_oldest(s);
    r->segment[r->count].origin = origin;
    r->segment[r->count++].epoch = epoch;
    retain_trim(s);
}
