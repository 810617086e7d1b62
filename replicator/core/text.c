#include "text.h"

#include <string.h>

void text_bytes(struct text *t, const char *s, size_t len)
{
    size_t room = (size_t)(t->end - t->at);

    if (len > room)
        len = room;
    memcpy(t->at, s, len);
    t->at += len;
}

void text_str(struct text *t, const char *s)
{
    text_bytes(t, s, strlen(s));
}

void text_u64(struct text *t, uint64_t v)
{
    char digits[20];
    size_t n = sizeof(digits);

    do {
        digits[--n] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    text_bytes(t, digits + n, sizeof(digits) - n);
}

void text_hex(struct text *t, uint32_t v)
{
    char digits[8];
    size_t n = sizeof(digits);

    do {
        digits[--n] = "0123456789abcdef"[v & 15];
        v >>= 4;
    } while (v != 0);
    text_bytes(t, digits + n, sizeof(digits) - n);
}

void text_digits(struct text *t, uint32_t v, int width)
{
    char digits[10];

    for (int i = width - 1; i >= 0; i--, v /= 10)
        digits[i] = (char)('0' + v % 10);
    text_bytes(t, digits, (size_t)width);
}

static void text_v4(struct text *t, const uint8_t *a)
{
    for (int i = 0; i < 4; i++) {
        if (i > 0)
            text_str(t, ".");
        text_u64(t, a[i]);
    }
}

static void text_v6(struct text *t, const uint8_t *a)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    int best = -1, best_len = 1;

    if (memcmp(a, mapped, 12) == 0) {
        text_v4(t, a + 12);
        return;
    }
    for (int i = 0, len; i < 8; i += len + 1) {
        for (len = 0; i + len < 8 && a[2 * (i + len)] == 0 && a[2 * (i + len) + 1] == 0; len++)
            ;
        if (len > best_len) {
            best = i;
            best_len = len;
        }
    }
    for (int i = 0; i < 8; i++) {
        if (i == best) {
            text_str(t, "::");
            i += best_len - 1;
            continue;
        }
        if (i > 0 && i != best + best_len)
            text_str(t, ":");
        else if (i > 0 && best < 0)
            text_str(t, ":");
        text_hex(t, (uint32_t)a[2 * i] << 8 | a[2 * i + 1]);
    }
}

void text_address(struct text *t, const uint8_t *address, uint8_t family)
{
    if (family == 10)
        text_v6(t, address);
    else
        text_v4(t, address);
}

void text_escaped(struct text *t, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '"' || s[i] == '\\' || s[i] == ']')
            text_str(t, "\\");
        if ((uint8_t)s[i] < 0x20 || s[i] == 0x7f)
            text_str(t, "?");
        else
            text_bytes(t, &s[i], 1);
    }
}

struct civil {
    uint32_t year, month, day, hour, minute, second, ms;
};

/* Days to a date by the proleptic Gregorian calendar's 400-year cycle. */
static struct civil civil_of(uint64_t time_ns)
{
    uint64_t seconds = time_ns / 1000000000ull;
    uint32_t z = (uint32_t)(seconds / 86400) + 719468;
    uint32_t era = z / 146097, doe = z % 146097;
    uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    uint32_t mp = (5 * doy + 2) / 153;
    uint32_t rest = (uint32_t)(seconds % 86400);
    struct civil c;

    c.day = doy - (153 * mp + 2) / 5 + 1;
    c.month = mp < 10 ? mp + 3 : mp - 9;
    c.year = yoe + era * 400 + (c.month <= 2);
    c.hour = rest / 3600;
    c.minute = rest / 60 % 60;
    c.second = rest % 60;
    c.ms = (uint32_t)(time_ns / 1000000 % 1000);
    return c;
}

static void text_clock(struct text *t, const struct civil *c)
{
    text_digits(t, c->hour, 2);
    text_str(t, ":");
    text_digits(t, c->minute, 2);
    text_str(t, ":");
    text_digits(t, c->second, 2);
}

void text_rfc3339(struct text *t, uint64_t time_ns)
{
    struct civil c = civil_of(time_ns);

    text_digits(t, c.year, 4);
    text_str(t, "-");
    text_digits(t, c.month, 2);
    text_str(t, "-");
    text_digits(t, c.day, 2);
    text_str(t, "T");
    text_clock(t, &c);
    text_str(t, ".");
    text_digits(t, c.ms, 3);
    text_str(t, "Z");
}

void text_rfc3164(struct text *t, uint64_t time_ns)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct civil c = civil_of(time_ns);

    text_bytes(t, months + 3 * (c.month - 1), 3);
    text_str(t, c.day < 10 ? "  " : " ");
    text_u64(t, c.day);
    text_str(t, " ");
    text_clock(t, &c);
}
