#include "text.h"

static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233"
                            "34353637383940414243444546474849505152535455565758596061626364656667"
                            "6869707172737475767778798081828384858687888990919293949596979899";

void text_cut(struct text *t, const void *s)
{
    memcpy(t->at, s, text_room(t));
    t->at = t->end;
}

void text_str(struct text *t, const char *s)
{
    text_bytes(t, s, strlen(s));
}

/* ---- numbers: two digits at a time, straight into place ---- */

enum { U64_DIGITS = 20 };

static inline uint8_t *put_pair(uint8_t *p, uint32_t v)
{
    memcpy(p, pairs + (size_t)2 * v, 2);
    return p + 2;
}

static inline size_t digits_of(uint64_t v)
{
    size_t n = 1;

    for (; v >= 10000; v /= 10000)
        n += 4;
    return n + (v >= 10) + (v >= 100) + (v >= 1000);
}

/* The n digits of v. */
static inline void put_number(uint8_t *p, uint64_t v, size_t n)
{
    for (p += n; v > UINT32_MAX; v /= 100)
        put_pair(p -= 2, (uint32_t)(v % 100));
    for (uint32_t w = (uint32_t)v;; w /= 100) {
        if (w < 10) {
            p[-1] = (uint8_t)('0' + w);
            return;
        }
        put_pair(p -= 2, w % 100);
        if (w < 100)
            return;
    }
}

void text_u64(struct text *t, uint64_t v)
{
    size_t n = digits_of(v);
    uint8_t digits[U64_DIGITS];

    if (__builtin_expect(text_room(t) < n, 0)) {
        put_number(digits, v, n);
        text_cut(t, digits);
        return;
    }
    put_number(t->at, v, n);
    t->at += n;
}

void text_hex(struct text *t, uint32_t v)
{
    uint8_t digits[8], *p = digits + sizeof(digits);

    do {
        *--p = (uint8_t) "0123456789abcdef"[v & 15];
        v >>= 4;
    } while (v != 0);
    text_bytes(t, p, (size_t)(digits + sizeof(digits) - p));
}

/* ---- addresses: into a buffer of their own, then in one piece ---- */

enum { V4_TEXT_MAX = 15, V6_TEXT_MAX = 45 };

static inline uint8_t *put_octet(uint8_t *p, uint32_t v)
{
    if (v >= 100) {
        *p++ = (uint8_t)('0' + v / 100);
        return put_pair(p, v % 100);
    }
    if (v >= 10)
        return put_pair(p, v);
    *p = (uint8_t)('0' + v);
    return p + 1;
}

static uint8_t *put_v4(uint8_t *p, const uint8_t *a)
{
    p = put_octet(p, a[0]);
    *p++ = '.';
    p = put_octet(p, a[1]);
    *p++ = '.';
    p = put_octet(p, a[2]);
    *p++ = '.';
    return put_octet(p, a[3]);
}

static uint8_t *put_group(uint8_t *p, uint32_t v)
{
    static const char hex[] = "0123456789abcdef";

    if (v >= 0x1000)
        *p++ = (uint8_t)hex[v >> 12];
    if (v >= 0x100)
        *p++ = (uint8_t)hex[v >> 8 & 15];
    if (v >= 0x10)
        *p++ = (uint8_t)hex[v >> 4 & 15];
    *p++ = (uint8_t)hex[v & 15];
    return p;
}

static bool is_mapped(const uint8_t *a)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

    return memcmp(a, prefix, sizeof(prefix)) == 0;
}

/* The longest run of two or more zero groups, the first one on a tie, is shown as "::". */
static uint8_t *put_v6(uint8_t *p, const uint8_t *a)
{
    int best = 8, best_len = 1;

    for (int i = 0, len; i < 8; i += len + 1) {
        for (len = 0; i + len < 8 && (a[2 * (i + len)] | a[2 * (i + len) + 1]) == 0; len++)
            ;
        if (len > best_len) {
            best = i;
            best_len = len;
        }
    }
    for (int i = 0; i < 8; i++) {
        if (i == best) {
            *p++ = ':';
            if (i == 0)
                *p++ = ':';
            i += best_len - 1;
            continue;
        }
        p = put_group(p, (uint32_t)a[2 * i] << 8 | a[2 * i + 1]);
        if (i < 7)
            *p++ = ':';
    }
    return p;
}

void text_address(struct text *t, const uint8_t *address, uint8_t family)
{
    uint8_t out[V6_TEXT_MAX], *p;

    if (family != 10) {
        if (__builtin_expect(text_room(t) >= V4_TEXT_MAX, 1)) {
            t->at = put_v4(t->at, address);
            return;
        }
        p = put_v4(out, address);
    } else {
        p = is_mapped(address) ? put_v4(out, address + 12) : put_v6(out, address);
    }
    text_bytes(t, out, (size_t)(p - out));
}

void text_address_rfc5952(struct text *t, const uint8_t *address, uint8_t family)
{
    if (family == 10 && is_mapped(address))
        text_literal(t, "::ffff:");
    text_address(t, address, family);
}

/* ---- time ---- */

struct civil {
    uint32_t year, month, day, hour, minute, second, ms;
};

/* Days to a date by the proleptic Gregorian calendar's 400-year cycle. */
static struct civil civil_of(uint64_t time_ns)
{
    uint64_t seconds = time_ns / 1000000000ull;
    uint32_t days = (uint32_t)(seconds / 86400);
    uint32_t rest = (uint32_t)(seconds - (uint64_t)days * 86400);
    uint32_t z = days + 719468, era = z / 146097, doe = z % 146097;
    uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    uint32_t mp = (5 * doy + 2) / 153;
    struct civil c;

    c.day = doy - (153 * mp + 2) / 5 + 1;
    c.month = mp < 10 ? mp + 3 : mp - 9;
    c.year = yoe + era * 400 + (c.month <= 2);
    c.hour = rest / 3600;
    c.minute = rest / 60 % 60;
    c.second = rest % 60;
    c.ms = (uint32_t)(time_ns - seconds * 1000000000ull) / 1000000;
    return c;
}

static uint8_t *put_clock(uint8_t *p, const struct civil *c)
{
    p = put_pair(p, c->hour);
    *p++ = ':';
    p = put_pair(p, c->minute);
    *p++ = ':';
    return put_pair(p, c->second);
}

void text_rfc3339(struct text *t, uint64_t time_ns)
{
    struct civil c = civil_of(time_ns); /* 64 bits of ns end in the year 2554. */
    uint8_t out[24], *p = out;

    p = put_pair(p, c.year / 100);
    p = put_pair(p, c.year % 100);
    *p++ = '-';
    p = put_pair(p, c.month);
    *p++ = '-';
    p = put_pair(p, c.day);
    *p++ = 'T';
    p = put_clock(p, &c);
    *p++ = '.';
    *p++ = (uint8_t)('0' + c.ms / 100);
    p = put_pair(p, c.ms % 100);
    *p++ = 'Z';
    text_bytes(t, out, sizeof(out));
}

void text_rfc3164(struct text *t, uint64_t time_ns)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct civil c = civil_of(time_ns);
    uint8_t out[15];

    memcpy(out, months + 3 * (c.month - 1), 3);
    out[3] = ' ';
    put_pair(out + 4, c.day);
    if (c.day < 10)
        out[4] = ' ';
    out[6] = ' ';
    put_clock(out + 7, &c);
    text_bytes(t, out, sizeof(out));
}
