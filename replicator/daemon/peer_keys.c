/* The keys of the cluster: one that is used, and perhaps one more that is accepted, while both
 * nodes are changed from one to the other. */
#include "shell.h"

#include <sodium.h>
#include <string.h>

int peer_keys_load(const struct config *c, uint8_t key[LINK_KEYS][NOISE_KEY], size_t *count,
                   char *err, size_t err_size)
{
    *count = 0;
    if (key_load(c->key_file, key[0], err, err_size) != 0)
        return -1;
    *count = 1;
    if (c->accept_key_file[0] == '\0')
        return 0;
    if (key_load(c->accept_key_file, key[1], err, err_size) != 0)
        return -1;
    *count = 2;
    return 0;
}

void peer_keys_reload(struct shell *s)
{
    static struct config fresh;
    uint8_t key[LINK_KEYS][NOISE_KEY];
    char err[512];
    size_t count;

    if (s->links == NULL)
        return;
    if (config_load(&fresh, s->config_path, err, sizeof(err)) != 0 ||
        peer_keys_load(&fresh, key, &count, err, sizeof(err)) != 0) {
        sodium_memzero(key, sizeof(key)); /* The first may have been good. */
        shell_log("keys: %s; the ones that are in force stay", err);
        return;
    }
    shell_log("keys: %s is used%s%s", fresh.key_file, count > 1 ? ", and accepted too: " : "",
              count > 1 ? fresh.accept_key_file : "");
    link_set_keys(s->links, count, key);
    sodium_memzero(key, sizeof(key));
}
