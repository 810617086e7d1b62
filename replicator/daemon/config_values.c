/* Values that are more than a word or a number. */
#include "config_parts.h"
#include "address.h"
#include "text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_port(const char *text)
{
    long port = strtol(text, NULL, 10);

    for (const char *p = text; *p != '\0'; p++) {
        if (!isdigit((unsigned char)*p))
            return false;
    }
    return strlen(text) <= 5 && port > 0 && port <= 65535;
}

static bool is_ip(const char *host)
{
    char plain[ADDRESS_HOST_MAX];
    uint8_t ip[16];

    strcpy(plain, host);
    plain[strcspn(plain, "%")] = '\0'; /* The interface of a link-local one. */
    return inet_pton(AF_INET, plain, ip) == 1 || inet_pton(AF_INET6, plain, ip) == 1;
}

int config_address(cfg_t *cfg, const char *key, const char *value, bool ip, char *out, size_t size)
{
    char host[ADDRESS_HOST_MAX], port[ADDRESS_PORT_MAX], err[256];

    if (config_copy(cfg, key, value, out, size) != 0)
        return -1;
    if (address_parse("", value, host, port, err, sizeof(err)) != 0)
        return config_fail(cfg, "'%s' is \"%s\": it must be ADDRESS:PORT, or [ADDRESS]:PORT", key,
                           value);
    if (!is_port(port))
        return config_fail(cfg, "'%s' is \"%s\": its port must be a number, 1 to 65535", key,
                           value);
    if (ip && !is_ip(host))
        return config_fail(cfg, "'%s' is \"%s\": its address must be an IPv4 or [IPv6] address",
                           key, value);
    if (strpbrk(host, " /\"") != NULL)
        return config_fail(cfg, "'%s' is \"%s\": that is no host", key, value);
    return 0;
}

/* The folder of a path, and the name in it. */
static const char *split(const char *path, char folder[512])
{
    const char *slash = strrchr(path, '/');

    snprintf(folder, 512, "%.*s", slash != NULL ? (int)(slash - path) + 1 : 1,
             slash != NULL ? path : ".");
    return slash != NULL ? slash + 1 : path;
}

static bool is_one(const char *a, const char *b)
{
    struct stat one, other;

    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

bool config_same_file(const char *a, const char *b)
{
    char of_a[512], of_b[512];

    if (a[0] == '\0' || b[0] == '\0')
        return false;
    return strcmp(a, b) == 0 || is_one(a, b) ||
           (strcmp(split(a, of_a), split(b, of_b)) == 0 && is_one(of_a, of_b));
}

int config_socket(cfg_t *cfg, const char *key, const char *path)
{
    char folder[512];
    struct stat st;

    split(path, folder);
    if (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode))
        return config_fail(cfg, "'%s': the folder of %s is not there: make it", key, path);
    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
        return config_fail(cfg, "'%s': %s is something else than a socket: remove it", key, path);
    return 0;
}

/* The path without a dot and a number behind it; false: it has none. */
static bool without_number(const char *path, char out[512])
{
    const char *dot = strrchr(path, '.');
    size_t digits = dot != NULL ? strspn(dot + 1, "0123456789") : 0;

    if (digits == 0 || digits > 4 || dot[1] == '0' || dot[1 + digits] != '\0')
        return false;
    snprintf(out, 512, "%.*s", (int)(dot - path), path);
    return true;
}

bool config_is_numbered(const char *a, const char *b)
{
    char plain[512];

    return without_number(b, plain) && config_same_file(a, plain);
}

int config_optional(cfg_t *cfg, const char *key, char *out, size_t size)
{
    const char *value = cfg_getstr(cfg, key);

    out[0] = '\0';
    return value == NULL || value[0] == '\0' ? 0 : config_copy(cfg, key, value, out, size);
}

int config_title(cfg_t *section, char *out, size_t size)
{
    const char *title = cfg_title(section);
    char shown[256];

    if (title == NULL || title[0] == '\0')
        return config_fail(section, "a '%s' section without a name: write %s \"NAME\" {",
                           section->name, section->name);
    if (config_copy(section, section->name, title, out, size) != 0)
        return -1;
    text_printable(shown, title, sizeof(shown)); /* It is shown as JSON. */
    return strcmp(shown, out) == 0
               ? 0
               : config_fail(section, "the name of a '%s' section is not UTF-8", section->name);
}
