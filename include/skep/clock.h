/* skep/clock.h - deadlines.
 *
 * Units    nanoseconds of CLOCK_MONOTONIC.   Errors  none.   Threads  [any].   Owners  nothing is owned.
 *
 *     rc = skep_proxy_resolve(model, skep_in_ms(500), &data, &size, &err);
 */
#ifndef SKEP_CLOCK_H
#define SKEP_CLOCK_H

#include <skep/api.h>
#include <stdint.h>

SKEP_BEGIN_DECLS

#define SKEP_FOREVER UINT64_MAX

SKEP_API uint64_t skep_now_ns(void);                 /* the clock of every deadline */
SKEP_API uint64_t skep_real_ns(void);                /* nanoseconds since 1970: for time stamps only */
SKEP_API uint64_t skep_in_ms(uint64_t milliseconds); /* a deadline that far from now; saturates */
SKEP_API uint64_t skep_in_ns(uint64_t nanoseconds);  /* the same, finer */

SKEP_END_DECLS
#endif
