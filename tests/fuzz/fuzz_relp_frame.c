/* links: evrep_sinks */
/* What a RELP collector may send: no read out of bounds, the same frames however it is cut, nothing
 * kept that is longer than it may be. */
#include "relp_frame.h"

#include <stdlib.h>
#include <string.h>

/* A sum over all frames, and how it ended. */
static uint64_t run(const uint8_t *at, size_t size, size_t piece)
{
    struct relp_reader r = {0};
    uint64_t sum = 0;

    for (const uint8_t *end = at + size; at < end;) {
        size_t n = (size_t)(end - at) < piece ? (size_t)(end - at) : piece;
        uint8_t *copy = malloc(n); /* So that a read beyond it is seen. */
        const uint8_t *p = copy;
        int rc;

        memcpy(copy, at, n);
        while ((rc = relp_read(&r, &p, copy + n)) == 1) {
            if (r.frame.txnr > RELP_TXNR_MAX || r.frame.len > RELP_DATA_MAX ||
                r.frame.kept > RELP_DATA_KEPT || strlen(r.frame.command) > RELP_COMMAND_MAX ||
                r.frame.data[r.frame.kept] != '\0' || relp_response_code(&r.frame) > 999)
                abort();
            sum = sum * 31 + r.frame.txnr + r.frame.len + strlen(r.frame.command);
        }
        free(copy);
        if (rc < 0)
            return ~sum;
        at += n;
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *at, size_t size)
{
    if (run(at, size, size) != run(at, size, 1) || run(at, size, 7) != run(at, size, 3))
        abort();
    return 0;
}
