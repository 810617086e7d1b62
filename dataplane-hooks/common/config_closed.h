/* Whether a configuration ends where it should: libconfuse takes the end of a file for the end of
 * the sections that are open there, so that what was cut off is not missed. */
#ifndef EVREP_CONFIG_CLOSED_H
#define EVREP_CONFIG_CLOSED_H

#include <stddef.h>

/* The line of the innermost `{`, string or comment that is not closed at the end of the text, and
 * in *what the character that began it; 0: all are. */
unsigned config_unclosed(const char *text, size_t len, char *what);

#endif
