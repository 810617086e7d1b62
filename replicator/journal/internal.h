/* The journal's own parts. */
#ifndef EVREP_JOURNAL_INTERNAL_H
#define EVREP_JOURNAL_INTERNAL_H

#include "journal.h"

enum {
    CHUNKS_MAX = 8192,
    HANDLES_MAX = 128,         /* Open at a time, but for those of a batch. */
    PENDING_MAX = 8192,        /* Records between two commits. */
    META_BUFFER_MAX = 2 << 20, /* Entries of a commit, or of a snapshot. */
    META_ROOM = META_MAGIC_SIZE + META_FRAME_SIZE + META_HEADER_SIZE, /* What is around them. */
    META_FILE_MAX = 4 << 20, /* Then a new generation with a snapshot. */
    ASIDE_MAX = 1000,        /* Of one name. */
};

struct chunk { /* One records file. */
    uint8_t origin;
    bool touched;                 /* Since the last commit. */
    uint32_t epoch, first, count; /* Records committed. */
    uint32_t pending;             /* Written and not committed. */
    int handle;                   /* -1: not open. */
};

struct journal {
    struct journal_options o;
    struct journal_visitor v;
    const struct disk *disk;
    int meta; /* The handle of the log; -1: none. */
    uint64_t generation, meta_size;
    uint8_t *meta_buffer, *snapshot_buffer; /* meta_buffer: a frame's place, then entries. */
    size_t meta_len;                        /* Of the entries. */
    bool marks_lost, renew;                 /* renew: the log is to be written anew. */
    bool begun;                             /* The log is not whole: the next start finds none. */
    bool tail_left, next_left;              /* Of a failed write, that must not count: meta.c. */
    bool names_touched;                     /* Of files, since the last sync of the folder. */
    struct chunk chunk[CHUNKS_MAX];         /* By (origin, epoch, first). */
    size_t chunk_count;
    unsigned aside;              /* Files that are kept and not used. */
    uint8_t *slots;              /* Room for one write. */
    bool too_many;               /* Records files. */
    char refused[DISK_NAME_MAX]; /* A file of another version. */
    char failed[DISK_NAME_MAX];  /* One that the disk does not give. */
};

/* records.c */
/* false: not the name of a records file. */
bool records_parse_name(const char *name, struct chunk *c);
int records_scan(struct journal *j);
int records_sync_found(struct journal *j);
/* Before it counts, and once it does: all of a batch or nothing. */
int records_sync(struct journal *j);
void records_count(struct journal *j);
void records_undo(struct journal *j);
/* version.c: 0, -EPROTO with the file's name in `refused`, or another negative errno. */
int versions_check(struct journal *j);
/* meta.c */
int meta_open(struct journal *j);
int meta_commit(struct journal *j, bool sync);

#endif
