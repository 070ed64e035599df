/* skep/api.h - what every public header needs: export marks, version, and the four words they share.
 *
 * Units    sizes in bytes; times in nanoseconds of skep_now_ns(). A `by_ns` is an absolute deadline:
 *          0 = do not wait, SKEP_FOREVER = no limit.
 * Errors   an int result is SKEP_OK or a negative SKEP_E*. Outputs are written only on success.
 *          A skep_error argument may be NULL; else it is set if, and only if, the call fails.
 * Threads  [any] all threads at once   [one] one thread at a time per object   [own] its creator only.
 * Owners   _open/_close and _new/_free pair. _ref/_unref count. `take`: you must release what you get.
 *          `lend`: valid until the event named beside it. Giving away is `T **`, which is set to NULL
 *          whether or not the call succeeds. Every _free, _close and _unref accepts NULL.
 * Structs  that callers fill begin with `size` and have an _INIT macro: an older caller's missing tail
 *          reads as the initialiser's value.
 */
#ifndef SKEP_API_H
#define SKEP_API_H

#define SKEP_VERSION        "0.1.0"
#define SKEP_VERSION_NUMBER 100 /* major * 10000 + minor * 100 + patch */

#if defined(__GNUC__)
#define SKEP_API                __attribute__((visibility("default")))
#define SKEP_NODISCARD          __attribute__((warn_unused_result))
#define SKEP_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#else
#define SKEP_API
#define SKEP_NODISCARD
#define SKEP_PRINTF(fmt, first)
#endif

/* clang-format off */
#define SKEP_INIT(...) {__VA_ARGS__} /* what an _INIT macro stands for */
/* clang-format on */

#ifdef __cplusplus
#define SKEP_BEGIN_DECLS extern "C" {
#define SKEP_END_DECLS   }
#else
#define SKEP_BEGIN_DECLS
#define SKEP_END_DECLS
#endif

#endif
