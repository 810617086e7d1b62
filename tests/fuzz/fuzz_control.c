/* links: evrep_control */
/* Requests on the operator's socket: parsed or refused, and what was parsed is within its bounds.
 */
#include "control.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct control_request r;
    const char *why = NULL;
    unsigned v;

    if (control_parse((const char *)at, len, &r, &why) != 0) {
        assert(why != NULL && r.root == NULL);
        return 0;
    }
    assert(r.command != NULL && r.argc <= REQUEST_ARGS_MAX);
    for (size_t i = 0; i < r.argc; i++) {
        if (control_number(r.argv[i], 127, &v))
            assert(v <= 127 && strlen(r.argv[i]) >= 1);
    }
    control_parse_free(&r);
    return 0;
}
