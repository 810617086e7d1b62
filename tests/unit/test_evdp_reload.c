/* links: evdp_service */
/* What SIGHUP cannot change is refused by its name; all else is taken. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "service.h"

#define HEAD "ring = \"t\"\nnode = 0\nzone \"a\" { }\nzone \"b\" { }\n"
#define WIRE "left = \"l\" right = \"r\" left-zone = \"a\" right-zone = \"b\" "

const char service_name[] = "test";

static void load(struct evdp_config *c, const char *text)
{
    char path[] = "/tmp/evdp-reload-XXXXXX", err[512];
    FILE *f = fdopen(mkstemp(path), "w");

    assert_non_null(f);
    fprintf(f, HEAD "%s", text);
    fclose(f);
    if (evdp_config_load(c, path, err, sizeof(err)) != 0)
        fail_msg("%s", err);
    unlink(path);
}

static void what_cannot_change_is_named(void **unused)
{
    static const struct {
        const char *text, *said;
    } next[] = {
        {"wire \"w\" { " WIRE "}", NULL},
        {"wire \"w\" { " WIRE "redundancy-group = 1 }", NULL},
        {"wire \"w\" { " WIRE "redundancy-group = 2 }", "the redundancy group of a wire"},
        {"redundancy-group = 3 wire \"w\" { " WIRE "}", "the redundancy group of a wire"},
        {"redundancy-group = 3 wire \"w\" { " WIRE "redundancy-group = 1 }", NULL},
        {"wire \"w\" { left = \"m\" right = \"r\" left-zone = \"a\" right-zone = \"b\" }",
         "the interfaces of a wire"},
        {"wire \"w\" { left = \"l\" right = \"s\" left-zone = \"a\" right-zone = \"b\" }",
         "the interfaces of a wire"},
        {"wire \"w\" { " WIRE "} wire \"x\" { left = \"m\" right = \"n\" left-zone = \"a\" "
         "right-zone = \"b\" }",
         "the number of wires"},
        {"queues = 2 wire \"w\" { " WIRE "}", "'queues'"},
        {"sessions = 2048 wire \"w\" { " WIRE "}", "'sessions'"},
        {"mode = generic wire \"w\" { " WIRE "}", "'mode'"},
        {"event-rate = 7 tcp-syn-check = true wire \"w\" { " WIRE "}", NULL},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(next) / sizeof(next[0]); i++) {
        struct evdp_config old, new;
        const char *said;

        load(&old, next[0].text);
        load(&new, next[i].text);
        said = service_fixed(&old, &new, BACKEND_AF_XDP);
        if (next[i].said == NULL)
            assert_null(said);
        else
            assert_string_equal(said, next[i].said);
        evdp_config_free(&old);
        evdp_config_free(&new);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_cannot_change_is_named)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
