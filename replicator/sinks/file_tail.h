/* What a file of records, and the older ones that it was rotated into, hold (D1).  Blocking reads:
 * for a worker thread. */
#ifndef EVREP_FILE_TAIL_H
#define EVREP_FILE_TAIL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { FILE_PATH_MAX = 320 };

/* PATH of k 0, PATH.k of the k-th older one. */
void file_name(char out[FILE_PATH_MAX], const char *path, unsigned k);

/* The last record in range that the newest file with any has; 0: none.  `oldest`: the highest k to
 * look at. */
uint32_t file_tail_last(const char *path, unsigned oldest, uint8_t origin, uint32_t epoch,
                        uint32_t from, uint32_t to);

/* A crash can leave part of a line, which was never confirmed: cuts it off.  The new size, or a
 * negative errno; -EBADMSG: what is at the end is longer than any record of ours, and not touched.
 */
off_t file_cut_torn(int fd, off_t size);

#endif
