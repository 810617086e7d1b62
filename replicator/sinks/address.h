#ifndef EVREP_SINK_ADDRESS_H
#define EVREP_SINK_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

enum { ADDRESS_HOST_MAX = 256, ADDRESS_PORT_MAX = 16 };

/* ADDRESS:PORT or [ADDRESS]:PORT.  0, or -1 with one line in err. */
int address_parse(const char *sink, const char *address, char host[ADDRESS_HOST_MAX],
                  char port[ADDRESS_PORT_MAX], char *err, size_t err_size);

/* Is a connected socket so to itself?  With nobody at a port that the kernel gives out too, one of
 * some 28,000 tries comes from there; TCP then meets itself, and takes all that is sent.
 * The end of one that does is a reset, so that the port is free for who shall listen. */
bool address_is_own(int fd);
#define ADDRESS_IS_OWN "it met itself: nobody listens there"

#endif
