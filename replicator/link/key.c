#include "key.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_SIZE = 2 * NOISE_KEY + 2 }; /* A line, and a byte for what is too much. */

static int fail(char *err, size_t size, const char *path, const char *what)
{
    snprintf(err, size, "key file %s: %s", path, what);
    return -1;
}

/* NULL, or what is wrong with the file. */
static const char *read_text(int fd, char text[TEXT_SIZE], size_t *len)
{
    struct stat st;
    ssize_t n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? read(fd, text, TEXT_SIZE) : -1;

    *len = n > 0 ? (size_t)n : 0;
    if (n < 0)
        return "not a readable file";
    if (st.st_mode & 077)
        return "others can read it: chmod 600, and make a new key";
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return "it is of another user, who can read and change it: chown it to the one that runs "
               "evrepd, or to root";
    return NULL;
}

static const char *parse(const char *text, size_t text_len, uint8_t key[NOISE_KEY])
{
    size_t len;

    if (text_len < 2 * NOISE_KEY || text_len == TEXT_SIZE ||
        sodium_hex2bin(key, NOISE_KEY, text, 2 * NOISE_KEY, NULL, &len, NULL) != 0 ||
        len != NOISE_KEY)
        return "not a key: one line of 64 hex digits, as evrepctl keygen writes";
    return NULL;
}

int key_load(const char *path, uint8_t key[NOISE_KEY], char *err, size_t err_size)
{
    char text[TEXT_SIZE] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* A pipe would be waited for. */
    const char *wrong;
    size_t len;

    if (fd < 0)
        return fail(err, err_size, path, strerror(errno));
    wrong = read_text(fd, text, &len);
    close(fd);
    if (wrong == NULL)
        wrong = parse(text, len, key);
    sodium_memzero(text, sizeof(text));
    if (wrong == NULL)
        return 0;
    sodium_memzero(key, NOISE_KEY);
    return fail(err, err_size, path, wrong);
}

int key_generate(const char *path, char *err, size_t err_size)
{
    uint8_t key[NOISE_KEY];
    char text[2 * NOISE_KEY + 2];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good;

    if (fd < 0)
        return fail(err, err_size, path,
                    errno == EEXIST ? "exists; a key is never overwritten" : strerror(errno));
    randombytes_buf(key, sizeof(key));
    sodium_bin2hex(text, sizeof(text), key, sizeof(key));
    text[2 * NOISE_KEY] = '\n';
    good = write(fd, text, 2 * NOISE_KEY + 1) == 2 * NOISE_KEY + 1 && fsync(fd) == 0;
    close(fd);
    sodium_memzero(key, sizeof(key));
    sodium_memzero(text, sizeof(text));
    if (!good) {
        unlink(path);
        return fail(err, err_size, path, "cannot be written");
    }
    return 0;
}
