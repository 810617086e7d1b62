/* PATH becomes PATH.1, PATH.1 becomes PATH.2, and so on. */
#ifndef EVREP_FILE_ROTATE_H
#define EVREP_FILE_ROTATE_H

#include "sink.h"

#include <sys/types.h>

struct file_rotation {
    uint64_t born_s;     /* When its first record was written, seconds since 1970. */
    uint64_t not_before; /* After a failure: no try before then; */
    unsigned stuck;      /* it was PATH.k of this k that could not be renamed. */
};

void file_rotation_start(struct file_rotation *r, int fd, off_t size);
bool file_rotation_due(struct file_rotation *r, const struct sink_options *o, off_t size);
/* Renames; the one above `keep` is removed.  0 or a negative errno. */
int file_rotate(struct file_rotation *r, const char *path, unsigned keep);
/* Of the file `path`.  0 or a negative errno: then its name may not survive the power. */
int file_sync_folder(const char *path);

#endif
