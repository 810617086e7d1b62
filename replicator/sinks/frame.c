#include "frame.h"

#include <stdio.h>
#include <string.h>

size_t frame_put(const struct sink_options *o, const struct sink_item *item, uint8_t *out)
{
    size_t n = 0;

    if (!o->newline && !o->bare)
        n = (size_t)sprintf((char *)out, "%zu ", item->len);
    memcpy(out + n, item->bytes, item->len);
    n += item->len;
    if (o->newline)
        out[n++] = '\n';
    return n;
}
