#include "names_file.h"

#include <string.h>

static struct names names;

/* How much of it counts. */
static size_t clean_length(const uint8_t *at, size_t len)
{
    while (len > 0 && at[len - 1] == '\r') /* All, so that what was taken is taken as it is. */
        len--;
    for (size_t i = 0; i < len && at[0] != '#'; i++) {
        if (at[i] != ' ' && at[i] != '\t')
            return len;
    }
    return 0;
}

/* The next line, or NULL. */
static const uint8_t *next_line(const uint8_t **at, const uint8_t *end, size_t *len)
{
    const uint8_t *line = *at, *line_end;

    if (line == end)
        return NULL;
    line_end = memchr(line, '\n', (size_t)(end - line));
    *at = line_end != NULL ? line_end + 1 : end;
    *len = clean_length(line, (size_t)((line_end != NULL ? line_end : end) - line));
    return line;
}

/* Apart, as it is slow. */
static unsigned find_bad(const uint8_t *at, const uint8_t *end)
{
    const uint8_t *line;
    unsigned number = 0;
    size_t n;

    while ((line = next_line(&at, end, &n)) != NULL) {
        number++;
        if (names_parse(&names, line, n) != 0)
            return number;
    }
    return 0;
}

long names_file_take(const uint8_t *at, size_t len, uint8_t out[NAMES_BLOB_MAX], unsigned *line)
{
    bool marked = len >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0;
    const uint8_t *first = marked ? at + 3 : at, *end = at + len, *next = first, *from;
    size_t used = 0, n;

    while ((from = next_line(&next, end, &n)) != NULL) {
        if (n >= NAMES_BLOB_MAX - used)
            break;
        memcpy(out + used, from, n);
        used += n;
        if (n > 0)
            out[used++] = '\n';
    }
    if (from == NULL && names_parse(&names, out, used) == 0)
        return (long)used;
    *line = find_bad(first, end);
    return -1;
}

int names_file_parse(struct names *n, const uint8_t *at, size_t len)
{
    static uint8_t lines[NAMES_BLOB_MAX];
    unsigned line = 0;
    long used = names_file_take(at, len, lines, &line);

    return used < 0 ? -1 : names_parse(n, lines, (size_t)used);
}
