/* links: evrep_audit */
#include "audit_reader.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

/* The same, whatever pieces it comes in. */
static void read_in_pieces(struct audit *a, const char *at, size_t len, size_t piece)
{
    static struct audit_reader r;

    audit_init(a);
    audit_reader_init(&r, a);
    for (size_t done = 0; done < len; done += piece)
        audit_read(&r, at + done, len - done < piece ? len - done : piece);
    audit_read_end(&r);
    audit_finish(a);
}

static void pieces_change_nothing(const char *at, size_t len)
{
    static struct audit whole, pieces;

    read_in_pieces(&whole, at, len, len);
    read_in_pieces(&pieces, at, len, len % 97 + 1);
    if (whole.lines != pieces.lines || whole.once != pieces.once ||
        whole.malformed != pieces.malformed || whole.missing != pieces.missing)
        abort();
    audit_deinit(&whole);
    audit_deinit(&pieces);
}

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
    pieces_change_nothing((const char *)at, len);
    return 0;
}
