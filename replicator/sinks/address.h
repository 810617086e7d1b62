#ifndef EVREP_SINK_ADDRESS_H
#define EVREP_SINK_ADDRESS_H

#include <stddef.h>

enum { ADDRESS_HOST_MAX = 256, ADDRESS_PORT_MAX = 16 };

/* ADDRESS:PORT or [ADDRESS]:PORT.  0, or -1 with one line in err. */
int address_parse(const char *sink, const char *address, char host[ADDRESS_HOST_MAX],
                  char port[ADDRESS_PORT_MAX], char *err, size_t err_size);

#endif
