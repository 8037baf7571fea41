/* The image losses as a graph of their own: what is off costs nothing and pulls nowhere, and the gradient is the total's.
 * Values and gradients against the twin: test_trainer_twin.c. */
#include "test.h"

#include <stdlib.h>

#include "base/rng.h"
#include "engine/image_loss.h"

#define SIDE 16
#define PIXELS ((size_t)2 * SIDE * SIDE * 3)

static ts_image_loss *make(void) {
    static const char json[] =
        "{\"format\":1,\"encoder\":[{\"op\":\"conv\",\"out\":4,\"kernel\":1}],\"decoder\":[{\"op\":\"conv\",\"out\":3,"
        "\"kernel\":1}],\"quantizer\":{\"type\":\"none\",\"dim\":4},\"train\":{\"size\":16,\"batch\":2}}";
    static ts_config config;
    ts_image_loss *loss = NULL;
    CHECK_INT(ts_config_parse(json, sizeof json - 1, &config, NULL), TESS_OK);
    CHECK_INT(ts_image_loss_new(&config, NULL, 1, &loss, NULL), TESS_OK);
    CHECK_INT(ts_image_loss_alloc(loss, NULL, NULL), TESS_OK);
    return loss;
}

static void fill(float *x, uint64_t stream) {
    ts_rng rng = ts_rng_new(8, stream);
    ts_rng_fill_normal(&rng, x, PIXELS, 0.4f);
}

static void test_nothing_on(void) {
    ts_image_loss *loss = make();
    ts_image_losses off = {0}, values;
    float x[PIXELS], y[PIXELS];
    fill(x, 1);
    fill(y, 2);
    for (int round = 0; round < 2; round++) { /* after others left their gradients */
        CHECK_NEAR(ts_image_loss_forward(loss, y, x, &off, &values, NULL), 0, 0);
        CHECK(values.l1 > 0.1 && values.l2 > 0.1 && isnan(values.ms_ssim) && isnan(values.lpips));
        const float *dy = ts_image_loss_backward(loss, NULL);
        for (size_t i = 0; i < PIXELS; i++) CHECK_NEAR(dy[i], 0, 0);
        ts_image_loss_forward(loss, y, x, &(ts_image_losses){1, 1, 1, 0}, &values, NULL);
        ts_image_loss_backward(loss, NULL);
    }
    ts_image_loss_free(loss);
}

static void test_gradient_of_the_total(void) {
    static const ts_image_losses cases[] = {{1, 0, 0, 0}, {0, 2, 0, 0}, {0, 0, 0.7, 0}, {1, 2, 0.5, 0}};
    ts_image_loss *loss = make();
    float x[PIXELS], y[PIXELS], moved[PIXELS], dy[PIXELS];
    fill(x, 1);
    fill(y, 2);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        ts_image_losses values;
        const double h = 0.02, total = ts_image_loss_forward(loss, y, x, &cases[k], &values, NULL);
        double sum = cases[k].l1 * values.l1 + cases[k].l2 * values.l2, norm = 0, at[2];
        test_row("case %d", (int)k);
        if (cases[k].ms_ssim > 0) sum += cases[k].ms_ssim * values.ms_ssim;
        CHECK_NEAR(total, sum, 1e-9);
        memcpy(dy, ts_image_loss_backward(loss, NULL), sizeof dy);
        for (size_t i = 0; i < PIXELS; i++) norm += (double)dy[i] * (double)dy[i];
        norm = sqrt(norm);
        for (int side = 0; side < 2; side++) {
            for (size_t i = 0; i < PIXELS; i++) moved[i] = y[i] + (float)((side ? -h : h) * (double)dy[i] / norm);
            at[side] = ts_image_loss_forward(loss, moved, x, &cases[k], &values, NULL);
        }
        CHECK_NEAR((at[0] - at[1]) / (2 * h), norm, 1e-2 * norm);
    }
    ts_image_loss_free(loss);
}

int main(void) {
    RUN(test_nothing_on);
    RUN(test_gradient_of_the_total);
    return test_end();
}
