/* The operator's socket (evrepctl): one line of JSON in, one line out.
 *
 *     {"command": "failover", "args": ["1", "--to", "1"]}    {"done": true}, {"error": "..."}, or
 * facts
 *
 * Whoever may open it may steer the node, so its mode is 0600, or 0660 with `control-group`.  All
 * of it is bounded: clients, the length of a request, the time to send one and to read its answer.
 */
#ifndef EVREP_CONTROL_H
#define EVREP_CONTROL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    REQUEST_MAX = 4096,
    REQUEST_ARGS_MAX = 8,
    CONTROL_CLIENTS_MAX = 32,
    CONTROL_PATIENCE_MS = 5000, /* For a request to come, and for its answer to be read. */
};

struct control_request {
    json_t *root; /* Owns the strings. */
    const char *command;
    size_t argc;
    const char *argv[REQUEST_ARGS_MAX];
};

/* Pure.  0; or -1 with *why, and nothing to free. */
int control_parse(const char *line, size_t len, struct control_request *out, const char **why);
void control_parse_free(struct control_request *r);
/* A number of digits only, 0 to max; false: it is none. */
bool control_number(const char *text, unsigned max, unsigned *out);
/* ORIGIN/EPOCH/SEQUENCE, as in a tag: digits, each in its range.  false: it is none. */
bool control_position(const char *text, unsigned *origin, unsigned *epoch, unsigned *sequence);

struct shell;
struct control_client;

/* The answer, an object; {"error": ...} is a refusal (exit code 1 of evrepctl). */
typedef json_t *control_handler(struct shell *s, struct control_client *c,
                                const struct control_request *r);

struct control_command {
    const char *name;
    control_handler *run;
};

extern const struct control_command control_commands[]; /* Ends with a NULL name. */

json_t *control_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
json_t *control_done(void);

/* A client that stays and is sent lines of its own (tail). */
struct control_stream {
    void *ctx;
    void (*ready)(void *ctx); /* All that was written is with the kernel. */
    void (*ended)(void *ctx);
};
void control_stream(struct control_client *c, const struct control_stream *stream);
/* Takes the text, which ends with a newline.  Only when ready. */
void control_write(struct control_client *c, char *text, size_t len);

#endif
