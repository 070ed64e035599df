/* ticket.c - the lines that tasks wait in at the server. */
#include "steering/server/ticket.h"

#include <stdlib.h>

enum { STALE_MIN = 64 };

/* ---- heaps --------------------------------------------------------------------------------------- */

int skepi_before_by_priority(const struct skepi_ticket *a, const struct skepi_ticket *b)
{
    if (a->priority != b->priority)
        return a->priority > b->priority;
    return a->order < b->order;
}

int skepi_before_by_deadline(const struct skepi_ticket *a, const struct skepi_ticket *b)
{
    return a->record->deadline_ns < b->record->deadline_ns;
}

static void set(struct skepi_heap *heap, size_t place, struct skepi_ticket *ticket)
{
    heap->tickets[place] = ticket;
    if (heap->keeps_places)
        ticket->place = place;
}

static void rise(struct skepi_heap *heap, size_t place)
{
    struct skepi_ticket *ticket = heap->tickets[place];

    for (; place > 1 && heap->before(ticket, heap->tickets[place / 2]); place /= 2)
        set(heap, place, heap->tickets[place / 2]);
    set(heap, place, ticket);
}

static void sink(struct skepi_heap *heap, size_t place)
{
    struct skepi_ticket *ticket = heap->tickets[place];
    size_t child;

    while ((child = place * 2) <= heap->n) {
        if (child < heap->n && heap->before(heap->tickets[child + 1], heap->tickets[child]))
            child++;
        if (!heap->before(heap->tickets[child], ticket))
            break;
        set(heap, place, heap->tickets[child]);
        place = child;
    }
    set(heap, place, ticket);
}

int skepi_heap_add(struct skepi_heap *heap, struct skepi_ticket *ticket)
{
    size_t room = heap->room == 0 ? 64 : heap->room * 2;
    struct skepi_ticket **more;

    if (heap->n + 1 >= heap->room) {
        if ((more = realloc(heap->tickets, room * sizeof(struct skepi_ticket *))) == NULL)
            return SKEP_ENOMEM;
        heap->tickets = more;
        heap->room = room;
    }
    set(heap, ++heap->n, ticket);
    rise(heap, heap->n);
    return SKEP_OK;
}

struct skepi_ticket *skepi_heap_first(const struct skepi_heap *heap)
{
    return heap->n == 0 ? NULL : heap->tickets[1];
}

void skepi_heap_remove(struct skepi_heap *heap, size_t place)
{
    struct skepi_ticket *last = heap->tickets[heap->n--];

    if (heap->keeps_places)
        heap->tickets[place]->place = 0;
    if (place > heap->n)
        return;
    set(heap, place, last);
    rise(heap, place);
    sink(heap, place);
}

void skepi_heap_fini(struct skepi_heap *heap)
{
    free(heap->tickets);
    heap->tickets = NULL;
    heap->n = heap->room = 0;
}

/* ---- lines --------------------------------------------------------------------------------------- */

void skepi_line_init(struct skepi_line *line)
{
    *line = (struct skepi_line){.others = {.before = skepi_before_by_priority}};
}

static void count(struct skepi_line *line, const struct skepi_ticket *ticket)
{
    line->n++;
    line->bytes += ticket->record->message.length;
}

static void uncount(struct skepi_line *line, const struct skepi_ticket *ticket)
{
    line->n--;
    line->bytes -= ticket->record->message.length;
}

int skepi_line_add(struct skepi_line *line, struct skepi_ticket *ticket)
{
    ticket->next = NULL;
    if (ticket->priority != 0) {
        if (skepi_heap_add(&line->others, ticket) != SKEP_OK)
            return SKEP_ENOMEM;
    } else {
        *(line->first == NULL ? &line->first : &line->last->next) = ticket;
        line->last = ticket;
    }
    count(line, ticket);
    return SKEP_OK;
}

int skepi_line_return(struct skepi_line *line, struct skepi_ticket *ticket)
{
    if (ticket->priority != 0)
        return skepi_line_add(line, ticket);
    ticket->next = line->first;
    if (line->first == NULL)
        line->last = ticket;
    line->first = ticket;
    count(line, ticket);
    return SKEP_OK;
}

void skepi_line_forget(struct skepi_line *line, const struct skepi_ticket *ticket)
{
    uncount(line, ticket);
    line->stale++;
}

static int is_stale(const struct skepi_ticket *ticket)
{
    return ticket->state == SKEPI_TICKET_ANSWERED;
}

struct skepi_ticket *skepi_line_purge(struct skepi_line *line)
{
    struct skepi_ticket *out = NULL, *ticket, **here = &line->first;
    size_t kept = 0;

    if (line->stale < STALE_MIN || line->stale < line->n)
        return NULL;
    line->last = NULL;
    while ((ticket = *here) != NULL) {
        if (is_stale(ticket)) {
            *here = ticket->next;
            ticket->next = out;
            out = ticket;
        } else {
            line->last = ticket;
            here = &ticket->next;
        }
    }
    for (size_t i = 1; i <= line->others.n; i++) {
        ticket = line->others.tickets[i];
        if (is_stale(ticket)) {
            ticket->next = out;
            out = ticket;
        } else {
            line->others.tickets[++kept] = ticket;
        }
    }
    line->others.n = 0;
    for (size_t i = 1; i <= kept; i++) /* there is room: each goes where one was */
        (void)skepi_heap_add(&line->others, line->others.tickets[i]);
    line->stale = 0;
    return out;
}

struct skepi_ticket *skepi_line_take(struct skepi_line *line)
{
    struct skepi_ticket *urgent = skepi_heap_first(&line->others), *ticket = line->first;

    if (urgent != NULL && (ticket == NULL || urgent->priority > 0)) {
        skepi_heap_remove(&line->others, 1);
        ticket = urgent;
    } else if (ticket != NULL) {
        line->first = ticket->next;
    }
    if (ticket != NULL && ticket->state == SKEPI_TICKET_WAITING)
        uncount(line, ticket);
    else if (ticket != NULL)
        line->stale--;
    return ticket;
}

void skepi_line_fini(struct skepi_line *line)
{
    skepi_heap_fini(&line->others);
}
