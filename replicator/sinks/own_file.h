/* A file that the configuration names for a sink to read: a certificate, a key, credentials. */
#ifndef EVREP_SINK_OWN_FILE_H
#define EVREP_SINK_OWN_FILE_H

#include <stddef.h>

/* Can it be read, and at once?  A FIFO would hold up whoever opens it.  0, also when path is NULL;
 * or -1 with one line in err that begins with `key`. */
int own_file_check(const char *key, const char *path, char *err, size_t err_size);

#endif
