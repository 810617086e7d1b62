/* What a file of records, and the older ones that it was rotated into, hold (D1).  Blocking reads:
 * for a worker thread. */
#ifndef EVREP_FILE_TAIL_H
#define EVREP_FILE_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { FILE_PATH_MAX = 320 };

/* PATH of k 0, PATH.k of the k-th older one. */
void file_name(char out[FILE_PATH_MAX], const char *path, unsigned k);

/* Which of the records from .. to are there?  Of their run, run .. from - 1 were written before. */
struct file_question {
    uint8_t origin;
    uint32_t epoch, from, to, run;
    uint32_t last; /* The answer: the last that is there; 0: none. */
    bool known;    /* false: not all was looked at that may hold one. */
    bool settled;  /* Nothing older can change it. */
};

/* Answers all of them with one look, from the newest line on, until each is settled; at `most`
 * bytes.  `oldest`: the highest k to look at.  Of a run the records lie in order, but those that
 * are marked may be there once more. */
void file_tail_look(struct file_question *q, size_t count, const char *path, unsigned oldest,
                    uint64_t most);
#define FILE_LOOK_MOST (1ull << 30)

/* A last line without an end: part of a record of ours, which was never confirmed, is cut off; what
 * somebody else wrote gets its end.  The new size, or a negative errno; -EBADMSG: it is longer than
 * any record, and not touched. */
off_t file_mend_end(int fd, off_t size, bool *foreign);

#endif
