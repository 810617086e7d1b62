/* What the journal asks of a folder on a disk.  The daemon gives it the file system (disk_posix.c),
 * the simulator a disk that tears writes, fills up and loses what was not synced.
 * Handles are small integers, at or above 0.  Everything returns 0 (or what it says), or a negative
 * errno.  One thread. */
#ifndef EVREP_DISK_H
#define EVREP_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DISK_NAME_MAX = 48 };

struct disk {
    void *ctx;
    /* create: made when missing, emptied when not. */
    int (*open)(void *ctx, const char *name, bool create);
    void (*close)(void *ctx, int handle);
    /* The bytes read: fewer at the end of the file only. */
    long (*read)(void *ctx, int handle, void *out, size_t len, uint64_t offset);
    /* All of it or an error; after an error any part may be written. */
    int (*write)(void *ctx, int handle, const void *at, size_t len, uint64_t offset);
    int64_t (*size)(void *ctx, int handle);
    int (*truncate)(void *ctx, int handle, uint64_t len);
    /* Only a matter of speed. */
    void (*reserve)(void *ctx, int handle, uint64_t len);
    int (*sync)(void *ctx, int handle);
    int (*sync_names)(void *ctx);
    int (*remove)(void *ctx, const char *name);
    int (*rename)(void *ctx, const char *from, const char *to);
    int (*list)(void *ctx, void (*each)(void *arg, const char *name), void *arg);
};

/* A folder, made when missing (mode 0700), and locked against another process.  0, or -1 with one
 * line in err. */
int disk_posix_open(struct disk *out, const char *dir, char *err, size_t err_size);
void disk_posix_close(struct disk *d);
/* From now on what waits for the device (syncs, removals, reservations) is done in a thread beside
 * the caller's, which calls meanwhile(ctx) every few ms of it.  all: reads and writes too, which
 * seldom wait, and cost more so.  -1: no thread; all stays as it was. */
int disk_posix_beside(struct disk *d, bool all, void (*meanwhile)(void *ctx), void *ctx);

#endif
