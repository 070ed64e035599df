/* models_test.c - the budget of the objects that a worker keeps. */
#include "steering/worker/models.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

/* Objects that are passed on without being resolved count too: they do not pile up. */
static void unresolved_ones_count(void **state)
{
    enum { N = 1000, BUDGET = 100 << 10 };
    struct skepi_models models;
    skep_policy *policy;
    skep_proxy *proxy;
    skep_error err;
    char handle[128];

    (void)state;
    assert_int_equal(skep_policy_parse("shm:", &policy, &err), SKEP_OK);
    skepi_models_init(&models, BUDGET);
    for (int i = 0; i < N; i++) {
        snprintf(handle, sizeof handle, "shm://models-test#k=00000000-0000-4000-8000-%012d", i);
        if (skepi_models_get(&models, handle, policy, 0, NULL, &proxy, &err) != SKEP_OK)
            fail_msg("%s", err.text);
        skepi_models_task_ended(&models);
    }
    assert_in_range(models.used, BUDGET / 2, BUDGET);
    skepi_models_fini(&models);
    skep_policy_unref(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(unresolved_ones_count)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
