/* test_rate.c - the search for a size, the ladder of qualities, the masking of busy places. */
#include <stdlib.h>

#include "base/rng.h"
#include "engine/engine.h"
#include "engine/ladder.h"
#include "engine/masking.h"
#include "engine/rate.h"
#include "test.h"
#include "tiny.h"

/* Bytes at a lambda: a power law with a floor, and jitter of +- `jitter`. */
static double bytes_at(double lambda, double slope, double jitter, ts_rng *rng) {
    const double most = 60000, bytes = 300 + most * pow(1 + lambda * 50, slope);
    return floor(bytes * (1 + jitter * (2 * (double)ts_rng_uniform(rng) - 1)));
}

static void test_search_hits(void) {
    static const double TARGETS[] = {1000, 3000, 9000, 20000, 50000}, SLOPES[] = {-0.4, -0.6, -0.9};
    static const double GUESSES[] = {0.01, 1, 300};
    ts_rng rng = ts_rng_new(4, 1);
    int total = 0, count = 0;
    for (size_t t = 0; t < 5; t++)
        for (size_t s = 0; s < 3; s++)
            for (size_t g = 0; g < 3; g++) {
                test_row("target %g slope %g guess %g", TARGETS[t], SLOPES[s], GUESSES[g]);
                ts_rate rate;
                double last = 0;
                ts_rate_begin(&rate, TARGETS[t], GUESSES[g], 0.02, 16);
                while (!rate.done) {
                    last = bytes_at(ts_rate_lambda(&rate), SLOPES[s], 0, &rng);
                    ts_rate_report(&rate, last);
                }
                last = bytes_at(ts_rate_lambda(&rate), SLOPES[s], 0, &rng);
                CHECK(last <= TARGETS[t]);
                CHECK(last >= 0.96 * TARGETS[t]);
                total += rate.tries, count++;
            }
    test_row("%s", "mean tries");
    CHECK(total <= 7 * count);
}

/* With jitter the promise still holds for what was reported. */
static void test_search_with_jitter(void) {
    ts_rng rng = ts_rng_new(5, 1);
    for (int i = 0; i < 40; i++) {
        test_row("run %d", i);
        ts_rate rate;
        ts_rate_begin(&rate, 8000, 1, 0.02, 12);
        while (!rate.done) ts_rate_report(&rate, bytes_at(ts_rate_lambda(&rate), -0.6, 0.01, &rng));
        CHECK(rate.best_bytes <= 8000 && rate.best_bytes > 7600);
        CHECK(rate.x == rate.best);
    }
}

static void test_search_ends(void) {
    ts_rng rng = ts_rng_new(6, 1);
    ts_rate rate;
    ts_rate_begin(&rate, 1e6, 1, 0.02, 16); /* more than there is: all of it */
    while (!rate.done) ts_rate_report(&rate, bytes_at(ts_rate_lambda(&rate), -0.6, 0, &rng));
    CHECK(ts_rate_lambda(&rate) == 0);
    ts_rate_begin(&rate, 100, 1, 0.02, 16); /* less than there is: the smallest */
    while (!rate.done) ts_rate_report(&rate, bytes_at(ts_rate_lambda(&rate), -0.6, 0, &rng));
    CHECK(rate.x == rate.ceiling);
}

static void test_ladder(void) {
    tess_model *model = tiny_model(TINY_CONFIG, 1);
    ts_ladder ladder;
    ts_ladder_of(model, &ladder);
    CHECK_INT(ladder.steps, 3);
    double last = INFINITY;
    for (int q = 0; q <= 100; q++) {
        test_row("quality %d", q);
        const double lambda = ts_ladder_quality(&ladder, q);
        CHECK(lambda < last);
        last = lambda;
    }
    CHECK(last == 0);
    CHECK(ts_ladder_rate(&ladder, 3) > ts_ladder_rate(&ladder, 12));
    /* codes twice as long: every lambda four times as large */
    float *codes = ts_quantizer_codebook(model->quantizer);
    const double before = ts_ladder_quality(&ladder, 60);
    for (int i = 0; i < 3 * 32 * 4; i++) codes[i] *= 2;
    ts_ladder_of(model, &ladder);
    CHECK_NEAR(ts_ladder_quality(&ladder, 60) / before, 4, 1e-6);
    tess_model_free(model);
}

static void test_masking(void) {
    enum { SIDE = 16, DIM = 4 };
    float latents[SIDE * SIDE * DIM], weights[SIDE * SIDE], scaled[SIDE * SIDE];
    ts_rng rng = ts_rng_new(7, 1);
    for (int i = 0; i < SIDE * SIDE; i++) /* the left half is flat, the right half is busy */
        for (int d = 0; d < DIM; d++) latents[i * DIM + d] = (i % SIDE < SIDE / 2 ? 0.05F : 1.0F) * ts_rng_normal(&rng);
    ts_masking(latents, SIDE, SIDE, DIM, weights);
    for (int y = 0; y < SIDE; y++) {
        test_row("row %d", y);
        CHECK(weights[y * SIDE + 3] < 0.9F && weights[y * SIDE + 3] >= 0.4F);
        CHECK(weights[y * SIDE + 12] > 1.1F && weights[y * SIDE + 12] <= 2.5F);
    }
    for (int i = 0; i < SIDE * SIDE * DIM; i++) latents[i] *= 37;
    ts_masking(latents, SIDE, SIDE, DIM, scaled);
    for (int i = 0; i < SIDE * SIDE; i++) CHECK_NEAR(scaled[i], weights[i], 1e-4);
    ts_masking(latents, 1, 1, DIM, weights); /* a lone latent has no neighbours */
    CHECK_NEAR(weights[0], 1, 1e-6);
}

int main(void) {
    RUN(test_search_hits);
    RUN(test_search_with_jitter);
    RUN(test_search_ends);
    RUN(test_ladder);
    RUN(test_masking);
    return test_end();
}
