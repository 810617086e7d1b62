/* links: evrep_link */
/* The cluster key's file: what is no key is refused, and no copy is left where it was read, nor on
 * its way to the links. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "link_uv.h"

enum { STACK_SIZE = 1 << 20 };

#define DIGITS "c0ffee0123456789c0ffee0123456789c0ffee0123456789c0ffee0123456789"
#define BYTES  "\xc0\xff\xee\x01\x23\x45\x67\x89"

static char path[] = "/tmp/evrep-key-XXXXXX", err[256];
static uint8_t key[NOISE_KEY], stack[STACK_SIZE] __attribute__((aligned(4096)));
static const char *accept_path;
static int result;
static size_t given; /* Keys that the links got. */
static bool given_well;

/* In place of the links: it looks, and copies nothing. */
void link_set_keys(struct link_set *set, size_t count, const uint8_t k[LINK_KEYS][NOISE_KEY])
{
    (void)set;
    given = count;
    given_well = true;
    for (size_t i = 0; i < count * NOISE_KEY; i++)
        given_well &= k[i / NOISE_KEY][i % NOISE_KEY] == (uint8_t)BYTES[i % 8];
}

static void *load(void *arg)
{
    result = key_load(arg, key, err, sizeof(err));
    return NULL;
}

static void *load_for_links(void *arg)
{
    given = 0;
    result = link_set_load_keys(NULL, arg, accept_path, err, sizeof(err));
    return NULL;
}

/* On a stack of its own, which is there to be looked at afterwards. */
static void apart(void *(*run)(void *))
{
    pthread_attr_t attr;
    pthread_t thread;

    memset(stack, 0, sizeof(stack));
    memset(key, 0x55, sizeof(key));
    pthread_attr_init(&attr);
    assert_int_equal(pthread_attr_setstack(&attr, stack, sizeof(stack)), 0);
    assert_int_equal(pthread_create(&thread, &attr, run, path), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
}

/* In a process of its own: a thread begins with its maker's vector registers, which the dynamic
 * linker may put on its stack. */
static void write_file(const char *text, mode_t mode)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        FILE *f = fopen(path, "we");

        if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0 || chmod(path, mode) != 0)
            _exit(1);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* Byte by byte, for the same reason. */
static bool is_there(const char *text, size_t len)
{
    for (size_t i = 0; i + len <= sizeof(stack); i++) {
        size_t n = 0;

        while (n < len && stack[i + n] == (uint8_t)text[n])
            n++;
        if (n == len)
            return true;
    }
    return false;
}

static bool is_left(void)
{
    return is_there(DIGITS, 16);
}

static void a_copy_is_left_nowhere(void **state)
{
    static const struct {
        const char *text;
        int result;
        mode_t mode;
    } files[] = {
        {DIGITS "\n", 0, 0600},
        {DIGITS, 0, 0600},
        {DIGITS "\n\n", -1, 0600},
        {DIGITS "\n", -1, 0644},
        {"c0ffee0123456789c0ffee0123456789c0ffee0123456789c0ffee012345678\n", -1, 0600},
        {"c0ffee0123456789c0ffee0123456789c0ffee0123456789c0ffee01234567xx\n", -1, 0600},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        write_file(files[i].text, files[i].mode);
        apart(load);
        assert_int_equal(result, files[i].result);
        assert_false(is_left());
        if (result == 0)
            assert_memory_equal(key, BYTES, 8);
        else
            assert_true(sodium_is_zero(key, sizeof(key)));
    }
}

/* Of none: where one is read, where both are, and where only the second is not good. */
static void the_links_have_the_only_copy(void **state)
{
    static const struct {
        const char *accept;
        size_t given;
        int result;
    } rows[] = {{"", 1, 0}, {path, 2, 0}, {"/none", 0, -1}};

    (void)state;
    write_file(DIGITS "\n", 0600);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        accept_path = rows[i].accept;
        apart(load_for_links);
        assert_int_equal(result, rows[i].result);
        assert_int_equal(given, rows[i].given);
        assert_true(given == 0 || given_well);
        assert_false(is_left() || is_there(BYTES, 8));
    }
}

static int set_up(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_copy_is_left_nowhere),
                                       cmocka_unit_test(the_links_have_the_only_copy)};

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, set_up, tear_down);
}
