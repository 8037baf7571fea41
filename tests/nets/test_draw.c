/* Drawing codes: shares as probabilities say, what top-k and top-p leave, and ends of the temperature. */
#include <stdbool.h>

#include "test.h"

#include "nets/draw.h"

enum { N = 5, DRAWS = 20000 };
static const float logits[N] = {1, 3, 2, 3, -1};

static void shares(const ts_draw *draw, double share[N]) {
    int room[N], count[N] = {0};
    ts_rng rng = ts_rng_new(3, 1);
    for (int i = 0; i < DRAWS; i++) {
        const int k = ts_draw_code(logits, N, draw, &rng, room);
        if (CHECK(k >= 0 && k < N)) count[k]++;
    }
    for (int k = 0; k < N; k++) share[k] = (double)count[k] / DRAWS;
}

static void test_shares(void) {
    static const struct {
        ts_draw draw;
        bool left[N];
    } rows[] = {
        {{1, 0, 1}, {1, 1, 1, 1, 1}},   {{0.5, 0, 1}, {1, 1, 1, 1, 1}}, {{3, 5, 1}, {1, 1, 1, 1, 1}},
        {{1, 2, 1}, {0, 1, 0, 1, 0}},   {{1, 1, 1}, {0, 1, 0, 0, 0}},   {{1, 0, 0.5}, {0, 1, 0, 1, 0}},
        {{1, 0, 0.9}, {0, 1, 1, 1, 0}}, {{1, 0, 0}, {0, 1, 0, 0, 0}},   {{2, 3, 0.99}, {0, 1, 1, 1, 0}},
        {{1, 2, 0.4}, {0, 1, 0, 0, 0}}, /* of the two that top-k leaves the first has a half */
        {{1, 99, 1}, {1, 1, 1, 1, 1}},
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        double share[N], want[N], total = 0;
        const ts_draw *d = &rows[r].draw;
        test_row("temperature %g, top_k %d, top_p %g", d->temperature, d->top_k, d->top_p);
        for (int k = 0; k < N; k++) total += want[k] = rows[r].left[k] ? exp(logits[k] / d->temperature) : 0;
        shares(d, share);
        for (int k = 0; k < N; k++) CHECK_NEAR(share[k], want[k] / total, want[k] > 0 ? 0.02 : 0);
    }
}

static void test_ends(void) {
    double share[N];
    shares(&(ts_draw){0, 0, 1}, share);
    CHECK_NEAR(share[1], 1, 0);
    shares(&(ts_draw){1e-6, 0, 1}, share);
    CHECK_NEAR(share[1] + share[3], 1, 0);
    shares(&(ts_draw){100, 0, 1}, share);
    for (int k = 0; k < N; k++) CHECK_NEAR(share[k], 0.2, 0.02);
    CHECK_INT(ts_draw_largest(logits, N), 1);
    CHECK_INT(ts_draw_largest(logits, 1), 0);
    const float large[2] = {3e38f, -3e38f};
    int room[2];
    ts_rng rng = ts_rng_new(1, 1);
    CHECK_INT(ts_draw_code(large, 2, &(ts_draw){1, 0, 1}, &rng, room), 0);
}

/* One number of the generator for each draw, whatever the options: other options do not shift later draws. */
static void test_stream(void) {
    static const ts_draw draws[] = {{1, 0, 1}, {0, 0, 1}, {1, 2, 0.5}};
    ts_rng first = ts_rng_new(9, 1);
    ts_rng_u32(&first);
    for (size_t i = 0; i < 3; i++) {
        int room[N];
        ts_rng rng = ts_rng_new(9, 1);
        ts_draw_code(logits, N, &draws[i], &rng, room);
        CHECK(rng.state == first.state);
    }
}

static void test_log(void) {
    double total = 0, sum = 0;
    for (int k = 0; k < N; k++) total += exp(logits[k]);
    for (int k = 0; k < N; k++) {
        CHECK_NEAR(ts_draw_log(logits, N, k), logits[k] - log(total), 1e-12);
        sum += exp(ts_draw_log(logits, N, k));
    }
    CHECK_NEAR(sum, 1, 1e-12);
    float odds[N];
    memcpy(odds, logits, sizeof odds);
    ts_draw_odds(odds, N, odds); /* over the logits */
    for (int k = 0; k < N; k++) CHECK_NEAR(odds[k], exp(logits[k]) / total, 1e-7);
}

int main(void) {
    RUN(test_shares);
    RUN(test_ends);
    RUN(test_stream);
    RUN(test_log);
    return test_end();
}
