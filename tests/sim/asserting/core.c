/* A core that asserts, in every seed with as many settlements. */
#include "core.h"

#include <assert.h>

void __real_core_step(struct core *c, const struct core_input *in);
void __wrap_core_step(struct core *c, const struct core_input *in);

void __wrap_core_step(struct core *c, const struct core_input *in)
{
    assert(c->settlements < 4);
    __real_core_step(c, in);
}
