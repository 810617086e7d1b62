/* links: evrep_sinks */
/* Answers of a JetStream server, ids, subjects and servers' names of any bytes. */
#include "jetstream_ack.h"
#include "nats_url.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct jetstream_ack a;
    uint8_t origin;
    position_t p;
    struct nats_servers servers;
    const char *wrong = NULL;

    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    if (jetstream_ack_parse(&a, text, size) == 0 && a.error == 0 && a.sequence == 0)
        abort();
    for (const char *c = a.text; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~')
            abort(); /* It goes to the log. */
    }
    text[size] = '\0';
    if (jetstream_id_parse(text, &origin, &p) && origin > 1)
        abort();
    if (nats_servers_parse(&servers, text, &wrong) == 0 ? servers.count == 0 : wrong == NULL)
        abort();
    jetstream_matches(text, "rtflow.0");
    jetstream_matches("a.*.>", text);
    free(text);
    return 0;
}
