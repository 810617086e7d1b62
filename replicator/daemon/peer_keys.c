/* The keys of the cluster: one that is used, and perhaps one more that is accepted, while both
 * nodes are changed from one to the other. */
#include "shell.h"

int peer_keys_load(struct shell *s, const struct config *c, char *err, size_t err_size)
{
    return link_set_load_keys(s->links, c->key_file, c->accept_key_file, err, err_size);
}

void peer_keys_reload(struct shell *s)
{
    static struct config fresh;
    char err[512];
    bool more;

    if (s->links == NULL)
        return;
    if (config_load(&fresh, s->config_path, err, sizeof(err)) != 0 ||
        peer_keys_load(s, &fresh, err, sizeof(err)) != 0) {
        shell_log("keys: %s; the ones that are in force stay", err);
        return;
    }
    more = fresh.accept_key_file[0] != '\0';
    shell_log("keys: %s is used%s%s", fresh.key_file, more ? ", and accepted too: " : "",
              fresh.accept_key_file);
}
