/* A journal in a real folder, on a disk that fails as it is told. */
#ifndef EVREP_TEST_JOURNAL_FOLDER_H
#define EVREP_TEST_JOURNAL_FOLDER_H

#include "journal.h"

enum {
    FOLDER_EPOCH = 10,   /* Of origin 0; of no other segment the records are kept track of. */
    FOLDER_SNAPSHOT = 3, /* Marks of one byte. */
};

enum effect {
    CREATE = 1,
    WRITE = 2,
    TRUNCATE = 4,
    SYNC = 8,
    SYNC_NAMES = 16,
    REMOVE = 32,
    RENAME = 64,
};

/* The effects from `from` on fail, `count` of them, and all of those kinds; a write then has a part
 * written.  Reads of what lies from `unread_from` up to `unread_to` in its file fail. */
struct faults {
    unsigned from, count, seen, kinds;
    uint64_t unread_from, unread_to;
    int error;
};

struct folder {
    char path[64];
    struct disk under, disk;
    struct journal *journal; /* NULL: not open. */
    struct faults faults;
    uint32_t first, last;
    bool power; /* Its durability, from the next start on. */
    uint8_t node;
    char now;       /* The state that the marks tell of. */
    char marks[64]; /* The first letter of each, without repetitions. */
    unsigned segments, damaged, marks_lost, holes;
    struct journal_hole hole;
    char err[256];
};

/* Of cmocka: an empty journal. */
int folder_setup(void **state);
int folder_teardown(void **state);

/* journal_open() without faults, or with those that are set. */
void folder_start(struct folder *f);
int folder_try_start(struct folder *f);
void folder_stop(struct folder *f);
/* Without a file. */
void folder_start_empty(struct folder *f);

/* Of the folder itself; there is such a file. */
int folder_file(const struct folder *f, const char *name);
/* These bytes are what the power cut short: they read as zeroes. */
void folder_not_written(const struct folder *f, const char *name, uint64_t from, size_t len);
/* The newest log of marks; "": none. */
void folder_log(const struct folder *f, char out[DISK_NAME_MAX]);

/* The record that folder_put() writes there. */
void folder_record(uint32_t sequence, uint8_t out[RECORD_SIZE]);
/* At most 1024 records and a mark, committed. */
int folder_put(struct folder *f, uint32_t from, uint32_t count, char mark, bool durable);
/* The last one is `to`; nothing of it is synced. */
void folder_fill(struct folder *f, uint32_t from, uint32_t to);
/* They are what was put. */
void folder_expect(struct folder *f, uint32_t from, uint32_t to);

#endif
