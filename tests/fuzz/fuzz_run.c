/* links: evrep_sinks */
/* A table of connections, of any bytes: what is taken is told again as it came, and can be asked.
 */
#include "run.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run_table t, again;
    static uint8_t bytes[RUN_TABLE_SIZE_MAX];
    struct run_answer a;

    if (run_table_get(&t, data, size) != 0)
        return 0;
    if (run_table_put(bytes, &t) != size || run_table_get(&again, bytes, size) != 0 ||
        memcmp(&t, &again, sizeof(t)) != 0)
        abort();
    for (uint8_t i = 0; i < t.count; i++) {
        const struct run *r = &t.run[i];

        a = run_ask(&t, NULL, r->key, r->origin, r->epoch, r->low, SEQUENCE_MAX);
        if ((a.word == RUN_TO_ASK) != (a.run != NULL) ||
            (a.run != NULL && a.run->low - 1 > a.confirmed))
            abort();
    }
    while (t.count > 0)
        run_remove(&t, t.run[0].key, t.run[0].id);
    return 0;
}
