/* links: evrep_ingest */
/* Name tables beside a ring go once nobody holds them and they are kept elsewhere; nothing else
 * does. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ring_names.h"

static char ring[64];
static uint32_t asked[8];
static size_t asked_count;

static const char *path_of(const char *rest)
{
    static char path[160];

    snprintf(path, sizeof(path), "/dev/shm/%s%s", ring, rest);
    return path;
}

static void put(const char *rest, int age_s)
{
    struct timespec when[2] = {{.tv_sec = time(NULL) - age_s}, {.tv_sec = time(NULL) - age_s}};
    int fd = open(path_of(rest), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(futimens(fd, when), 0);
    close(fd);
}

static bool is_there(const char *rest)
{
    return access(path_of(rest), F_OK) == 0;
}

/* All but generation 3, whose journal is full. */
static bool kept(void *ctx, uint32_t generation)
{
    assert_ptr_equal(ctx, ring);
    asked[asked_count++] = generation;
    return generation != 3;
}

static void what_nobody_can_name_goes(void **state)
{
    static const char *const stays[] = {".names.00000002",         ".names.00000003",
                                        ".names.00000004",         ".names.0000001",
                                        ".names.000000010",        ".names.0000000G",
                                        ".names.00000001.toolong", ".stats",
                                        "x.names.00000001",        ""};
    int fd;

    (void)state;
    snprintf(ring, sizeof(ring), "evrep-names-%d", (int)getpid());
    put(".names.00000001", 60);
    put(".names.0000000a.Ab3dEf", 60);
    for (size_t i = 0; i < sizeof(stays) / sizeof(stays[0]); i++)
        put(stays[i], i == 2 ? 0 : 60); /* 4 is young. */
    fd = open(path_of(".names.00000002"), O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_SH), 0); /* A dataplane runs with it. */
    assert_int_equal(ring_names_clear(ring, kept, ring), 2);
    assert_false(is_there(".names.00000001"));
    assert_false(is_there(".names.0000000a.Ab3dEf"));
    for (size_t i = 0; i < sizeof(stays) / sizeof(stays[0]); i++)
        assert_true(is_there(stays[i]));
    assert_int_equal(asked_count, 2);
    assert_int_equal(asked[0] + asked[1], 1 + 3);
    close(fd); /* It has ended. */
    assert_int_equal(ring_names_clear(ring, kept, ring), 1);
    assert_false(is_there(".names.00000002"));
    for (size_t i = 1; i < sizeof(stays) / sizeof(stays[0]); i++)
        assert_int_equal(unlink(path_of(stays[i])), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_nobody_can_name_goes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
