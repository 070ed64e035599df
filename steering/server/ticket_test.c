/* ticket_test.c - the order in which tasks leave the lines that they wait in. */
#include "steering/server/ticket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

enum { N = 500 };

struct waiting {
    struct skepi_ticket ticket;
    struct skepi_record record;
};

static void init(struct waiting *w, uint64_t order, int priority, uint64_t deadline_ns)
{
    *w = (struct waiting){.ticket = {.order = order, .priority = priority},
                          .record = {.priority = priority, .deadline_ns = deadline_ns}};
    w->record.message.length = 200;
    w->ticket.record = &w->record;
}

static void first_come_first_served(void **state)
{
    struct waiting w[5];
    struct skepi_line line;

    (void)state;
    skepi_line_init(&line);
    assert_null(skepi_line_take(&line));
    for (unsigned i = 0; i < 5; i++) {
        init(&w[i], i, 0, 0);
        assert_int_equal(skepi_line_add(&line, &w[i].ticket), SKEP_OK);
    }
    assert_int_equal(line.n, 5);
    assert_int_equal(line.bytes, 1000);
    assert_ptr_equal(skepi_line_take(&line), &w[0].ticket);
    assert_ptr_equal(skepi_line_take(&line), &w[1].ticket);
    skepi_line_return(&line, &w[1].ticket);
    skepi_line_return(&line, &w[0].ticket);
    for (int i = 0; i < 5; i++)
        assert_ptr_equal(skepi_line_take(&line), &w[i].ticket);
    assert_int_equal(line.n, 0);
    assert_int_equal(line.bytes, 0);
    init(&w[0], 9, 0, 0);
    skepi_line_return(&line, &w[0].ticket);
    skepi_line_add(&line, &w[1].ticket);
    assert_ptr_equal(skepi_line_take(&line), &w[0].ticket);
    assert_ptr_equal(skepi_line_take(&line), &w[1].ticket);
    skepi_line_fini(&line);
}

static void priorities(void **state)
{
    static struct waiting w[N];
    struct skepi_line line;
    struct skepi_ticket *last = NULL, *next;

    (void)state;
    srandom(7);
    skepi_line_init(&line);
    for (unsigned i = 0; i < N; i++) {
        init(&w[i], i, (int)(random() % 9) - 4, 0);
        assert_int_equal(skepi_line_add(&line, &w[i].ticket), SKEP_OK);
    }
    for (unsigned i = 0; i < N; i++, last = next) {
        assert_non_null(next = skepi_line_take(&line));
        if (last == NULL)
            continue;
        assert_true(last->record->priority >= next->record->priority);
        if (last->record->priority == next->record->priority)
            assert_true(last->order < next->order);
    }
    assert_null(skepi_line_take(&line));
    assert_int_equal(line.n, 0);
    skepi_line_fini(&line);
}

/* Deadlines: the nearest first, whatever is removed from the middle. */
static void heap_with_removals(void **state)
{
    static struct waiting w[N];
    struct skepi_heap heap = {.before = skepi_before_by_deadline, .keeps_places = 1};
    uint64_t last = 0;
    size_t left = N;

    (void)state;
    srandom(11);
    for (unsigned i = 0; i < N; i++) {
        init(&w[i], i, 0, (uint64_t)random() % 1000 + 1);
        assert_int_equal(skepi_heap_add(&heap, &w[i].ticket), SKEP_OK);
        assert_true(w[i].ticket.place > 0);
    }
    for (unsigned i = 0; i < N; i += 3, left--) {
        skepi_heap_remove(&heap, w[i].ticket.place);
        assert_int_equal(w[i].ticket.place, 0);
    }
    for (; left > 0; left--) {
        struct skepi_ticket *first = skepi_heap_first(&heap);

        assert_true(first->record->deadline_ns >= last);
        assert_true(first->order % 3 != 0);
        last = first->record->deadline_ns;
        skepi_heap_remove(&heap, first->place);
    }
    assert_null(skepi_heap_first(&heap));
    skepi_heap_fini(&heap);
}

/* A task whose deadline passed in the line comes out, but does not count. */
static void answered_in_the_line(void **state)
{
    struct waiting w[2];
    struct skepi_line line;

    (void)state;
    skepi_line_init(&line);
    for (unsigned i = 0; i < 2; i++) {
        init(&w[i], i, 0, 0);
        skepi_line_add(&line, &w[i].ticket);
    }
    skepi_move(&skepi_ticket_machine, &w[0].ticket.state, SKEPI_TICKET_ANSWERED);
    skepi_line_forget(&line, &w[0].ticket);
    assert_int_equal(line.n, 1);
    assert_ptr_equal(skepi_line_take(&line), &w[0].ticket);
    assert_int_equal(line.n, 1);
    assert_ptr_equal(skepi_line_take(&line), &w[1].ticket);
    assert_int_equal(line.n, 0);
    skepi_line_fini(&line);
}

/* Tasks that were answered where they stand do not pile up there, and those between them keep their order. */
static void purges(void **state)
{
    static struct waiting w[N];
    struct skepi_ticket *out = NULL, *last = NULL, *ticket;
    struct skepi_line line;
    unsigned n = 0;

    (void)state;
    skepi_line_init(&line);
    for (unsigned i = 0; i < N; i++) {
        init(&w[i], i, (int)(i % 2), 0);
        assert_int_equal(skepi_line_add(&line, &w[i].ticket), SKEP_OK);
    }
    for (unsigned i = 0; i < N && out == NULL; i++) {
        if (i % 10 == 0)
            continue;
        skepi_line_forget(&line, &w[i].ticket);
        skepi_move(&skepi_ticket_machine, &w[i].ticket.state, SKEPI_TICKET_ANSWERED);
        w[i].ticket.record = NULL; /* it is gone by then */
        out = skepi_line_purge(&line);
    }
    assert_non_null(out);
    for (; out != NULL; out = out->next, n++)
        assert_int_equal(out->state, SKEPI_TICKET_ANSWERED);
    assert_int_equal(line.n, N - n);
    for (unsigned i = 0; i < N - n; i++) {
        assert_non_null(ticket = skepi_line_take(&line));
        assert_int_equal(ticket->state, SKEPI_TICKET_WAITING);
        if (last != NULL && last->priority == ticket->priority)
            assert_true(last->order < ticket->order);
        last = ticket;
    }
    assert_null(skepi_line_take(&line));
    assert_int_equal(line.n, 0);
    assert_int_equal(line.bytes, 0);
    skepi_line_fini(&line);
}

static void silent(int level, const char *component, const char *text, void *arg)
{
    (void)component;
    (void)text;
    *(int *)arg = level;
}

static void states(void **state)
{
    int s = SKEPI_TICKET_WAITING, logged = -1;

    (void)state;
    assert_int_equal(skepi_move(&skepi_ticket_machine, &s, SKEPI_TICKET_GIVEN), SKEP_OK);
    assert_int_equal(skepi_move(&skepi_ticket_machine, &s, SKEPI_TICKET_WAITING), SKEP_OK);
    assert_int_equal(skepi_move(&skepi_ticket_machine, &s, SKEPI_TICKET_ANSWERED), SKEP_OK);
    skep_log_to(silent, &logged);
    assert_int_equal(skepi_move(&skepi_ticket_machine, &s, SKEPI_TICKET_WAITING), SKEP_EINTERNAL);
    skep_log_to(NULL, NULL);
    assert_int_equal(logged, SKEP_LOG_ERROR);
    assert_int_equal(s, SKEPI_TICKET_ANSWERED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_come_first_served), cmocka_unit_test(priorities), cmocka_unit_test(heap_with_removals),
        cmocka_unit_test(answered_in_the_line),    cmocka_unit_test(purges),     cmocka_unit_test(states),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
