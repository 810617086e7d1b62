/* The ring is a file that another process may cut off; its memory is not there any more then.  A
 * program that has other things to do goes on. */
#ifndef EVREP_SURVIVE_H
#define EVREP_SURVIVE_H

#include "evhooks.h"

/* From now on SIGBUS at *ring (NULL: none is open) is damage of the ring, see evhooks_cut_off();
 * any other ends the process, as ever.  One ring in a process; ring NULL: of none any more. */
void survive_cut_off(struct evhooks_ring *const *ring);

#endif
