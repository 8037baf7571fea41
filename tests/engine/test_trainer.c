/* The trainer: it learns, resumes bit-exactly, survives bad steps, and its model file loads. */
#include "test.h"
#include "tiny.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "engine/trainer.h"
#include "training.h"

/* ---- learning ---------------------------------------------------------------------------------------------------- */

/* One batch over and over: the nets and codes must come to reproduce it. */
static void test_overfits_one_batch(void) {
    for (size_t k = 0; k < TRAINING_CONFIGS; k++) {
        tess_trainer *t = training_new(training_configs[k]);
        double first = 0;
        test_row("config %d", (int)k);
        tess_trainer_set(t, "steps", 100000);
        tess_trainer_set(t, "lr", 0.003);
        training_steps(t, 7); /* codes from data happen in here */
        size_t n = ts_shape_count(ts_graph_shape(t->graph, t->x));
        float *batch = malloc(n * sizeof *batch);
        memcpy(batch, ts_graph_data(t->graph, t->x), n * sizeof *batch);
        for (int i = 0; i < 250; i++) {
            memcpy(ts_graph_data(t->graph, t->x), batch, n * sizeof *batch);
            CHECK_INT(ts_trainer_run(t, t->config.quantizer.levels, 0), TESS_OK);
            if (i == 0) first = t->figures.l2;
        }
        test_check(t->figures.l2 < first / 8, __FILE__, __LINE__, "l2 went from %g to %g", first, t->figures.l2);
        CHECK(tess_trainer_stat(t, "psnr") > 22);
        CHECK(tess_trainer_stat(t, "perplexity") > 4 || t->config.quantizer.levels == 0);
        free(batch);
        tess_trainer_free(t);
    }
}

/* ---- resume ------------------------------------------------------------------------------------------------------ */

static void check_same(const tess_trainer *a, const tess_trainer *b) {
    size_t n = ts_params_floats(a->params) * sizeof(float);
    const ts_quantizer_config *q = &a->config.quantizer;
    size_t codes = (size_t)q->levels * (size_t)q->size;
    CHECK_BYTES(a->values, b->values, n);
    CHECK_BYTES(a->ema, b->ema, n);
    CHECK_BYTES(a->first, b->first, n);
    CHECK_BYTES(a->second, b->second, n);
    CHECK_BYTES(ts_quantizer_codebook(a->quantizer), ts_quantizer_codebook(b->quantizer),
                codes * (size_t)q->dim * sizeof(float));
    CHECK_BYTES(ts_quantizer_bits(a->quantizer), ts_quantizer_bits(b->quantizer), codes * sizeof(float));
    CHECK_BYTES(ts_learner_count(a->learner), ts_learner_count(b->learner), codes * sizeof(float));
    CHECK_BYTES(ts_learner_counts(a->learner, 0), ts_learner_counts(b->learner, 0), (size_t)q->size * sizeof(uint32_t));
    CHECK_INT(a->step, b->step);
}

/* 20 steps in one go, and 20 with a checkpoint taken up by a new trainer at every kind of moment. */
static void test_resume_is_exact(void) {
    static const int cuts[] = {0, 3, 6, 11};
    for (size_t k = 0; k < TRAINING_CONFIGS; k++) {
        for (size_t c = 0; c < 4; c++) {
            tess_trainer *a = training_new(training_configs[k]), *b = training_new(training_configs[k]),
                         *r = tess_trainer_new();
            const uint8_t *bytes = NULL;
            size_t size = 0;
            test_row("config %d, after %d steps", (int)k, cuts[c]);
            training_steps(a, 20);
            training_steps(b, cuts[c]);
            CHECK_INT(tess_trainer_set(b, "l1", 1), TESS_OK);
            CHECK_INT(tess_trainer_checkpoint(b, &bytes, &size), TESS_OK);
            training_pictures(r, 0, 5);
            CHECK_INT(tess_trainer_resume(r, bytes, size), TESS_OK);
            training_steps(r, 20 - cuts[c]);
            check_same(a, r);
            CHECK_NEAR(tess_trainer_stat(r, "images"), 20 * 4, 0);
            tess_trainer_free(a);
            tess_trainer_free(b);
            tess_trainer_free(r);
        }
    }
}

/* Live changes are part of the state. */
static void test_resume_keeps_changes(void) {
    tess_trainer *a = training_new(training_configs[0]), *r = tess_trainer_new();
    const uint8_t *bytes = NULL;
    size_t size = 0;
    CHECK_INT(tess_trainer_set(a, "lr", 0.25), TESS_OK);
    CHECK_INT(tess_trainer_set(a, "batch", 3), TESS_OK);
    CHECK_INT(tess_trainer_set(a, "steps", 77), TESS_OK);
    CHECK_INT(tess_trainer_checkpoint(a, &bytes, &size), TESS_OK);
    CHECK_INT(tess_trainer_resume(r, bytes, size), TESS_OK);
    CHECK_NEAR(r->config.train.lr, 0.25, 0);
    CHECK_INT(r->config.train.batch, 3);
    CHECK_NEAR(tess_trainer_stat(r, "steps"), 77, 0);
    tess_trainer_free(a);
    tess_trainer_free(r);
}

/* Cut at any place a checkpoint is refused with a sentence and the trainer stays usable. */
static void test_damaged_checkpoint(void) {
    tess_trainer *a = training_new(training_configs[0]);
    const uint8_t *bytes = NULL;
    size_t size = 0;
    training_steps(a, 8);
    CHECK_INT(tess_trainer_checkpoint(a, &bytes, &size), TESS_OK);
    for (size_t cut = 0; cut < size; cut += 1 + size / 97) {
        tess_trainer *r = tess_trainer_new();
        uint8_t *part = malloc(cut + 1);
        memcpy(part, bytes, cut);
        test_row("cut at %d", (int)cut);
        CHECK(tess_trainer_resume(r, part, cut) < 0);
        CHECK(tess_trainer_message(r)[0] != 0);
        CHECK_INT(tess_trainer_step(r), TESS_ERR_STATE);
        CHECK_INT(tess_trainer_config(r, training_configs[2], strlen(training_configs[2])), TESS_OK);
        free(part);
        tess_trainer_free(r);
    }
    tess_trainer_free(a);
}

/* ---- bad steps --------------------------------------------------------------------------------------------------- */

static void test_bad_step_is_skipped(void) {
    static const float bad[] = {NAN, INFINITY, 1e30f};
    for (size_t k = 0; k < TRAINING_CONFIGS; k++) {
        for (size_t i = 0; i < 3; i++) {
            tess_trainer *a = training_new(training_configs[k]), *b = training_new(training_configs[k]);
            test_row("config %d, value %g", (int)k, (double)bad[i]);
            training_steps(a, 9);
            training_steps(b, 9);
            ts_graph_data(b->graph, b->x)[5] = bad[i];
            CHECK_INT(ts_trainer_run(b, 1, 0), TESS_OK);
            CHECK_NEAR(tess_trainer_stat(b, "skipped"), 1, 0);
            b->step--; /* but for the count of steps, nothing moved */
            check_same(a, b);
            training_steps(b, 3);
            CHECK_NEAR(tess_trainer_stat(b, "skipped"), 1, 0);
            CHECK(isfinite(tess_trainer_stat(b, "total")));
            tess_trainer_free(a);
            tess_trainer_free(b);
        }
    }
}

static void test_gives_up(void) {
    tess_trainer *t = training_new(training_configs[0]);
    tess_status status = TESS_OK;
    int tries = 0;
    training_steps(t, 7);
    for (; tries < 1000 && status >= 0; tries++) {
        ts_graph_data(t->graph, t->x)[0] = NAN;
        status = ts_trainer_run(t, 1, 0);
    }
    CHECK_INT(status, TESS_ERR_NUMERIC);
    CHECK_INT(tries, 100);
    tess_trainer_free(t);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

static void test_threads_change_nothing(void) {
    for (size_t k = 0; k < TRAINING_CONFIGS; k++) {
        tess_trainer *a = training_new(training_configs[k]), *b = training_new(training_configs[k]);
        test_row("config %d", (int)k);
        CHECK_INT(tess_trainer_set(b, "threads", 3), TESS_OK);
        training_steps(a, 12);
        training_steps(b, 12);
        check_same(a, b);
        tess_trainer_free(a);
        tess_trainer_free(b);
    }
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

static void check_model(tess_trainer *t, int half) {
    const uint8_t *bytes = NULL;
    size_t size = 0;
    tess_model *m = tess_model_new();
    if (!CHECK(tess_trainer_model(t, half, &bytes, &size) == TESS_OK)) printf("%s\n", tess_trainer_message(t));
    if (!CHECK(tess_model_load(m, bytes, size) == TESS_OK)) printf("%s\n", tess_model_message(m));
    int levels, codes, dim;
    const float *book = tess_model_codebook(m, 1, &codes, &dim);
    levels = t->config.quantizer.levels;
    CHECK((book != NULL) == (levels > 1));
    for (int i = 0; book && i < dim; i++) CHECK_NEAR(book[i], 0, 0); /* the zero code of levels >= 1 stays code 0 */
    tess_model_free(m);
}

static void test_model_and_preview(void) {
    for (size_t k = 0; k < TRAINING_CONFIGS; k++) {
        tess_trainer *t = training_new(training_configs[k]);
        const uint8_t *in, *out;
        const uint16_t *tokens;
        int w, h, levels, th, tw, size = 0;
        test_row("config %d", (int)k);
        check_model(t, 0); /* untrained as it is */
        training_steps(t, 20);
        check_model(t, 0);
        check_model(t, 1);
        for (int i = 0; i < 2; i++) {
            CHECK_INT(tess_trainer_preview(t, i, &in, &out, &w, &h, &tokens, &levels, &th, &tw), TESS_OK);
            CHECK_INT(w, t->validation.list[i].width);
            CHECK_INT(h, t->validation.list[i].height);
            CHECK_INT(tw, (w + 3) / 4);
            CHECK_INT(th, (h + 3) / 4);
            CHECK_INT(levels, t->config.quantizer.levels);
            CHECK_BYTES(in, t->validation.list[i].data, i ? 1 : (size_t)(w * h * 3)); /* 1: a grey one */
            for (int p = 0; p < levels * th * tw; p++) CHECK(tokens[p] < t->config.quantizer.size);
        }
        CHECK_INT(tess_trainer_preview(t, 2, &in, &out, &w, &h, &tokens, &levels, &th, &tw), TESS_ERR_OPTION);
        const uint32_t *usage = tess_trainer_usage(t, 0, &size);
        unsigned long total = 0;
        for (int i = 0; usage && i < size; i++) total += usage[i];
        levels = t->config.quantizer.levels;
        CHECK_INT(total, levels ? 14 * 4 * 16 : 0); /* 14 quantized steps of 4 crops of 4 x 4 latents */
        CHECK((usage != NULL) == (levels > 0));
        CHECK(tess_trainer_usage(t, 9, &size) == NULL);
        training_steps(t, 1);
        tess_trainer_free(t);
    }
}

/* A model file taken up by init continues with the same picture of the world. */
static void test_init(void) {
    tess_trainer *a = training_new(training_configs[0]), *b = training_new(training_configs[0]);
    const uint8_t *bytes = NULL;
    size_t size = 0;
    training_steps(a, 40);
    CHECK_INT(tess_trainer_step(a), TESS_DONE);
    CHECK_INT(tess_trainer_model(a, 0, &bytes, &size), TESS_OK);
    CHECK_INT(tess_trainer_init(b, bytes, size), TESS_OK);
    CHECK_BYTES(a->ema, b->values, ts_params_floats(a->params) * sizeof(float));
    training_steps(b, 2);
    CHECK(tess_trainer_stat(b, "psnr") > 12); /* from random weights: about 6 */
    CHECK(tess_trainer_init(b, bytes, size / 2) < 0);
    tess_trainer_free(a);
    tess_trainer_free(b);
}

static void test_misuse(void) {
    tess_trainer *t = tess_trainer_new();
    const uint8_t *bytes;
    size_t size;
    CHECK_INT(tess_trainer_step(t), TESS_ERR_STATE);
    CHECK_INT(tess_trainer_model(t, 0, &bytes, &size), TESS_ERR_STATE);
    CHECK_INT(tess_trainer_checkpoint(t, &bytes, &size), TESS_ERR_STATE);
    CHECK_INT(tess_trainer_set(t, "lr", 1), TESS_ERR_STATE);
    CHECK_INT(tess_trainer_config(t, "{", 1), TESS_ERR_INPUT);
    CHECK_INT(tess_trainer_config(t, TINY_WHOLE_CONFIG, strlen(TINY_WHOLE_CONFIG)), TESS_ERR_INPUT);
    CHECK(strstr(tess_trainer_message(t), "upscaler is not trained here"));
    CHECK_INT(tess_trainer_config(t, training_configs[0], strlen(training_configs[0])), TESS_OK);
    CHECK_INT(tess_trainer_step(t), TESS_ERR_STATE);
    CHECK(tess_trainer_add_image(t, 0, 0, 5, 3) == NULL);
    CHECK(tess_trainer_add_image(t, 0, 5, 5, 2) == NULL);
    CHECK(strstr(tess_trainer_message(t), "5 x 5 x 2") != NULL);
    CHECK_INT(tess_trainer_set(t, "lr", -1), TESS_ERR_OPTION);
    CHECK_INT(tess_trainer_set(t, "lr", NAN), TESS_ERR_OPTION);
    CHECK_INT(tess_trainer_set(t, "beauty", 1), TESS_ERR_OPTION);
    CHECK_INT(tess_trainer_set(t, "threads", 0), TESS_ERR_OPTION);
    CHECK(isnan(tess_trainer_stat(t, "beauty")));
    training_pictures(t, 0, 2);
    CHECK_INT(tess_trainer_set(t, "lpips", 1), TESS_OK);
    CHECK_INT(tess_trainer_step(t), TESS_ERR_STATE); /* no feature net */
    CHECK(strstr(tess_trainer_message(t), "LPIPS") != NULL);
    CHECK_INT(tess_trainer_set(t, "lpips", 0), TESS_OK);
    CHECK_INT(tess_trainer_step(t), TESS_MORE);
    tess_trainer_free(t);
    tess_trainer_free(NULL);
}

int main(void) {
    RUN(test_overfits_one_batch);
    RUN(test_resume_is_exact);
    RUN(test_resume_keeps_changes);
    RUN(test_damaged_checkpoint);
    RUN(test_bad_step_is_skipped);
    RUN(test_gives_up);
    RUN(test_threads_change_nothing);
    RUN(test_model_and_preview);
    RUN(test_init);
    RUN(test_misuse);
    return test_end();
}
