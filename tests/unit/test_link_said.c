/* links: evrep_link_said */
/* What the log says of a link, and how often. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "link_said.h"

#define SECOND 1000000000ull
#define HOUR   (3600 * SECOND)

static int begin(void **state)
{
    static struct link_said said;

    memset(&said, 0, sizeof(said));
    *state = &said;
    return 0;
}

static void a_reason_is_said_once_an_hour(void **state)
{
    uint64_t now = 5 * SECOND;
    unsigned times = 0;

    for (; now < 3 * HOUR; now += SECOND)
        times += link_said_is_news(*state, "wrong key", now);
    assert_int_equal(times, 3);
}

static void two_reasons_by_turns_are_said_once_each(void **state)
{
    unsigned times = 0;

    for (uint64_t now = SECOND; now < HOUR; now += SECOND) {
        times += link_said_is_news(*state, "wrong key", now);
        times += link_said_is_news(*state, "no answer", now);
    }
    assert_int_equal(times, 2);
}

static void ever_new_reasons_fill_no_log(void **state)
{
    unsigned times = 0;
    char reason[300];

    for (uint64_t i = 1; i <= 3600; i++) {
        snprintf(reason, sizeof(reason), "reason %u", (unsigned)i);
        times += link_said_is_news(*state, reason, i * SECOND);
    }
    assert_int_equal(times, LINK_SAID_MAX);
    assert_true(link_said_is_news(*state, "another one", HOUR + SECOND)); /* The oldest went. */
    assert_false(link_said_is_news(*state, "one more", HOUR + SECOND));
}

static void a_long_reason_is_known_again(void **state)
{
    char reason[300];

    memset(reason, 'x', sizeof(reason) - 1);
    reason[sizeof(reason) - 1] = '\0';
    assert_true(link_said_is_news(*state, reason, SECOND));
    assert_false(link_said_is_news(*state, reason, 2 * SECOND));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_reason_is_said_once_an_hour, begin),
        cmocka_unit_test_setup(two_reasons_by_turns_are_said_once_each, begin),
        cmocka_unit_test_setup(ever_new_reasons_fill_no_log, begin),
        cmocka_unit_test_setup(a_long_reason_is_known_again, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
