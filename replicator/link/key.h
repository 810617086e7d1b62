/* The cluster key: a file with one line of 64 hex digits, readable by its owner alone,
 * who is the user of this process, or root. */
#ifndef EVREP_KEY_H
#define EVREP_KEY_H

#include "noise.h"

/* 0, or -1 with one line in err, and a key of zeros.  No copy of it is left. */
int key_load(const char *path, uint8_t key[NOISE_KEY], char *err, size_t err_size);
/* A new key in a new file, mode 0600; never overwrites. */
int key_generate(const char *path, char *err, size_t err_size);

#endif
