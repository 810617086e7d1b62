/* links: evdp_xsk */
/* Name tables beside the ring: whoever may write /dev/shm does not name our zones. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "names_file.h"

static struct evdp_config config;
static struct ports ports;
static char path[160];

static uint32_t publish(void)
{
    size_t left_out;

    return names_publish(&config, &ports, &left_out);
}

static void put(const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void expect_ours(void)
{
    char text[200] = "";
    struct stat st;
    FILE *f;

    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(st.st_uid, geteuid());
    assert_int_equal(st.st_mode & 07777, 0600);
    f = fopen(path, "r");
    assert_non_null(f);
    assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
    fclose(f);
    assert_string_equal(text, "z 1 trust\np 0 default-deny\n");
}

static bool is_held(void)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is = flock(fd, LOCK_EX | LOCK_NB) != 0;

    assert_true(fd >= 0);
    close(fd);
    return is;
}

/* As long as the process lives: also those of a configuration that it had, for its sessions name
 * them; but not without bound, and also one that was removed and made anew. */
static void what_is_published_is_held(void **state)
{
    enum { LATER = NAMES_HELD + 5 };
    char first[sizeof(path)], later[LATER][sizeof(path)];

    (void)state;
    snprintf(first, sizeof(first), "/dev/shm/%s.names.%08" PRIx32, config.ring, publish());
    strcpy(path, first);
    assert_true(is_held());
    assert_int_equal(unlink(path), 0);
    publish();
    assert_true(is_held());
    for (uint32_t i = 0; i < LATER; i++) {
        ports = (struct ports){.count = 1};
        ports.port[0].ifindex = i + 1;
        snprintf(later[i], sizeof(later[i]), "/dev/shm/%s.names.%08" PRIx32, config.ring,
                 publish());
        strcpy(path, first);
        assert_int_equal(is_held(), i + 1 < NAMES_HELD);
        strcpy(path, later[i]);
        assert_true(is_held());
    }
    for (uint32_t i = 0; i < LATER; i++)
        unlink(later[i]);
    ports = (struct ports){0};
    strcpy(path, first);
    publish();
}

/* What --check asks: as many as a start leaves out, and nothing is written. */
static void a_check_tells_what_a_start_leaves_out(void **state)
{
    enum { POLICIES = 9000 };
    static struct policy many[POLICIES];
    size_t left_out;
    glob_t found;

    (void)state;
    assert_int_equal(names_check(&config), 0);
    for (unsigned i = 0; i < POLICIES; i++) {
        many[i].id = 1 + i;
        snprintf(many[i].name, sizeof(many[i].name), "p%u", i);
    }
    config.rules.policy = many;
    config.rules.policy_count = POLICIES;
    assert_int_equal(glob("/dev/shm/names-check*", 0, NULL, &found), GLOB_NOMATCH);
    snprintf(config.ring, sizeof(config.ring), "names-check-%d", (int)getpid());
    assert_true(names_check(&config) > 0);
    assert_int_equal(glob("/dev/shm/names-check*", 0, NULL, &found), GLOB_NOMATCH);
    assert_true(names_publish(&config, &ports, &left_out) != 0);
    assert_int_equal(names_check(&config), left_out);
    assert_int_equal(glob("/dev/shm/names-check*", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++)
        unlink(found.gl_pathv[i]);
    globfree(&found);
    config.rules.policy_count = 0;
}

static int setup(void **state)
{
    static struct zone zone = {.name = "trust"};

    (void)state;
    snprintf(config.ring, sizeof(config.ring), "evrep-test-%d", getpid());
    config.rules.zone[0] = zone;
    config.rules.zone_count = 1;
    snprintf(path, sizeof(path), "/dev/shm/%s.names.%08" PRIx32, config.ring, publish());
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

static void what_is_there_is_not_trusted(void **state)
{
    (void)state;
    expect_ours();
    put("z 1 FORGED\np 0 default-deny\n", 0600);
    assert_true(publish() != 0);
    expect_ours();
    put("z 1 trust\np 0 default-deny\n", 0666); /* It says the same, for now. */
    assert_true(publish() != 0);
    expect_ours();
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 65534, 65534), 0);
        assert_true(publish() != 0);
        expect_ours();
    }
}

static void a_link_is_not_followed(void **state)
{
    char there[] = "/tmp/evrep-names-XXXXXX", text[64] = "";
    int fd = mkstemp(there);

    (void)state;
    assert_int_equal(write(fd, "mine", 4), 4);
    unlink(path);
    assert_int_equal(symlink(there, path), 0);
    assert_true(publish() != 0);
    expect_ours();
    assert_int_equal(pread(fd, text, sizeof(text), 0), 4);
    assert_string_equal(text, "mine");
    close(fd);
    unlink(there);
}

static void nothing_unfinished_stays(void **state)
{
    char pattern[180];
    glob_t g;

    (void)state;
    unlink(path);
    publish();
    snprintf(pattern, sizeof(pattern), "%s.*", path);
    assert_int_equal(glob(pattern, 0, NULL, &g), GLOB_NOMATCH);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_published_is_held),
        TEST(what_is_there_is_not_trusted),
        TEST(a_link_is_not_followed),
        TEST(nothing_unfinished_stays),
        TEST(a_check_tells_what_a_start_leaves_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
