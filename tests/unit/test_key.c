/* links: evrep_link */
/* The cluster key's file: what is no key is refused, and no copy is left where it was read. */
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

#include "key.h"

enum { STACK_SIZE = 1 << 20 };

#define DIGITS "c0ffee0123456789c0ffee0123456789c0ffee0123456789c0ffee0123456789"

static char path[] = "/tmp/evrep-key-XXXXXX", err[256];
static uint8_t key[NOISE_KEY], stack[STACK_SIZE] __attribute__((aligned(4096)));
static int result;

static void *load(void *arg)
{
    result = key_load(arg, key, err, sizeof(err));
    return NULL;
}

/* On a stack of its own, which is there to be looked at afterwards. */
static void load_apart(void)
{
    pthread_attr_t attr;
    pthread_t thread;

    memset(stack, 0, sizeof(stack));
    memset(key, 0x55, sizeof(key));
    pthread_attr_init(&attr);
    assert_int_equal(pthread_attr_setstack(&attr, stack, sizeof(stack)), 0);
    assert_int_equal(pthread_create(&thread, &attr, load, path), 0);
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
static bool is_left(void)
{
    for (size_t i = 0; i + 16 <= sizeof(stack); i++) {
        size_t n = 0;

        while (n < 16 && stack[i + n] == (uint8_t)DIGITS[n])
            n++;
        if (n == 16)
            return true;
    }
    return false;
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
        load_apart();
        assert_int_equal(result, files[i].result);
        assert_false(is_left());
        if (result == 0)
            assert_memory_equal(key, "\xc0\xff\xee\x01\x23\x45\x67\x89", 8);
        else
            assert_true(sodium_is_zero(key, sizeof(key)));
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_copy_is_left_nowhere)};

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, set_up, tear_down);
}
