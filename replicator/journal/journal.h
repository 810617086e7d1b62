/* The journal of one node: records by position, marks as a log, name tables.  One thread.
 * What journal_commit() has returned 0 for survives the process; with `sync`, also the power. */
#ifndef EVREP_JOURNAL_H
#define EVREP_JOURNAL_H

#include "disk.h"
#include "journal_format.h"

struct journal;

struct journal_options {
    const struct disk *disk; /* Used until journal_close(). */
    bool sync;               /* durability = power */
    uint64_t limit_bytes;    /* Of records; 0: none. */
    uint64_t log_bytes;      /* Of the log of marks, before it is written anew; 0: 4 MiB. */
    uint8_t node;            /* Of its own records all that are whole count: nobody else may have
                                those behind a hole.  A batch of the peer's that the power cut short
                                ends at its first hole: it was not acknowledged. */
};

/* Records from..to of a segment are in no file, as if one was removed.  What was found behind them
 * is not used, and kept: `files` files, renamed from r-... to aside-..., the same numbers and one
 * more.  Nothing ever removes those. */
struct journal_hole {
    uint8_t origin;
    uint32_t epoch, from, to;
    unsigned files;
};

struct journal_visitor { /* Called by journal_open(), in this order; snapshot also later. */
    void *ctx;
    void (*on_meta)(void *ctx, const uint8_t *at, size_t len);
    void (*on_segment)(void *ctx, uint8_t origin, uint32_t epoch, uint32_t first, uint32_t last);
    /* Marks are gone: what is left may be older than what was done (core_recover_stale()). */
    void (*on_marks_lost)(void *ctx);
    /* Later too, by journal_read(): these cannot be read and read as record_lost() from now on. */
    void (*on_damage)(void *ctx, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to);
    /* Before all others; NULL: nobody asks.  The header of that file is damaged; its records, each
     * checked by itself, are kept. */
    void (*on_header)(void *ctx, const char *name);
    /* Before any on_segment; NULL: nobody asks. */
    void (*on_hole)(void *ctx, const struct journal_hole *hole);
    /* Calls journal_meta() for every mark of the present state. */
    void (*snapshot)(void *ctx, struct journal *j);
};

/* 0, or -1 with one line in err.  A file of another version is refused, and nothing is touched. One
 * that cannot be read where it has to be (a mark, the end of a segment) is refused too: it is not
 * taken for a file that is gone. */
int journal_open(struct journal **out, const struct journal_options *o,
                 const struct journal_visitor *v, char *err, size_t err_size);
/* Writes nothing: what is not committed is gone, as after a crash. */
void journal_close(struct journal *j);

/* Buffered until the commit.  `records`: count x RECORD_SIZE, in order, right above what the
 * segment has, or the first of it.  0 or a negative errno; -E2BIG: the size limit.  After an error
 * nothing of what was buffered is left, and all of it can be given again. */
int journal_append(struct journal *j, uint8_t origin, uint32_t epoch, uint32_t from,
                   const uint8_t *records, size_t count);
void journal_meta(struct journal *j, const uint8_t *at, size_t len);
/* 0, or a negative errno: then nothing of what was buffered counts as written, and all of it can be
 * given again; a process that ends before may find it written, as after a crash.  durable: it shall
 * survive the power whatever the options say. */
int journal_commit(struct journal *j, bool durable);

/* Records from `from` on; at most max and what fits.  Each is checked: one that is not intact reads
 * as record_lost().  Fewer: they are not there, or the disk cannot be read now. */
size_t journal_read(struct journal *j, uint8_t origin, uint32_t epoch, uint32_t from, size_t max,
                    uint8_t *out, size_t size);
/* Files that hold only what is below may go; SEQUENCE_MAX: the whole segment.  One that the disk
 * does not remove stays, with those before it. */
void journal_drop(struct journal *j, uint8_t origin, uint32_t epoch, uint32_t below);
/* Full files whose records are all below what `needed` says of their segment are removed. */
void journal_trim(struct journal *j, uint32_t (*needed)(void *ctx, uint8_t origin, uint32_t epoch),
                  void *ctx);
/* The first record of the segment that is there, from that one on; 0: none. */
uint32_t journal_first(struct journal *j, uint8_t origin, uint32_t epoch, uint32_t sequence);
/* The last record of the file that holds that one; 0: none does. */
uint32_t journal_file_end(struct journal *j, uint8_t origin, uint32_t epoch, uint32_t sequence);
uint64_t journal_bytes(const struct journal *j);
/* Files aside-..., as the start has found and left them: struct journal_hole. */
unsigned journal_aside_files(const struct journal *j);

int journal_names_put(struct journal *j, uint8_t origin, uint32_t generation, const uint8_t *at,
                      size_t len);
/* The length, or -1. */
long journal_names_get(struct journal *j, uint8_t origin, uint32_t generation, uint8_t *out,
                       size_t size);

#endif
