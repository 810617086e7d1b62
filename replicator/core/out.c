#include "rules.h"

#include <assert.h>

static uint8_t *take(struct core_output *out, struct core_bytes *slot, size_t len)
{
    uint8_t *at = out->bytes + out->bytes_len;

    assert(out->bytes_len + len <= OUT_BYTES_MAX);
    *slot = (struct core_bytes){(uint32_t)out->bytes_len, (uint32_t)len};
    out->bytes_len += len;
    return at;
}

uint8_t *out_meta(struct core_output *out, size_t len)
{
    assert(out->meta_count < OUT_META_MAX);
    return take(out, &out->meta[out->meta_count++], len);
}

uint8_t *out_frame(struct core_output *out, size_t len)
{
    if (out->frame_count == OUT_FRAME_MAX || out->frame_bytes + len > OUT_FRAME_BYTES_MAX) {
        out->more = true;
        return NULL;
    }
    out->frame_bytes += len;
    return take(out, &out->frame[out->frame_count++], len);
}

void core_output_clear(struct core_output *out)
{
    out->meta_count = out->frame_count = out->send_count = out->note_count = out->ask_count = 0;
    out->bytes_len = out->frame_bytes = out->drop_count = 0;
    out->note_room = OUT_NOTE_MAX;
    out->epoch_open = 0;
    out->link = -1;
    out->drop_links = out->more = out->durable = false;
    out->why = NULL;
}
