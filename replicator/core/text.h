/* Bounded text by hand: what does not fit is cut, and the caller's buffer is never overrun.
 * The inline parts are the hot path of rendering: one comparison a piece. */
#ifndef EVREP_TEXT_H
#define EVREP_TEXT_H

#include "types.h"

#include <string.h>

struct text {
    uint8_t *at, *end;
};

static inline size_t text_room(const struct text *t)
{
    return (size_t)(t->end - t->at);
}

/* Each writes at `at`, not past `end`, and returns where it ended: what does not fit is cut.  The
 * inline forms below keep a struct text in registers, for they never hand out its address. */
uint8_t *put_cut(uint8_t *at, const uint8_t *end, const void *s, size_t len);
uint8_t *put_u64(uint8_t *at, uint8_t *end, uint64_t v);
uint8_t *put_hex(uint8_t *at, uint8_t *end, uint32_t v);
uint8_t *put_address(uint8_t *at, uint8_t *end, const uint8_t *address, uint8_t family);
uint8_t *put_rfc3339(uint8_t *at, uint8_t *end, uint64_t time_ns);
uint8_t *put_rfc3164(uint8_t *at, uint8_t *end, uint64_t time_ns);

static inline void text_bytes(struct text *t, const void *s, size_t len)
{
    if (__builtin_expect(len > text_room(t), 0)) {
        t->at = put_cut(t->at, t->end, s, len);
        return;
    }
    memcpy(t->at, s, len);
    t->at += len;
}

enum { TEXT_PADDING = 32 };

/* The same, from where TEXT_PADDING bytes may be read whatever len is: a short piece is copied in
 * moves of fixed size, and what is too much is overwritten by the next. */
static inline void text_padded(struct text *t, const uint8_t *s, size_t len)
{
    if (__builtin_expect(len > TEXT_PADDING || text_room(t) < TEXT_PADDING, 0)) {
        t->at = put_cut(t->at, t->end, s, len);
        return;
    }
    memcpy(t->at, s, TEXT_PADDING);
    t->at += len;
}

/* A string literal: its length is known to the compiler, so the copy is a few moves. */
#define text_literal(t, s) text_bytes((t), "" s, sizeof(s) - 1)

static inline void text_str(struct text *t, const char *s)
{
    text_bytes(t, s, strlen(s));
}

static inline void text_u64(struct text *t, uint64_t v)
{
    t->at = put_u64(t->at, t->end, v);
}

static inline void text_hex(struct text *t, uint32_t v)
{
    t->at = put_hex(t->at, t->end, v);
}

/* Contract 7.1: Go's text form of an address; family 10 is IPv6, all else IPv4. */
static inline void text_address(struct text *t, const uint8_t *address, uint8_t family)
{
    t->at = put_address(t->at, t->end, address, family);
}

/* The same by RFC 5952: an IPv4-mapped address is shown as one, ::ffff:192.0.2.1. */
void text_address_rfc5952(struct text *t, const uint8_t *address, uint8_t family);

/* 2026-11-23T21:40:00.123Z */
static inline void text_rfc3339(struct text *t, uint64_t time_ns)
{
    t->at = put_rfc3339(t->at, t->end, time_ns);
}

/* Nov 23 21:40:00, the day padded with a blank */
static inline void text_rfc3164(struct text *t, uint64_t time_ns)
{
    t->at = put_rfc3164(t->at, t->end, time_ns);
}

/* text_name.c: names come from outside, and must not break out of where they are shown. */
enum { VALUE_MAX = 192 }; /* Bytes of a name that text_value() and text_word() show. */

/* Whether text_value() would show these bytes as they are. */
bool text_is_plain(const uint8_t *s, size_t len);
/* As the value of a parameter (RFC 5424 section 6.3.3), at most VALUE_MAX bytes before
 * escaping, whole characters.  `"`, `\` and `]` are escaped; `?` stands for control characters,
 * line separators, bytes that are not UTF-8, and `=` after a blank: parsers in the field split
 * parameters at a blank that a word and `=` follow, inside quotes too. */
void text_value(struct text *t, const uint8_t *s, size_t len);
/* Whether text_contained() would show these bytes as they are. */
bool text_is_contained(const uint8_t *s, size_t len);
/* Where nothing can be escaped, as in the reference's forms: `?` stands for all that text_value()
 * escapes or replaces, and for the end of `->`, which parts two zones.  Of any length. */
uint8_t *put_contained(uint8_t *at, uint8_t *end, const uint8_t *s, size_t len);
/* As one word of running text: as above without escapes, `_` stands for blanks, and `?` for every
 * `=`: a word may not look like `filter=` or `tag=`. */
void text_word(struct text *t, const uint8_t *s, size_t len);
/* A line for people and for JSON, with the final zero: `?` stands for control characters, line
 * separators and bytes that are not UTF-8. */
void text_printable(char *out, const char *s, size_t size);
/* len cut to max, and then to whole UTF-8 characters. */
size_t text_cut_length(const uint8_t *s, size_t len, size_t max);

#endif
