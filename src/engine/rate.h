/* rate.h - finds the lambda whose file is as large as allowed: a bracketed secant search on log lambda. */
#ifndef TS_ENGINE_RATE_H
#define TS_ENGINE_RATE_H

#include <stdbool.h>

typedef struct ts_rate {
    double target;    /* bytes, at most */
    double tolerance; /* a size in [target * (1 - tolerance), target] is good */
    double low, high; /* log2 lambda whose size is over the target; whose size is within it */
    double low_bytes, high_bytes;
    double best, best_bytes; /* of all that fitted, the largest: sizes are not quite monotonic */
    bool has_low, has_high;
    double x;              /* log2 lambda to try next */
    double floor, ceiling; /* of x; at the floor lambda counts as 0 */
    double slope;          /* d log bytes / d log lambda, as far as known */
    int tries, most;
    bool done;
} ts_rate;

/* Starts a search for at most `target` bytes near lambda `guess`. */
void ts_rate_begin(ts_rate *rate, double target, double guess, double tolerance, int most);
/* The same for a size that is measured in another way: keeps what is known of the slope, forgets the bracket. */
void ts_rate_again(ts_rate *rate, double target, double guess, double tolerance);
double ts_rate_lambda(const ts_rate *rate);
/* Takes the size that ts_rate_lambda gave; sets the next x, or done. When done, x is the best within the target (or the
 * smallest file that there is). */
void ts_rate_report(ts_rate *rate, double bytes);

#endif
