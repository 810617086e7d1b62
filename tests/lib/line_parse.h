/* Rendered lines as collectors read them: the grammar of the standard, and that of parsers in the
 * field. */
#ifndef EVREP_LINE_PARSE_H
#define EVREP_LINE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PARAMETERS_MAX = 64 };

struct span {
    const char *at;
    size_t len;
};

struct parameters {
    struct span element; /* SD-ID */
    size_t count;
    struct {
        struct span name, value; /* The value as it stands in the line, without its quotes. */
    } p[PARAMETERS_MAX];
};

/* One line: no control character, valid UTF-8. */
bool line_is_one(const uint8_t *at, size_t len);

/* RFC 5424, up to the end of its structured data, which must end the line: header, MSGID, and one
 * or two elements, of which the first comes back.  Names are as in section 6.3.3: `"`, `\` and `]`
 * are escaped in values. */
bool line_rfc5424(const char *line, size_t len, struct parameters *out);

/* From the first `[`, behind a header of another kind: one or two such elements, which end the
 * line. */
bool line_elements(const char *line, size_t len, struct parameters *out);

/* Running text: that two lines have the same keys in the same order, each behind a blank, and as
 * many `->`. */
bool line_same_keys(const char *a, size_t a_len, const char *b, size_t b_len);

/* As a key-value split does it: what lies between the first `[` and the last `]`, nothing after
 * it, split at each blank that `[a-z0-9_-]+=` follows, in quotes or not; each part is `name="…"`.
 */
bool line_key_value(const char *line, size_t len, struct parameters *out);

bool span_is(struct span s, const char *text);
/* NULL: no such name. */
const struct span *parameter_value(const struct parameters *p, const char *name);

#endif
