#include "text.h"

/* What a character of a name may do where it is shown. */
enum shown { SHOWN, ESCAPED, REPLACED };

/* The length of the UTF-8 character at s, 0 when there is none (RFC 3629). */
static size_t character(const uint8_t *s, size_t len)
{
    uint8_t c = s[0];
    size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

    if (n == 0 || n > len)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f) || (c == 0xf0 && s[1] < 0x90) ||
        (c == 0xf4 && s[1] > 0x8f))
        return 0; /* Overlong, a surrogate, or past U+10FFFF. */
    return n;
}

/* Control characters of both sets, and the two separators that end a line for some readers. */
static bool ends_line_or_worse(const uint8_t *s, size_t n)
{
    if (n == 1)
        return s[0] < 0x20 || s[0] == 0x7f;
    if (n == 2)
        return s[0] == 0xc2 && s[1] < 0xa0;
    return n == 3 && s[0] == 0xe2 && s[1] == 0x80 && (s[2] == 0xa8 || s[2] == 0xa9);
}

static enum shown judge(const uint8_t *s, size_t n, bool blank_before)
{
    if (n == 0 || ends_line_or_worse(s, n) || (s[0] == '=' && blank_before))
        return REPLACED;
    return s[0] == '"' || s[0] == '\\' || s[0] == ']' ? ESCAPED : SHOWN;
}

bool text_is_plain(const uint8_t *s, size_t len)
{
    bool blank = false;

    if (len > VALUE_MAX)
        return false;
    for (size_t at = 0, n; at < len; at += n) {
        n = character(s + at, len - at);
        if (judge(s + at, n, blank) != SHOWN)
            return false;
        blank = blank || s[at] == ' ';
    }
    return true;
}

size_t text_cut_length(const uint8_t *s, size_t len, size_t max)
{
    if (len <= max)
        return len;
    len = max;
    while (len > 0 && max - len < 3 && (s[len] & 0xc0) == 0x80)
        len--;
    return (s[len] & 0xc0) == 0x80 ? max : len; /* Not UTF-8 at all. */
}

void text_value(struct text *t, const uint8_t *s, size_t len)
{
    bool blank = false;

    len = text_cut_length(s, len, VALUE_MAX);
    for (size_t at = 0, n; at<len; at += n> 0 ? n : 1) {
        n = character(s + at, len - at);
        switch (judge(s + at, n, blank)) {
        case REPLACED:
            text_literal(t, "?");
            break;
        case ESCAPED:
            text_literal(t, "\\");
            /* fall through */
        case SHOWN:
            text_bytes(t, s + at, n);
            break;
        }
        blank = blank || s[at] == ' ';
    }
}

/* The character at s[at], n bytes of it, does nothing where it is shown unescaped. */
static bool is_contained(const uint8_t *s, size_t at, size_t n, bool blank_before)
{
    return judge(s + at, n, blank_before) == SHOWN && !(s[at] == '>' && at > 0 && s[at - 1] == '-');
}

bool text_is_contained(const uint8_t *s, size_t len)
{
    bool blank = false;

    for (size_t at = 0, n; at < len; at += n) {
        n = character(s + at, len - at);
        if (!is_contained(s, at, n, blank))
            return false;
        blank = blank || s[at] == ' ';
    }
    return true;
}

uint8_t *put_contained(uint8_t *to, uint8_t *end, const uint8_t *s, size_t len)
{
    struct text t = {to, end};
    bool blank = false;

    for (size_t at = 0, n; at<len; at += n> 0 ? n : 1) {
        n = character(s + at, len - at);
        if (is_contained(s, at, n, blank))
            text_bytes(&t, s + at, n);
        else
            text_literal(&t, "?");
        blank = blank || s[at] == ' ';
    }
    return t.at;
}

void text_word(struct text *t, const uint8_t *s, size_t len)
{
    len = text_cut_length(s, len, VALUE_MAX);
    for (size_t at = 0, n; at<len; at += n> 0 ? n : 1) {
        n = character(s + at, len - at);
        if (n == 1 && s[at] == ' ')
            text_literal(t, "_");
        else if (n == 0 || ends_line_or_worse(s + at, n) || s[at] == '=')
            text_literal(t, "?");
        else
            text_bytes(t, s + at, n);
    }
}

void text_printable(char *out, const char *s, size_t size)
{
    struct text t = {(uint8_t *)out, (uint8_t *)out + size - 1};
    size_t len = strlen(s);

    for (size_t at = 0, n; at<len; at += n> 0 ? n : 1) {
        n = character((const uint8_t *)s + at, len - at);
        if (n == 0 || ends_line_or_worse((const uint8_t *)s + at, n))
            text_literal(&t, "?");
        else
            text_bytes(&t, s + at, n);
    }
    *t.at = '\0';
}
