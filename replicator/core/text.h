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

void text_cut(struct text *t, const void *s); /* What fits of a piece that does not. */

static inline void text_bytes(struct text *t, const void *s, size_t len)
{
    if (__builtin_expect(len > text_room(t), 0)) {
        text_cut(t, s);
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
        text_bytes(t, s, len);
        return;
    }
    memcpy(t->at, s, TEXT_PADDING);
    t->at += len;
}

/* A string literal: its length is known to the compiler, so the copy is a few moves. */
#define text_literal(t, s) text_bytes((t), "" s, sizeof(s) - 1)

void text_str(struct text *t, const char *s);
void text_u64(struct text *t, uint64_t v);
void text_hex(struct text *t, uint32_t v);
/* Contract 7.1: Go's text form of an address; family 10 is IPv6, all else IPv4. */
void text_address(struct text *t, const uint8_t *address, uint8_t family);
/* The same by RFC 5952: an IPv4-mapped address is shown as one, ::ffff:192.0.2.1. */
void text_address_rfc5952(struct text *t, const uint8_t *address, uint8_t family);
/* 2026-11-23T21:40:00.123Z */
void text_rfc3339(struct text *t, uint64_t time_ns);
/* Nov 23 21:40:00, the day padded with a blank */
void text_rfc3164(struct text *t, uint64_t time_ns);

/* text_name.c: names come from outside, and must not break out of where they are shown. */
enum { NAME_SHOWN_MAX = 255 }; /* Bytes of a name in rfc5424 and binary. */

/* Whether text_value() would show these bytes as they are. */
bool text_is_plain(const uint8_t *s, size_t len);
/* As the value of a parameter (RFC 5424 section 6.3.3), at most NAME_SHOWN_MAX bytes before
 * escaping, whole characters.  `"`, `\` and `]` are escaped; `?` stands for control characters,
 * line separators, bytes that are not UTF-8, and `=` after a blank: parsers in the field split
 * parameters at a blank that a word and `=` follow, inside quotes too. */
void text_value(struct text *t, const uint8_t *s, size_t len);
/* As one word of running text: as above without escapes, and `_` stands for blanks. */
void text_word(struct text *t, const uint8_t *s, size_t len);
/* len cut to max, and then to whole UTF-8 characters. */
size_t text_cut_length(const uint8_t *s, size_t len, size_t max);

#endif
