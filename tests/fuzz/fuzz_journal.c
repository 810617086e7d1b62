/* links: replicator_core */
#include "journal_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    const uint8_t *body;
    struct record r;
    size_t used = 0, n;
    long got;

    while ((got = meta_get(at + used, len - used, &body, &n)) > 0)
        used += (size_t)got;
    for (used = 0; (got = meta_get_frame(at + used, len - used)) > 0; used += (size_t)got)
        ;
    if (len >= JOURNAL_SLOT_SIZE && journal_check_slot(at, 0, 12, 1) == 0)
        record_decode(&r, at);
    if (len >= JOURNAL_HEADER_USED)
        journal_check_header(at, 0, 12, 1);
    return 0;
}
