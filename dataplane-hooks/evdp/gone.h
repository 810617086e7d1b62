/* Interfaces that go away and come back while evdp or evbpf runs.  Looked for now and then, outside
 * of the packet path. */
#ifndef EVDP_GONE_H
#define EVDP_GONE_H

#include "xsk.h"

struct gone {
    char said[256]; /* Why one that is back cannot be used: said once. */
};

/* Forgets ports whose interface was removed, and says so.  true: one that was forgotten is there.
 */
bool gone_look(struct ports *p);
/* It is used again, or (err, not empty) why not. */
void gone_say(struct gone *g, const struct port *p, const char *err);

#endif
