/* status.h - how internal functions report failure.
 *
 * A fallible function returns a tess_status and takes a `ts_error *err` (may be NULL) that receives one sentence
 * naming the fault and the cure. Idiom:  if (bad) return ts_fail(err, TESS_ERR_FORMAT, "Tile %d ends early.", i);
 */
#ifndef TS_BASE_STATUS_H
#define TS_BASE_STATUS_H

#include "tesserae.h"

typedef struct ts_error {
    char text[256]; /* always terminated; longer sentences are cut */
} ts_error;

#if defined(__GNUC__)
#define TS_PRINTF(format_arg, first_arg) __attribute__((format(printf, format_arg, first_arg)))
#else
#define TS_PRINTF(format_arg, first_arg)
#endif

/* Writes the sentence into err (if not NULL) and returns code, so that a failure is one return statement. */
tess_status ts_fail(ts_error *err, tess_status code, const char *format, ...) TS_PRINTF(3, 4);

/* The sentence for a failed allocation of `bytes` bytes; returns TESS_ERR_MEMORY. */
tess_status ts_fail_memory(ts_error *err, size_t bytes);

/* "OK", "MORE", "ERR_FORMAT" ...; "UNKNOWN" for a code out of range. Never NULL. */
const char *ts_status_name(tess_status code);

#endif
