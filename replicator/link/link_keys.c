#include "link_uv.h"

#include <sodium.h>

int link_set_load_keys(struct link_set *set, const char *use, const char *accept, char *err,
                       size_t err_size)
{
    uint8_t key[LINK_KEYS][NOISE_KEY];
    size_t count = accept[0] == '\0' ? 1 : 2;
    int rc = key_load(use, key[0], err, err_size);

    if (rc == 0 && count > 1)
        rc = key_load(accept, key[1], err, err_size);
    if (rc == 0)
        link_set_keys(set, count, key);
    sodium_memzero(key, sizeof(key)); /* The first may have been good. */
    return rc;
}
