/* The offline tools for integrators: one JSON object in, one out.  No daemon, no files. */
#ifndef EVREP_OFFLINE_H
#define EVREP_OFFLINE_H

#include <jansson.h>
#include <stdint.h>

/* `event` (hex), `names`, `session_id`, `time_ns`, optional `hostname`, `tag` (`"0/12/345"`, with
 * `!` when in doubt, or an object with `origin`, `epoch`, `seq`, `in-doubt`), `tag_form` (`inline`
 * or `element`) and `source` (`ring`, `event-stream` or `bpf`) to every rendering.  A new object;
 * `error` in it when the input is not that. */
json_t *offline_render(json_t *in);

/* `frame` (hex) to `type`, `name`, `seq` and `decoded`, or `error`. */
json_t *offline_frame(json_t *in);

/* One line through one of these: what to free(), without a newline; NULL: out of memory.  Integers
 * of 64 bits pass whole, though jansson's own end at 2^63. */
char *offline_line(json_t *(*convert)(json_t *in), const char *line, size_t len);

/* The object of such a line, new; NULL: it is none. */
json_t *offline_object(const char *line, size_t len);

/* For the tools themselves: an integer of 64 bits, 0 or -1, and a new one. */
int offline_integer(json_t *v, uint64_t *out);
json_t *offline_new_integer(uint64_t v);
/* The bytes of a string of hex digits; -1: no string, odd, no hex, or more than size. */
long offline_hex(json_t *text, unsigned char *out, size_t size);
/* Bytes as hex digits, a new string. */
json_t *offline_hex_string(const unsigned char *at, size_t len);
json_t *offline_error(const char *what);

#endif
