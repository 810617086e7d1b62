/* Bytes of the journal: pure.  Everything is checked by CRC-32C (Castagnoli), little-endian.
 * The digit before the line feed of a file's first 8 bytes is its version.
 *
 * Records file `r-<origin>-<epoch>-<first>`: a header of 4096 bytes, then slots of 168 bytes: the
 * 160 bytes of the record, u32 CRC seeded with origin and epoch, u32 place of the record in the
 * batch that was synced as a whole, from 1; 0: not told, by an older evrepd or with `durability =
 * process`.  Slot i holds first + i.
 *     header: "EVRECS1\n", u8 origin, u8 x 3 zero, u32 epoch, u32 first, u32 CRC of what is before
 * Meta file `meta-<generation>`: "EVMETA1\n", then entries: u32 length, u32 CRC, the bytes.  An
 * entry of length 0 ends the snapshot at the head of the file; a file without it is not used.
 * A frame is an entry of 12 bytes, 'C', u8 x 3 zero, u32 length, u32 CRC, and that many bytes of
 * entries right behind it: the snapshot with its end, or one commit.  An older evrepd wrote entries
 * without frames, and takes a frame's own entry for one that it does not know. */
#ifndef EVREP_JOURNAL_FORMAT_H
#define EVREP_JOURNAL_FORMAT_H

#include "record.h"

enum {
    JOURNAL_HEADER_SIZE = 4096,
    JOURNAL_HEADER_USED = 24,
    JOURNAL_SLOT_SIZE = 168,
    JOURNAL_CHUNK_RECORDS = 32768,
    META_MAGIC_SIZE = 8,
    META_HEADER_SIZE = 8,
    META_ENTRY_MAX = 512,
    META_FRAME_SIZE = META_HEADER_SIZE + 12,
};

uint32_t crc32c(uint32_t seed, const uint8_t *at, size_t len);

void journal_put_header(uint8_t out[JOURNAL_HEADER_USED], uint8_t origin, uint32_t epoch,
                        uint32_t first);
/* 0 or -1: not a header of that segment and first sequence. */
int journal_check_header(const uint8_t in[JOURNAL_HEADER_USED], uint8_t origin, uint32_t epoch,
                         uint32_t first);
/* Of 8 bytes: a records or meta file of an evrepd, but of another version than this one's. */
bool journal_is_other_version(const uint8_t in[META_MAGIC_SIZE]);
/* Whatever it says: its CRC holds. */
bool journal_header_is_whole(const uint8_t in[JOURNAL_HEADER_USED]);
void journal_put_slot(uint8_t out[JOURNAL_SLOT_SIZE], uint8_t origin, uint32_t epoch,
                      const uint8_t record[RECORD_SIZE], uint32_t place);
/* The first sequence of the batch of a whole slot: its own where no place is told. */
uint32_t journal_slot_batch(const uint8_t in[JOURNAL_SLOT_SIZE]);
/* 0 or -1: not intact, or not the record of that place. */
int journal_check_slot(const uint8_t in[JOURNAL_SLOT_SIZE], uint8_t origin, uint32_t epoch,
                       uint32_t sequence);

extern const uint8_t meta_magic[META_MAGIC_SIZE];
size_t meta_put(uint8_t *out, const uint8_t *at, size_t len);
/* The size of the entry at `at` with *body and *body_len set, or -1: torn, or not one. */
long meta_get(const uint8_t *at, size_t len, const uint8_t **body, size_t *body_len);
/* out[META_FRAME_SIZE], right before the `len` bytes of entries at `at`. */
void meta_put_frame(uint8_t *out, const uint8_t *at, size_t len);
/* The size of the frame at `at` with all that is in it; 0: one that is not whole; -1: none. */
long meta_get_frame(const uint8_t *at, size_t len);

#endif
