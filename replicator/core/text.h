/* Bounded text by hand: what does not fit is cut, and the caller's buffer never overrun. */
#ifndef EVREP_TEXT_H
#define EVREP_TEXT_H

#include "types.h"

struct text {
    uint8_t *at, *end, *start;
};

void text_bytes(struct text *t, const char *s, size_t len);
void text_str(struct text *t, const char *s);
void text_u64(struct text *t, uint64_t v);
void text_hex(struct text *t, uint32_t v);
void text_digits(struct text *t, uint32_t v, int width);
/* Contract 7.1: Go's text form of an address; family 10 is IPv6, all else IPv4. */
void text_address(struct text *t, const uint8_t *address, uint8_t family);
/* RFC 5424 section 6.3.3, and no control character. */
void text_escaped(struct text *t, const char *s, size_t len);
/* 2026-11-23T21:40:00.123Z */
void text_rfc3339(struct text *t, uint64_t time_ns);
/* Nov 23 21:40:00, the day padded with a blank */
void text_rfc3164(struct text *t, uint64_t time_ns);

#endif
