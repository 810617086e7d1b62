/* What a file sink does that may wait for the disk: a worker thread does it, while the loop touches
 * none of this. */
#ifndef EVREP_FILE_DISK_H
#define EVREP_FILE_DISK_H

#include "file_rotate.h"

struct file_disk {
    const char *path;
    bool sync;
    unsigned keep;
    int fd;      /* -1: not open. */
    off_t size;  /* Where the next record goes; others may move it. */
    bool synced; /* What was there before this process is. */
    struct file_rotation rotation;
    /* What came of the last call: */
    int rc;            /* 0; or a negative errno, and then it is closed */
    const char *wrong; /* or, instead of that, words; */
    const char *note;  /* what is to be said and stops nothing; */
    bool gone;         /* nothing was done, as somebody else has removed it: open it again. */
};

/* Opens it, anew if need be, locks it, and mends its end. */
void file_disk_open(struct file_disk *d);
/* Appends whole records, all of them or none; with `sync`, synced. */
void file_disk_write(struct file_disk *d, const uint8_t *at, size_t len);
/* Open it then, as when it is `gone`.  It goes on in the old file when that fails: nothing is lost
 * by a file that is too long. */
void file_disk_rotate(struct file_disk *d);

#endif
