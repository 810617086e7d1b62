/* links: evrep_names_file */
#include "names_file.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

/* What was taken is taken again, as it goes to the peer and into the journal. */
int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static uint8_t lines[NAMES_BLOB_MAX], again[NAMES_BLOB_MAX];
    static struct names names;
    unsigned line = 0;
    long n = names_file_take(at, len, lines, &line);

    if ((n < 0) != (names_file_parse(&names, at, len) != 0))
        abort();
    if (n < 0)
        return 0;
    if (names_parse(&names, lines, (size_t)n) != 0 ||
        names_file_take(lines, (size_t)n, again, &line) != n ||
        memcmp(lines, again, (size_t)n) != 0)
        abort();
    return 0;
}
