#include "sink.h"

#include <stdio.h>
#include <string.h>

int sink_open(struct sink **out, uv_loop_t *loop, const struct sink_options *o,
              const struct sink_host *host, char *err, size_t err_size)
{
    if (strcmp(o->type, "file") == 0)
        return file_sink_open(out, loop, o, host, err, err_size);
    return tcp_sink_open(out, loop, o, host, err, err_size);
}

void sink_wake(struct sink *s)
{
    s->ops->wake(s);
}

void sink_ask(struct sink *s, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to)
{
    s->ops->ask(s, origin, epoch, from, to);
}

void sink_reopen(struct sink *s)
{
    s->ops->reopen(s);
}

void sink_state(const struct sink *s, struct sink_state *out)
{
    memset(out, 0, sizeof(*out));
    s->ops->state(s, out);
}
