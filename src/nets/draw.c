#include "nets/draw.h"

#include <math.h>
#include <stdbool.h>

#define LOG2_E 1.44269504088896340736

static double exponential(double x) { return exp2(x * LOG2_E); }

int ts_draw_largest(const float *logits, int n) {
    int best = 0;
    for (int k = 1; k < n; k++)
        if (logits[k] > logits[best]) best = k;
    return best;
}

double ts_draw_log(const float *logits, int n, int k) {
    const double most = logits[ts_draw_largest(logits, n)];
    double sum = 0;
    for (int i = 0; i < n; i++) sum += exponential(logits[i] - most);
    return logits[k] - most - log2(sum) / LOG2_E;
}

void ts_draw_odds(const float *logits, int n, float *odds) {
    const double most = logits[ts_draw_largest(logits, n)];
    double sum = 0;
    for (int i = 0; i < n; i++) sum += exponential(logits[i] - most);
    for (int i = 0; i < n; i++) odds[i] = (float)(exponential(logits[i] - most) / sum);
}

/* Lets codes[i] of a heap sink to its place: the largest logit on top, the first code if several. */
static void sink(const float *logits, int *codes, int n, int i) {
    for (;;) {
        int top = i;
        for (int child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++) {
            const float a = logits[codes[child]], b = logits[codes[top]];
            if (a > b || (a == b && codes[child] < codes[top])) top = child;
        }
        if (top == i) return;
        const int swap = codes[i];
        codes[i] = codes[top];
        codes[top] = swap;
        i = top;
    }
}

/* Moves the codes that may be drawn to the end of `codes`, the largest logit last; total: the sum over all codes. Returns
 * how many. */
static int take_largest(const float *logits, int n, const ts_draw *draw, double total, double most, int *codes) {
    const bool some = draw->top_k > 0 && draw->top_k < n;
    const int limit = some ? draw->top_k : n;
    double sum = 0;
    int taken = 0, count = 0;
    for (int i = n / 2; i-- > 0;) sink(logits, codes, n, i);
    while (taken < limit && (some || taken == 0 || sum < draw->top_p * total)) {
        const int best = codes[0], last = n - 1 - taken++;
        codes[0] = codes[last];
        codes[last] = best;
        sink(logits, codes, last, 0);
        sum += exponential((logits[best] - most) / draw->temperature);
    }
    if (some) total = sum; /* top_p counts within top_k */
    for (sum = 0; count < taken && (count == 0 || sum < draw->top_p * total); count++)
        sum += exponential((logits[codes[n - 1 - count]] - most) / draw->temperature);
    return count;
}

int ts_draw_code(const float *logits, int n, const ts_draw *draw, ts_rng *rng, int *room) {
    const double u = ts_rng_uniform(rng);
    const int largest = ts_draw_largest(logits, n);
    const double most = logits[largest];
    if (draw->temperature <= 0) return largest;
    double total = 0;
    int count = n;
    const bool all = draw->top_k == 0 && draw->top_p >= 1;
    for (int k = 0; k < n; k++) {
        room[k] = k;
        total += exponential((logits[k] - most) / draw->temperature);
    }
    if (!all) {
        count = take_largest(logits, n, draw, total, most, room);
        total = 0;
        for (int i = n - count; i < n; i++) total += exponential((logits[room[i]] - most) / draw->temperature);
    }
    double left = u * total;
    for (int i = n - 1; i > n - count; i--) {
        left -= exponential((logits[room[i]] - most) / draw->temperature);
        if (left < 0) return room[i];
    }
    return room[n - count];
}
