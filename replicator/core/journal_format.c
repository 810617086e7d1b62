#include "journal_format.h"
#include "bytes.h"

#include <string.h>

const uint8_t meta_magic[META_MAGIC_SIZE] = {'E', 'V', 'M', 'E', 'T', 'A', '1', '\n'};
static const uint8_t records_magic[8] = {'E', 'V', 'R', 'E', 'C', 'S', '1', '\n'};

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_fast(uint32_t crc, const uint8_t *at,
                                                           size_t len)
{
    uint64_t c = crc;

    for (; len >= 8; at += 8, len -= 8) {
        uint64_t word;

        memcpy(&word, at, 8);
        c = __builtin_ia32_crc32di(c, word);
    }
    for (; len > 0; at++, len--)
        c = __builtin_ia32_crc32qi((uint32_t)c, *at);
    return (uint32_t)c;
}
#endif

static uint32_t crc_slow(uint32_t crc, const uint8_t *at, size_t len)
{
    for (; len > 0; at++, len--) {
        crc ^= *at;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1)));
    }
    return crc;
}

uint32_t crc32c(uint32_t seed, const uint8_t *at, size_t len)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~crc_fast(~seed, at, len);
#endif
    return ~crc_slow(~seed, at, len);
}

static uint32_t segment_seed(uint8_t origin, uint32_t epoch)
{
    uint8_t name[5] = {origin};

    put_le32(name + 1, epoch);
    return crc32c(0, name, sizeof(name));
}

void journal_put_header(uint8_t out[JOURNAL_HEADER_USED], uint8_t origin, uint32_t epoch,
                        uint32_t first)
{
    memset(out, 0, JOURNAL_HEADER_USED);
    memcpy(out, records_magic, 8);
    out[8] = origin;
    put_le32(out + 12, epoch);
    put_le32(out + 16, first);
    put_le32(out + 20, crc32c(0, out, 20));
}

int journal_check_header(const uint8_t in[JOURNAL_HEADER_USED], uint8_t origin, uint32_t epoch,
                         uint32_t first)
{
    uint8_t want[JOURNAL_HEADER_USED];

    journal_put_header(want, origin, epoch, first);
    return memcmp(in, want, sizeof(want)) == 0 ? 0 : -1;
}

bool journal_is_other_version(const uint8_t in[META_MAGIC_SIZE])
{
    return (memcmp(in, records_magic, 6) == 0 || memcmp(in, meta_magic, 6) == 0) && in[7] == '\n' &&
           in[6] != records_magic[6];
}

bool journal_header_is_whole(const uint8_t in[JOURNAL_HEADER_USED])
{
    return get_le32(in + 20) == crc32c(0, in, 20);
}

void journal_put_slot(uint8_t out[JOURNAL_SLOT_SIZE], uint8_t origin, uint32_t epoch,
                      const uint8_t record[RECORD_SIZE], uint32_t place)
{
    memcpy(out, record, RECORD_SIZE);
    put_le32(out + RECORD_SIZE, crc32c(segment_seed(origin, epoch), record, RECORD_SIZE));
    put_le32(out + RECORD_SIZE + 4, place);
}

uint32_t journal_slot_batch(const uint8_t in[JOURNAL_SLOT_SIZE])
{
    uint32_t sequence = get_le32(in + 4), place = get_le32(in + RECORD_SIZE + 4);

    return place == 0 || place > sequence ? sequence : sequence - place + 1;
}

int journal_check_slot(const uint8_t in[JOURNAL_SLOT_SIZE], uint8_t origin, uint32_t epoch,
                       uint32_t sequence)
{
    if (get_le32(in) != epoch || get_le32(in + 4) != sequence || in[20] != origin)
        return -1;
    return get_le32(in + RECORD_SIZE) == crc32c(segment_seed(origin, epoch), in, RECORD_SIZE) ? 0
                                                                                              : -1;
}

size_t meta_put(uint8_t *out, const uint8_t *at, size_t len)
{
    put_le32(out, (uint32_t)len);
    put_le32(out + 4, crc32c((uint32_t)len, at, len));
    if (len > 0)
        memcpy(out + META_HEADER_SIZE, at, len);
    return META_HEADER_SIZE + len;
}

long meta_get(const uint8_t *at, size_t len, const uint8_t **body, size_t *body_len)
{
    size_t n;

    if (len < META_HEADER_SIZE)
        return -1;
    n = get_le32(at);
    if (n > META_ENTRY_MAX || len - META_HEADER_SIZE < n)
        return -1;
    if (get_le32(at + 4) != crc32c((uint32_t)n, at + META_HEADER_SIZE, n))
        return -1;
    *body = at + META_HEADER_SIZE;
    *body_len = n;
    return (long)(META_HEADER_SIZE + n);
}

/* Another seed than an entry's: a length, a CRC and bytes would be one. */
static uint32_t frame_crc(const uint8_t *at, size_t len)
{
    return crc32c(~(uint32_t)len, at, len);
}

void meta_put_frame(uint8_t *out, const uint8_t *at, size_t len)
{
    uint8_t frame[META_FRAME_SIZE - META_HEADER_SIZE] = {'C'};

    put_le32(frame + 4, (uint32_t)len);
    put_le32(frame + 8, frame_crc(at, len));
    meta_put(out, frame, sizeof(frame));
}

long meta_get_frame(const uint8_t *at, size_t len)
{
    const uint8_t *frame;
    size_t frame_len, n;

    if (meta_get(at, len, &frame, &frame_len) != META_FRAME_SIZE || get_le32(frame) != 'C')
        return -1;
    n = get_le32(frame + 4);
    if (n > len - META_FRAME_SIZE || get_le32(frame + 8) != frame_crc(at + META_FRAME_SIZE, n))
        return 0;
    return (long)(META_FRAME_SIZE + n);
}
