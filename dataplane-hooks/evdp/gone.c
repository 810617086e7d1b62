#include "gone.h"
#include "attach.h"
#include "service.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>

bool gone_look(struct ports *p)
{
    bool back = false;

    for (uint32_t i = 0; i < p->count; i++) {
        struct port *x = &p->port[i];

        if (x->ifindex != 0 && port_is_lost(x)) {
            port_forget(x);
            say("interface %s: is gone; its wire carries nothing until it is back", x->name);
        } else if (x->ifindex == 0 && if_nametoindex(x->name) != 0) {
            back = true;
        }
    }
    return back;
}

void gone_say(struct gone *g, const struct port *p, const char *err)
{
    if (err[0] == '\0')
        say("interface %s: is back (%s)", p->name, p->native ? "native" : "generic");
    else if (strcmp(g->said, err) != 0)
        say("%s; it is tried again each second", err);
    snprintf(g->said, sizeof(g->said), "%.255s", err);
}
