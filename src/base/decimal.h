/* decimal.h - decimal numbers to doubles, correctly rounded whatever the C library and the locale; a tenth of the code of
 * strtod, which counts in a download. */
#ifndef TS_BASE_DECIMAL_H
#define TS_BASE_DECIMAL_H

#include <stddef.h>

#define TS_DECIMAL_LENGTH 64 /* characters at most */

/* The double nearest to a number of JSON's grammar (-12.5e-3), ties to even; too large a number is infinite. */
double ts_decimal(const char *text, size_t length);

#endif
