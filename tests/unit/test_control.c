/* links: evrep_control */
/* Requests on the operator's socket. */
#include "control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int parse(const char *text, struct control_request *r, const char **why)
{
    return control_parse(text, strlen(text), r, why);
}

static void test_a_request(void **state)
{
    struct control_request r;
    const char *why;

    (void)state;
    assert_int_equal(
        parse("{\"command\": \"failover\", \"args\": [\"1\", \"--to\", \"0\"]}", &r, &why), 0);
    assert_string_equal(r.command, "failover");
    assert_int_equal(r.argc, 3);
    assert_string_equal(r.argv[1], "--to");
    control_parse_free(&r);
    assert_int_equal(parse("{\"command\": \"cluster\"}", &r, &why), 0);
    assert_int_equal(r.argc, 0);
    control_parse_free(&r);
}

static void test_what_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "null",
        "[]",
        "watermark",
        "{\"command\": 7}",
        "{\"command\": \"a\", \"command\": \"b\"}",
        "{\"command\": \"a\"} {\"command\": \"b\"}",
        "{\"command\": \"a\", \"args\": {}}",
        "{\"command\": \"a\", \"args\": [1]}",
        "{\"command\": \"a\\u0000b\"}",
        "{\"command\": \"a\", \"args\": [\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"]}",
    };
    struct control_request r;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *why = NULL;

        assert_int_equal(parse(bad[i], &r, &why), -1);
        assert_non_null(why);
        assert_null(r.root);
    }
}

static void test_numbers(void **state)
{
    static const char *const bad[] = {
        "", "-1", "+1", " 1", "1 ", "0x1", "128", "4294967297", "99999999999999999999", "1.0"};
    unsigned v;

    (void)state;
    assert_true(control_number("127", 127, &v) && v == 127);
    assert_true(control_number("0", 127, &v) && v == 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(control_number(bad[i], 127, &v));
    assert_false(control_number(NULL, 127, &v));
}

static void test_positions(void **state)
{
    static const char *const bad[] = {"",
                                      "0/12",
                                      "0/12/",
                                      "/12/1",
                                      "0/12/0",
                                      "0/12/1/",
                                      "0/12/1!",
                                      "2/12/1",
                                      "-1/12/1",
                                      "0/-1/1",
                                      "0/+1/1",
                                      "0/ 1/1",
                                      "0//1",
                                      "4294967296/12/1",
                                      "0/4294967308/1",
                                      "0/12/4294967297",
                                      "0/12/18446744073709551617",
                                      "0/12/99999999999999999999999999"};
    unsigned origin, epoch, sequence;

    (void)state;
    assert_true(control_position("1/4294967295/7", &origin, &epoch, &sequence));
    assert_true(origin == 1 && epoch == UINT32_MAX && sequence == 7);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (control_position(bad[i], &origin, &epoch, &sequence))
            fail_msg("taken for a position: \"%s\"", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_positions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
