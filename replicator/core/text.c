#include "text.h"

static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233"
                            "34353637383940414243444546474849505152535455565758596061626364656667"
                            "6869707172737475767778798081828384858687888990919293949596979899";

uint8_t *put_cut(uint8_t *at, const uint8_t *end, const void *s, size_t len)
{
    size_t room = (size_t)(end - at);

    if (len > room)
        len = room;
    memcpy(at, s, len);
    return at + len;
}

/* ---- numbers: two digits at a time ---- */

enum { U64_DIGITS = 20, EIGHT_DIGITS = 100000000 };

static inline uint8_t *put_pair(uint8_t *p, uint32_t v)
{
    memcpy(p, pairs + (size_t)2 * v, 2);
    return p + 2;
}

/* v below 10^8, with leading zeros: halves of halves, none of which waits for another. */
static inline uint8_t *put_eight(uint8_t *p, uint32_t v)
{
    uint32_t high = v / 10000, low = v % 10000;

    p = put_pair(p, high / 100);
    p = put_pair(p, high % 100);
    p = put_pair(p, low / 100);
    return put_pair(p, low % 100);
}

/* v below 10^8, without leading zeros. */
static inline uint8_t *put_small(uint8_t *p, uint32_t v)
{
    uint8_t digits[8];
    size_t zeros;

    if (v < 10) {
        *p = (uint8_t)('0' + v);
        return p + 1;
    }
    if (v < 100)
        return put_pair(p, v);
    if (v < 10000) {
        if (v < 1000) {
            *p = (uint8_t)('0' + v / 100);
            return put_pair(p + 1, v % 100);
        }
        return put_pair(put_pair(p, v / 100), v % 100);
    }
    put_eight(digits, v);
    zeros = (v < 100000) + (v < 1000000) + (v < 10000000);
    memcpy(p, digits + zeros, 4);
    memcpy(p + 4 - zeros, digits + 4, 4);
    return p + 8 - zeros;
}

/* v of 10^8 and above. */
static uint8_t *put_big(uint8_t *p, uint64_t v)
{
    uint64_t high = v / EIGHT_DIGITS;

    if (high < EIGHT_DIGITS) {
        p = put_small(p, (uint32_t)high);
    } else {
        p = put_small(p, (uint32_t)(high / EIGHT_DIGITS));
        p = put_eight(p, (uint32_t)(high % EIGHT_DIGITS));
    }
    return put_eight(p, (uint32_t)(v % EIGHT_DIGITS));
}

uint8_t *put_u64(uint8_t *at, uint8_t *end, uint64_t v)
{
    uint8_t digits[U64_DIGITS], *to;

    if (__builtin_expect(end - at >= U64_DIGITS, 1))
        return v < EIGHT_DIGITS ? put_small(at, (uint32_t)v) : put_big(at, v);
    to = v < EIGHT_DIGITS ? put_small(digits, (uint32_t)v) : put_big(digits, v);
    return put_cut(at, end, digits, (size_t)(to - digits));
}

uint8_t *put_hex(uint8_t *at, uint8_t *end, uint32_t v)
{
    uint8_t digits[8], *p = digits + sizeof(digits);

    do {
        *--p = (uint8_t) "0123456789abcdef"[v & 15];
        v >>= 4;
    } while (v != 0);
    return put_cut(at, end, p, (size_t)(digits + sizeof(digits) - p));
}

/* ---- addresses: into a buffer of their own, then in one piece ---- */

enum { V4_TEXT_MAX = 15, V6_TEXT_MAX = 45 };

/* Each octet with the dot that follows it, in one move; random octets make for bad branches. */
#define TEN(tens)                                                                                  \
    tens "0.", tens "1.", tens "2.", tens "3.", tens "4.", tens "5.", tens "6.", tens "7.",        \
        tens "8.", tens "9."

static const char octets[256][4] = {
    TEN(""),   TEN("1"),  TEN("2"),  TEN("3"),  TEN("4"),  TEN("5"),  TEN("6"),  TEN("7"),
    TEN("8"),  TEN("9"),  TEN("10"), TEN("11"), TEN("12"), TEN("13"), TEN("14"), TEN("15"),
    TEN("16"), TEN("17"), TEN("18"), TEN("19"), TEN("20"), TEN("21"), TEN("22"), TEN("23"),
    TEN("24"), "250.",    "251.",    "252.",    "253.",    "254.",    "255."};

static inline uint8_t *put_octet(uint8_t *p, uint32_t v)
{
    memcpy(p, octets[v], 4);
    return p + 2 + (v >= 10) + (v >= 100);
}

/* Writes V4_TEXT_MAX + 1 bytes at most: the last dot is not counted. */
static uint8_t *put_v4(uint8_t *p, const uint8_t *a)
{
    return put_octet(put_octet(put_octet(put_octet(p, a[0]), a[1]), a[2]), a[3]) - 1;
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

uint8_t *put_address(uint8_t *at, uint8_t *end, const uint8_t *address, uint8_t family)
{
    uint8_t out[V6_TEXT_MAX], *p;

    if (family == 10)
        p = is_mapped(address) ? put_v4(out, address + 12) : put_v6(out, address);
    else if (__builtin_expect(end - at > V4_TEXT_MAX, 1))
        return put_v4(at, address);
    else
        p = put_v4(out, address);
    return put_cut(at, end, out, (size_t)(p - out));
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

/* The Gregorian calendar by Euclidean affine functions (Neri and Schneider, 2022): a year starts in
 * March, so that the leap day is its last. */
static struct civil civil_of(uint64_t time_ns)
{
    uint64_t seconds = time_ns / 1000000000ull;
    uint32_t days = (uint32_t)(seconds / 86400);
    uint32_t rest = (uint32_t)(seconds - (uint64_t)days * 86400);
    uint32_t quarters = 4 * (days + 719468) + 3, century = quarters / 146097;
    uint64_t years = 2939745ull * (quarters % 146097 / 4 * 4 + 3);
    uint32_t day_of_year = (uint32_t)years / 2939745 / 4;
    uint32_t months = 2141 * day_of_year + 197913;
    bool next_year = day_of_year >= 306;

    return (struct civil){
        .year = 100 * century + (uint32_t)(years >> 32) + next_year,
        .month = (months >> 16) - (next_year ? 12 : 0),
        .day = (months & 0xffff) / 2141 + 1,
        .hour = rest / 3600,
        .minute = rest / 60 % 60,
        .second = rest % 60,
        .ms = (uint32_t)(time_ns - seconds * 1000000000ull) / 1000000,
    };
}

static uint8_t *put_clock(uint8_t *p, const struct civil *c)
{
    p = put_pair(p, c->hour);
    *p++ = ':';
    p = put_pair(p, c->minute);
    *p++ = ':';
    return put_pair(p, c->second);
}

uint8_t *put_rfc3339(uint8_t *at, uint8_t *end, uint64_t time_ns)
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
    return put_cut(at, end, out, sizeof(out));
}

uint8_t *put_rfc3164(uint8_t *at, uint8_t *end, uint64_t time_ns)
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
    return put_cut(at, end, out, sizeof(out));
}
