/* links: evrep_audit */
#include "audit.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static struct audit a;
    const char *line = (const char *)at, *end = line + len;

    audit_init(&a);
    while (line < end) {
        const char *nl = memchr(line, '\n', (size_t)(end - line));
        size_t n = nl != NULL ? (size_t)(nl - line) : (size_t)(end - line);

        audit_line(&a, line, n);
        line += n + 1;
    }
    audit_finish(&a);
    audit_deinit(&a);
    return 0;
}
