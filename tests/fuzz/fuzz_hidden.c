/* links: evrep_config evrep_journal evrep_sinks evrep_ingest evrep_control */
/* Marks of hidden runs, of any bytes, as a damaged journal gives them: what is taken is a run of
 * this segment, and moves no position upwards. */
#include "hidden.c"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

uint32_t filter_run_before(struct sink_port *p, const struct core_range *gone)
{
    (void)p;
    return gone->from;
}

static void look(const struct shell *s)
{
    if (s->hidden_gone_count > HIDDEN_GONE_MAX)
        abort();
    for (uint32_t i = 0; i < s->hidden_gone_count; i++) {
        const struct hidden_gone *h = &s->hidden_gone[i];
        uint32_t key = s->core->o.sink[0].key, from;

        if (h->origin >= NODE_COUNT || h->from == 0 || h->from >= h->below)
            abort();
        from = hidden_from(s, 0, h->origin, h->epoch, h->below);
        if (h->key == key ? from >= h->below : from > h->below)
            abort();
    }
}

/* A byte for the length of each mark, and the mark. */
int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static struct core core;
    static struct shell shell;

    core.o.sink[0].key = 'k';
    shell.core = &core;
    shell.hidden_gone_count = 0;
    while (len > 1) {
        size_t n = at[0] % (MARK_SIZE + 2) < len ? at[0] % (MARK_SIZE + 2) : len - 1;
        uint8_t *mark = malloc(n > 0 ? n : 1); /* What lies behind it is not to be read. */

        if (mark == NULL)
            abort();
        memcpy(mark, at + 1, n);
        if (hidden_recover(&shell, mark, n) && n != MARK_SIZE)
            abort();
        free(mark);
        at += n + 1;
        len -= n + 1;
    }
    look(&shell);
    return 0;
}
