/* The log: lines to a file descriptor that may be slow or stand still, such as a pipe that nobody
 * reads, while nobody who logs ever waits for it.
 *
 * A thread writes them; what its buffer has no room for is dropped, counted, and stated in its
 * place once there is room again.  Lines may come from every thread. */
#ifndef EVREP_LOG_H
#define EVREP_LOG_H

#include <stdint.h>

enum { LOG_ROOM = 1 << 17, LOG_TEXT_MAX = 1023 }; /* Bytes. */

struct log;

/* name: before each line, after its time; must outlive the log.  NULL: no memory or no thread.  The
 * thread takes its priority from the caller, and no signal. */
struct log *log_open(int fd, const char *name);
/* One line without its end; longer than LOG_TEXT_MAX it is cut. */
void log_put(struct log *l, const char *text);
uint64_t log_dropped(struct log *l); /* Lines, since it was opened. */
/* Waits for as long as what is left goes out, and a second at most where nothing does.  Lines that
 * were lost by that; the log must not be used any more. */
uint64_t log_close(struct log *l);

#endif
