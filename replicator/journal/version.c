/* What another version of evrepd wrote is refused before anything is touched: read as ours it would
 * look like damage, and go. */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LOOK_SLOTS = 512 };

/* A damaged header is told from another version by the records behind it. */
static bool has_records(struct journal *j, int handle, const struct chunk *n)
{
    long got = j->disk->read(j->disk->ctx, handle, j->slots, LOOK_SLOTS * JOURNAL_SLOT_SIZE,
                             JOURNAL_HEADER_SIZE);

    for (long i = 0; i < got / JOURNAL_SLOT_SIZE; i++) {
        if (journal_check_slot(j->slots + i * JOURNAL_SLOT_SIZE, n->origin, n->epoch,
                               n->first + (uint32_t)i) == 0)
            return true;
    }
    return false;
}

static void look_at_records(struct journal *j, int handle, const char *name, const struct chunk *n)
{
    uint8_t header[JOURNAL_HEADER_USED] = {0};
    bool there;

    if (j->disk->read(j->disk->ctx, handle, header, sizeof(header), 0) < 0 ||
        journal_check_header(header, n->origin, n->epoch, n->first) == 0)
        return;
    there = has_records(j, handle, n);
    if (journal_is_other_version(header) && (!there || journal_header_is_whole(header)))
        snprintf(j->refused, sizeof(j->refused), "%s", name);
    else if (there && j->v.on_header != NULL)
        j->v.on_header(j->v.ctx, name);
}

static void look_at(void *arg, const char *name)
{
    struct journal *j = arg;
    struct chunk n;
    uint8_t magic[META_MAGIC_SIZE] = {0};
    bool meta = strncmp(name, "meta-", 5) == 0;
    int handle;

    if (j->refused[0] != '\0' || (!meta && !records_parse_name(name, &n)))
        return;
    handle = j->disk->open(j->disk->ctx, name, false);
    if (handle < 0)
        return; /* Whoever needs it will tell. */
    if (!meta)
        look_at_records(j, handle, name, &n);
    else if (j->disk->read(j->disk->ctx, handle, magic, sizeof(magic), 0) == (long)sizeof(magic) &&
             journal_is_other_version(magic))
        snprintf(j->refused, sizeof(j->refused), "%s", name);
    j->disk->close(j->disk->ctx, handle);
}

int versions_check(struct journal *j)
{
    int rc = j->disk->list(j->disk->ctx, look_at, j);

    return rc != 0 ? rc : j->refused[0] != '\0' ? -EPROTO : 0;
}
