/* rate.c - a bracketed secant search on log lambda against log bytes.
 *
 * Bytes fall with lambda, roughly as a power of it, so that in logarithms the curve is nearly straight: three or four
 * tries are usual. A step that would stay at one end of the bracket is replaced by bisection.
 */
#include "engine/rate.h"

#include <math.h>

static const double SLOPE = -0.55; /* usual */

void ts_rate_begin(ts_rate *rate, double target, double guess, double tolerance, int most) {
    *rate = (ts_rate){.target = target, .tolerance = tolerance, .most = most, .slope = SLOPE};
    rate->x = log2(guess);
    rate->floor = rate->x - 20;
    rate->ceiling = rate->x + 20;
}

void ts_rate_again(ts_rate *rate, double target, double guess, double tolerance) {
    const double slope = rate->slope;
    ts_rate_begin(rate, target, guess, tolerance, rate->most);
    rate->slope = slope;
}

double ts_rate_lambda(const ts_rate *rate) { return rate->x <= rate->floor ? 0 : exp2(rate->x); }

/* The bracket's straight line at the target, kept off its ends. */
static double between(const ts_rate *rate, double aim) {
    const double a = log2(rate->low_bytes / aim), b = log2(rate->high_bytes / aim); /* a > 0 >= b */
    const double t = a - b > 1e-9 ? a / (a - b) : 0.5;
    const double kept = rate->tries % 4 == 3 ? 0.5 : fmin(fmax(t, 0.08), 0.92);
    return rate->low + kept * (rate->high - rate->low);
}

void ts_rate_report(ts_rate *rate, double bytes) {
    const bool fits = bytes <= rate->target;
    rate->tries++;
    if (fits && bytes > rate->best_bytes) rate->best = rate->x, rate->best_bytes = bytes;
    if (fits) {
        rate->high = rate->x, rate->high_bytes = bytes, rate->has_high = true;
    } else {
        rate->low = rate->x, rate->low_bytes = bytes, rate->has_low = true;
    }
    if (rate->has_low && rate->has_high && rate->high - rate->low > 0.02) {
        const double slope = log2(rate->high_bytes / rate->low_bytes) / (rate->high - rate->low);
        rate->slope = fmin(fmax(slope, 2 * SLOPE), 0.2 * SLOPE);
    }
    /* the choice is greedy, so that sizes jitter a little: settle for less with every try */
    const double tolerance = rate->tolerance * fmin(1 + 0.25 * (rate->tries - 1), 1.75);
    const bool good = fits && bytes >= rate->target * (1 - tolerance);
    const bool stuck = (fits && rate->x <= rate->floor) || (!fits && rate->x >= rate->ceiling);
    const bool narrow = rate->has_low && rate->has_high && rate->high - rate->low < 1e-3;
    if (good || stuck || narrow || rate->tries >= rate->most) {
        rate->done = true;
        rate->x = rate->has_high ? rate->best : rate->ceiling;
        return;
    }
    const double aim = rate->target * (1 - 0.6 * rate->tolerance);
    if (rate->has_low && rate->has_high) {
        rate->x = between(rate, aim);
        return;
    }
    /* one side only: go where the usual slope crosses the target, and a little further each time */
    const double step = log2(aim / bytes) / rate->slope * (1 + 0.5 * (rate->tries - 1));
    rate->x += fits ? fmin(step, -0.05) : fmax(step, 0.05);
    rate->x = fmin(fmax(rate->x, rate->floor), rate->ceiling);
}
