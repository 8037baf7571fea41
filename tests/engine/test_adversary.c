/* The adversary: its gradients and those of a whole step against differences of the losses, the adaptive weight against
 * whole backwards, R1 against differences of itself, the frozen phase, the gate, threads, and resume. */
#include "test.h"

#include <stdlib.h>

#include "base/rng.h"
#include "engine/trainer.h"

#define SIDE 24
#define BATCH 2
#define PIXELS ((size_t)BATCH * SIDE * SIDE * 3)

/* A net with every kind of layer near its end; the config's quantizer, loss and adversary follow. */
#define NETS                                                                                                           \
    "{\"format\":1,\"encoder\":[{\"op\":\"unshuffle\",\"factor\":4},{\"op\":\"conv\",\"out\":8,\"kernel\":3},"         \
    "{\"op\":\"gelu\"},{\"op\":\"conv\",\"out\":4,\"kernel\":1}],"                                                     \
    "\"decoder\":[{\"op\":\"conv\",\"out\":16,\"kernel\":3},{\"op\":\"gelu\"},{\"op\":\"shuffle\",\"factor\":2},"      \
    "{\"op\":\"conv\",\"out\":12,\"kernel\":3},{\"op\":\"shuffle\",\"factor\":2},{\"op\":\"soft_clamp\",\"limit\":3}]" \
    ","
#define CONTINUOUS "\"quantizer\":{\"type\":\"none\",\"dim\":4},"
#define CODES "\"quantizer\":{\"type\":\"vq\",\"levels\":2,\"size\":8,\"dim\":4},"
#define TRAIN(lr, loss, adversarial)                                                                                   \
    "\"train\":{\"size\":24,\"batch\":2,\"steps\":40,\"lr\":" lr ",\"warmup\":0,\"seed\":7,\"quantize_from\":2,"       \
    "\"ema\":0.9,\"loss\":" loss ",\"adversarial\":{\"discriminator\":{\"layers\":2,\"width\":8,\"groups\":4,"         \
    "\"scales\":2}," adversarial "}}}"
#define SQUARES "{\"l1\":0,\"l2\":1}"

static void add_pictures(tess_trainer *t) {
    for (int i = 0; i < 4; i++) {
        uint8_t *p = tess_trainer_add_image(t, 0, 40, 36, 3);
        if (!CHECK(p != NULL)) return;
        for (int k = 0; k < 40 * 36 * 3; k++) {
            const int x = k / 3 % 40, y = k / 120;
            p[k] = (uint8_t)(60 + (x * (3 + i) + y * (5 - i) + 17 * (k % 3) + (x > y + i ? 80 : 0)) % 180);
        }
    }
}

static tess_trainer *make(const char *config) {
    tess_trainer *t = tess_trainer_new();
    if (!CHECK(tess_trainer_config(t, config, strlen(config)) == TESS_OK)) printf("%s\n", tess_trainer_message(t));
    add_pictures(t);
    return t;
}

static void steps(tess_trainer *t, int n) {
    for (int i = 0; i < n; i++) {
        if (!CHECK(tess_trainer_step(t) >= 0)) printf("%s\n", tess_trainer_message(t));
    }
}

/* Start weights of deviation 0.02 give logits of almost 0: larger ones, so that kinks, norms and clamps matter. */
static void enlarge(ts_adversary *a) {
    for (int i = 0; i < ts_params_count(a->params); i++) {
        const ts_param *p = ts_params_at(a->params, i);
        for (size_t k = 0; k < p->count && p->rank == 4; k++) a->values[p->offset + k] *= 6;
    }
    ts_weights_changed(a->weights);
}

/* ---- the discriminator alone ------------------------------------------------------------------------------------- */

typedef struct bench {
    ts_config config;
    ts_adversary *adversary;
    float x[PIXELS], y[PIXELS], image[PIXELS], dy[PIXELS];
    long k;
} bench;

static bench *open(const char *json) {
    bench *b = calloc(1, sizeof *b);
    ts_error err = {0};
    ts_rng rng = ts_rng_new(3, 3);
    CHECK_INT(ts_config_parse(json, strlen(json), &b->config, &err), TESS_OK);
    CHECK_INT(ts_adversary_new(&b->config, &b->adversary, &err), TESS_OK);
    CHECK_INT(ts_adversary_plan(b->adversary, &b->config, 2, &err), TESS_OK);
    CHECK_INT(ts_adversary_alloc(b->adversary, NULL, &err), TESS_OK);
    enlarge(b->adversary);
    b->adversary->averages = (ts_adversary_averages){.real = 0.3f, .fake = -0.4f, .accuracy = 0.5f};
    ts_rng_fill_normal(&rng, b->x, PIXELS, 0.5f);
    ts_rng_fill_normal(&rng, b->y, PIXELS, 0.4f);
    ts_rng_fill_normal(&rng, b->image, PIXELS, 0.01f);
    return b;
}

static void shut(bench *b) {
    ts_adversary_free(b->adversary);
    free(b);
}

static double judge(bench *b) {
    const ts_adversary_batch batch = {.x = b->x, .y = b->y, .dy = b->image, .k = b->k};
    memcpy(b->dy, b->image, sizeof b->dy);
    return ts_adversary_judge(b->adversary, &b->config, &batch, b->dy, NULL);
}

static double discriminator_loss(bench *b) {
    judge(b);
    return b->adversary->figures.discriminator;
}

static double r1_loss(bench *b) {
    judge(b);
    return b->adversary->figures.r1;
}

/* Moves at[n] along grad of it by +-h (of length one): f must change by |grad|. */
static void check_slope(bench *b, double (*f)(bench *), float *at, const float *grad, size_t n, double h,
                        double tolerance, const char *what) {
    float *was = malloc(n * sizeof *was);
    double norm = 0, values[2];
    for (size_t i = 0; i < n; i++) norm += (double)grad[i] * (double)grad[i];
    norm = sqrt(norm);
    memcpy(was, at, n * sizeof *was);
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < n; i++) at[i] = was[i] + (float)((side ? -h : h) * (double)grad[i] / norm);
        ts_weights_changed(b->adversary->weights);
        values[side] = f(b);
    }
    memcpy(at, was, n * sizeof *was);
    ts_weights_changed(b->adversary->weights);
    const double slope = (values[0] - values[1]) / (2 * h);
    test_check(fabs(slope - norm) <= tolerance * norm, __FILE__, __LINE__, "%s: slope %.6g, gradient %.6g", what, slope,
               norm);
    free(was);
}

static void check_slopes(bench *b, double (*f)(bench *), const float *grads, double h, double tolerance) {
    const ts_params *params = b->adversary->params;
    for (int i = 0; i < ts_params_count(params); i++) {
        const ts_param *p = ts_params_at(params, i);
        double largest = 0;
        for (size_t k = 0; k < p->count; k++) largest = fmax(largest, fabs((double)grads[p->offset + k]));
        if (largest < 1e-4) continue; /* a bias ahead of a norm hardly counts: rounding */
        check_slope(b, f, b->adversary->values + p->offset, grads + p->offset, p->count, h, tolerance, p->name);
    }
}

#define LONE(adversarial) NETS CONTINUOUS TRAIN("0.001", SQUARES, adversarial)
static const char *const lone[] = {
    LONE("\"balance\":\"none\",\"weight\":1,\"features\":2,\"lecam\":0.7"),
    LONE("\"loss\":\"nonsaturating\",\"balance\":\"none\",\"weight\":0.5,\"lecam\":0.2")};

static void test_discriminator_gradient(void) {
    for (size_t i = 0; i < 2; i++) {
        bench *b = open(lone[i]);
        const size_t n = ts_params_floats(b->adversary->params);
        float *grads = malloc(n * sizeof *grads);
        test_row("case %d", (int)i);
        judge(b);
        memcpy(grads, b->adversary->grads, n * sizeof *grads);
        check_slopes(b, discriminator_loss, grads, 2e-3, 2e-2);
        free(grads);
        shut(b);
    }
}

/* What is added to dy is the gradient of what is added to the total. */
static void test_generator_gradient(void) {
    for (size_t i = 0; i < 2; i++) {
        bench *b = open(lone[i]);
        float *pull = malloc(PIXELS * sizeof *pull);
        test_row("case %d", (int)i);
        judge(b);
        for (size_t k = 0; k < PIXELS; k++) pull[k] = b->dy[k] - b->image[k];
        check_slope(b, judge, b->y, pull, PIXELS, 2e-2, 1e-2, "y");
        free(pull);
        shut(b);
    }
}

/* "image": gradients' norms at the pixels; "none": 1; the clamp; the ramp. */
static void test_balance_at_the_pixels(void) {
    bench *b = open(LONE("\"balance\":\"image\",\"weight\":0.5,\"ramp\":4"));
    double image = 0, pull = 0;
    const double term = judge(b), loss = b->adversary->figures.generator, weight = b->adversary->figures.weight;
    CHECK_NEAR(term, 0.5 * 0.25 * weight * loss, 1e-6);
    for (size_t k = 0; k < PIXELS; k++) {
        const double p = ((double)b->dy[k] - (double)b->image[k]) / (0.5 * 0.25 * weight);
        image += (double)b->image[k] * (double)b->image[k];
        pull += p * p;
    }
    CHECK_NEAR(weight, sqrt(image) / (sqrt(pull) + 1e-4), 1e-3 * weight);
    b->k = 9;
    CHECK_NEAR(judge(b), 0.5 * weight * loss, 1e-6);
    b->config.train.adversarial.limit = 0.5f * (float)weight;
    judge(b);
    CHECK_NEAR(b->adversary->figures.weight, 0.5 * weight, 1e-6 * weight);
    b->config.train.adversarial.balance = TS_BALANCE_NONE;
    b->config.train.adversarial.limit = 10000;
    judge(b);
    CHECK_NEAR(b->adversary->figures.weight, 1, 0);
    shut(b);
}

/* Every activation far on one side of its kink, on this or that: the norms' curves are all that is left. Across kinks R1
 * jumps, and no difference of it tells its slope. */
static void leave_kinks(ts_adversary *a) {
    for (int i = 0; i < ts_params_count(a->params); i++) {
        const ts_param *p = ts_params_at(a->params, i);
        for (size_t k = 0; k < p->count && strstr(p->name, "bias"); k++) a->values[p->offset + k] = k % 3 ? 8 : -8;
    }
    ts_weights_changed(a->weights);
}

/* The part of the gradient that R1 adds, against differences of R1. */
static void test_r1(void) {
    bench *b = open(LONE("\"weight\":0,\"r1\":2,\"r1_every\":3"));
    const size_t n = ts_params_floats(b->adversary->params);
    float *with = malloc(n * sizeof *with);
    leave_kinks(b->adversary);
    const double loss = (judge(b), b->adversary->figures.discriminator), r1 = b->adversary->figures.r1;
    memcpy(with, b->adversary->grads, n * sizeof *with);
    b->k = 1; /* not its turn */
    judge(b);
    CHECK(isnan(b->adversary->figures.r1));
    CHECK_NEAR(loss - b->adversary->figures.discriminator, 3 * 2 * 0.5 * r1, 1e-6 * loss);
    for (size_t i = 0; i < n; i++) with[i] = (with[i] - b->adversary->grads[i]) / (3 * 2 * 0.5f);
    b->k = 0;
    check_slopes(b, r1_loss, with, 5e-3, 1e-3);
    free(with);
    shut(b);
}

/* R1 itself: v is the gradient of the mean logits, summed over scales, at each picture. */
static double mean_logits(bench *b) {
    double sum = 0;
    judge(b);
    for (int s = 0; s < b->adversary->real.net.scales; s++) {
        const ts_critic *c = &b->adversary->real;
        const ts_shape shape = ts_graph_shape(c->graph, c->net.logits[s]);
        const float *t = ts_graph_data(c->graph, c->net.logits[s]);
        for (size_t i = 0; i < ts_shape_count(shape); i++) sum += (double)t[i] / (shape.h * shape.w);
    }
    return sum;
}

static void test_r1_value(void) {
    bench *b = open(LONE("\"weight\":1,\"balance\":\"none\",\"loss\":\"hinge\",\"r1\":1,\"r1_every\":1"));
    judge(b);
    const double want = b->adversary->figures.r1;
    const int scales = b->adversary->real.net.scales;
    b->config.train.adversarial.r1 = 0;
    memcpy(b->y, b->x, sizeof b->y); /* hinge: dy = -v / (batch * scales) at y = x */
    judge(b);
    double squares = 0;
    float v[PIXELS];
    for (size_t i = 0; i < PIXELS; i++) {
        v[i] = (b->image[i] - b->dy[i]) * (float)(BATCH * scales);
        squares += (double)v[i] * (double)v[i];
    }
    CHECK_NEAR(want, squares / BATCH, 1e-3 * want);
    check_slope(b, mean_logits, b->x, v, PIXELS, 2e-2, 1e-2, "v");
    shut(b);
}

static void test_gate(void) {
    bench *b = open(LONE("\"gate\":0.6,\"r1\":1,\"r1_every\":1"));
    const size_t n = ts_params_floats(b->adversary->params);
    ts_adversary *a = b->adversary;
    float *was = malloc(n * sizeof *was);
    b->config.train.adversarial.balance = TS_BALANCE_NONE;
    memcpy(was, a->values, n * sizeof *was);
    a->averages.accuracy = 0.61f;
    judge(b);
    CHECK(ts_adversary_good(a, &b->config));
    CHECK(isnan(a->figures.grad_norm) && isfinite(a->figures.generator) && isfinite(a->figures.discriminator));
    ts_adversary_apply(a, &b->config, NULL);
    CHECK_BYTES(a->values, was, n * sizeof *was);
    CHECK_INT(a->steps, 0);
    CHECK_NEAR(a->averages.accuracy, 0.95 * 0.61 + 0.05 * a->figures.accuracy, 1e-6);
    CHECK_NEAR(a->averages.real, 0.99 * 0.3 + 0.01 * a->figures.real, 1e-6);
    CHECK_NEAR(a->averages.fake, 0.99 * -0.4 + 0.01 * a->figures.fake, 1e-6);
    a->averages.accuracy = 0.59f;
    judge(b);
    ts_adversary_apply(a, &b->config, NULL);
    CHECK(memcmp(a->values, was, n * sizeof *was) != 0);
    CHECK_INT(a->steps, 1);
    free(was);
    shut(b);
}

/* ---- a whole step ------------------------------------------------------------------------------------------------ */

/* With learning rates of 0 a step measures and leaves everything where it is. */
#define STILL(loss, adversarial) NETS CONTINUOUS TRAIN("0", loss, "\"lr\":0," adversarial)

/* One step on the batch [BATCH][SIDE][SIDE][3]. */
static void look(tess_trainer *t, const float *batch) {
    CHECK_INT(ts_trainer_ready(t), TESS_OK);
    memcpy(ts_graph_data(t->graph, t->x), batch, PIXELS * sizeof *batch);
    CHECK_INT(ts_trainer_run(t, 1, 0), TESS_OK);
    CHECK_INT(t->skipped, 0);
}

static void fill_batch(float *batch) {
    for (size_t i = 0; i < PIXELS; i++) {
        const size_t x = i / 3 % SIDE, y = i / 3 / SIDE % SIDE;
        batch[i] = (float)sin(0.3 * (double)x + 0.2 * (double)y + (double)(i % 3) + (double)(i / (PIXELS / BATCH)));
    }
}

static void test_gradient_of_the_total(void) {
    tess_trainer *t = make(STILL("{\"l1\":0,\"l2\":1,\"ms_ssim\":0.2}",
                                 "\"balance\":\"none\",\"weight\":0.3,\"features\":1,\"loss\":\"nonsaturating\""));
    float batch[PIXELS];
    const size_t n = ts_params_floats(t->params);
    float *grads = malloc(n * sizeof *grads), *was = malloc(n * sizeof *was);
    fill_batch(batch);
    enlarge(t->adversary);
    look(t, batch);
    memcpy(grads, t->grads, n * sizeof *grads);
    memcpy(was, t->values, n * sizeof *was);
    for (int i = 0; i < ts_params_count(t->params); i++) {
        const ts_param *p = ts_params_at(t->params, i);
        const double h = 4e-3;
        double norm = 0, values[2];
        for (size_t k = 0; k < p->count; k++) norm += (double)grads[p->offset + k] * (double)grads[p->offset + k];
        norm = sqrt(norm);
        for (int side = 0; side < 2; side++) {
            for (size_t k = p->offset; k < p->offset + p->count; k++)
                t->values[k] = was[k] + (float)((side ? -h : h) * (double)grads[k] / norm);
            ts_weights_changed(t->weights);
            look(t, batch);
            values[side] = t->figures.total;
        }
        memcpy(t->values, was, n * sizeof *was);
        const double slope = (values[0] - values[1]) / (2 * h);
        test_check(fabs(slope - norm) <= 1e-2 * norm, __FILE__, __LINE__, "%s: slope %.6g, gradient %.6g", p->name,
                   slope, norm);
    }
    free(grads);
    free(was);
    tess_trainer_free(t);
}

/* |gradient| at decoder.3.weight, the last weight, after a backward through the whole decoder. */
static double pull_at_last(const char *json, const float *batch, double *d_weight) {
    tess_trainer *t = make(json);
    const ts_param *p = ts_params_at(t->params, ts_params_find(t->params, "decoder.3.weight"));
    double sum = 0;
    enlarge(t->adversary);
    look(t, batch);
    for (size_t i = 0; i < p->count; i++) sum += (double)t->grads[p->offset + i] * (double)t->grads[p->offset + i];
    if (d_weight) *d_weight = tess_trainer_stat(t, "d_weight");
    tess_trainer_free(t);
    return sqrt(sum);
}

static void test_adaptive_weight(void) {
    float batch[PIXELS];
    double d_weight = 0, both;
    fill_batch(batch);
    const double image = pull_at_last(STILL(SQUARES, "\"weight\":0"), batch, NULL),
                 opposed = pull_at_last(
                     STILL("{\"l1\":0,\"l2\":0}", "\"balance\":\"none\",\"weight\":1,\"features\":1"), batch, NULL);
    both = pull_at_last(STILL(SQUARES, "\"weight\":0.2,\"features\":1"), batch, &d_weight);
    CHECK(image > 1e-4 && opposed > 1e-4);
    CHECK_NEAR(d_weight, image / (opposed + 1e-4), 1e-4 * d_weight);
    CHECK(both < 1.21 * image && both > 0.79 * image); /* 0.2 of a gradient as long as the image losses' */
}

static void test_off_before_its_step(void) {
    tess_trainer *t = make(NETS CODES TRAIN("0.004", SQUARES, "\"from\":3"));
    steps(t, 3);
    CHECK_NEAR(tess_trainer_stat(t, "phase"), 1, 0);
    CHECK(isnan(tess_trainer_stat(t, "generator")));
    CHECK_INT(t->adversary->steps, 0);
    steps(t, 1);
    CHECK_NEAR(tess_trainer_stat(t, "phase"), 2, 0);
    CHECK(isfinite(tess_trainer_stat(t, "generator")) && isfinite(tess_trainer_stat(t, "d_grad_norm")));
    CHECK_INT(t->adversary->steps, 1);
    CHECK_NEAR(tess_trainer_stat(t, "adversarial"), 0.1, 1e-6);
    tess_trainer_free(t);
}

/* ---- state ------------------------------------------------------------------------------------------------------- */

#define EVERYTHING "\"weight\":0.5,\"r1\":1,\"r1_every\":3,\"lecam\":0.3,\"features\":0.5,\"ramp\":3,\"from\":4"
static const char *const running[] = {
    NETS CODES TRAIN("0.004", "{\"l1\":1,\"l2\":2,\"entropy\":0.01,\"temperature\":1}", EVERYTHING),
    NETS CODES TRAIN("0.004", "{\"l1\":1,\"l2\":2}", EVERYTHING ",\"freeze\":true,\"balance\":\"image\""),
    NETS "\"quantizer\":{\"type\":\"vq\",\"update\":\"gradient\",\"size\":8,\"dim\":4}," TRAIN(
        "0.004", "{\"l1\":1,\"l2\":2}", EVERYTHING ",\"freeze\":true,\"loss\":\"nonsaturating\""),
};
#define RUNNING (sizeof running / sizeof *running)

static void check_same(const tess_trainer *a, const tess_trainer *b) {
    if (!CHECK(a->adversary && b->adversary)) return;
    const size_t n = ts_params_floats(a->params) * sizeof(float),
                 d = ts_params_floats(a->adversary->params) * sizeof(float);
    const ts_quantizer_config *q = &a->config.quantizer;
    const size_t codes = (size_t)q->levels * (size_t)q->size * sizeof(float);
    CHECK_BYTES(a->values, b->values, n);
    CHECK_BYTES(a->ema, b->ema, n);
    CHECK_BYTES(a->first, b->first, n);
    CHECK_BYTES(a->second, b->second, n);
    CHECK_BYTES(ts_quantizer_codebook(a->quantizer), ts_quantizer_codebook(b->quantizer), codes * (size_t)q->dim);
    CHECK_BYTES(ts_learner_count(a->learner), ts_learner_count(b->learner), codes);
    CHECK_BYTES(ts_learner_counts(a->learner, 0), ts_learner_counts(b->learner, 0), codes / (size_t)q->levels);
    CHECK_BYTES(a->adversary->values, b->adversary->values, d);
    CHECK_BYTES(a->adversary->first, b->adversary->first, d);
    CHECK_BYTES(a->adversary->second, b->adversary->second, d);
    CHECK_BYTES(&a->adversary->averages, &b->adversary->averages, sizeof a->adversary->averages);
    CHECK_INT(a->adversary->steps, b->adversary->steps);
    CHECK_INT(a->sealed, b->sealed);
    CHECK_INT(a->adam_steps, b->adam_steps);
    CHECK_INT(a->step, b->step);
}

static void test_resume_is_exact(void) {
    static const int cuts[] = {0, 3, 4, 5, 9};
    for (size_t k = 0; k < RUNNING; k++) {
        for (size_t c = 0; c < sizeof cuts / sizeof *cuts; c++) {
            tess_trainer *a = make(running[k]), *b = make(running[k]), *r = tess_trainer_new();
            const uint8_t *bytes = NULL;
            size_t size = 0;
            test_row("config %d, after %d steps", (int)k, cuts[c]);
            steps(a, 12);
            steps(b, cuts[c]);
            CHECK_INT(tess_trainer_checkpoint(b, &bytes, &size), TESS_OK);
            add_pictures(r);
            if (!CHECK(tess_trainer_resume(r, bytes, size) == TESS_OK)) printf("%s\n", tess_trainer_message(r));
            steps(r, 12 - cuts[c]);
            check_same(a, r);
            CHECK_NEAR(tess_trainer_stat(r, "skipped"), 0, 0);
            tess_trainer_free(a);
            tess_trainer_free(b);
            tess_trainer_free(r);
        }
    }
}

static void test_threads_change_nothing(void) {
    for (size_t k = 0; k < RUNNING; k++) {
        tess_trainer *a = make(running[k]), *b = make(running[k]);
        test_row("config %d", (int)k);
        CHECK_INT(tess_trainer_set(b, "threads", 2), TESS_OK);
        steps(a, 8);
        steps(b, 8);
        check_same(a, b);
        tess_trainer_free(a);
        tess_trainer_free(b);
    }
}

/* Live changes take effect and travel with a checkpoint. */
static void test_live_changes(void) {
    tess_trainer *t = make(NETS CODES TRAIN("0.004", SQUARES, "\"from\":0,\"r1_every\":1")), *r = tess_trainer_new();
    const char *const names[] = {"adversarial", "d_lr", "features", "r1", "lecam", "gate", "entropy"};
    const uint8_t *bytes = NULL;
    size_t size = 0;
    steps(t, 1);
    CHECK(isnan(tess_trainer_stat(t, "features")) && isnan(tess_trainer_stat(t, "lecam")));
    for (int i = 0; i < 7; i++) CHECK_INT(tess_trainer_set(t, names[i], 0.25), TESS_OK);
    CHECK_INT(tess_trainer_set(t, "gate", 1), TESS_OK);
    CHECK_INT(tess_trainer_set(t, "gate", 1.5), TESS_ERR_OPTION);
    steps(t, 2);
    CHECK(isfinite(tess_trainer_stat(t, "features")) && isfinite(tess_trainer_stat(t, "lecam")));
    CHECK(isfinite(tess_trainer_stat(t, "entropy")) && isfinite(tess_trainer_stat(t, "r1")));
    CHECK_INT(tess_trainer_checkpoint(t, &bytes, &size), TESS_OK);
    CHECK_INT(tess_trainer_resume(r, bytes, size), TESS_OK);
    const ts_adversarial_config *a = &r->config.train.adversarial;
    const float values[] = {a->weight, a->lr, a->features, a->r1, a->lecam, a->gate, r->config.train.loss.entropy};
    for (int i = 0; i < 7; i++) CHECK_NEAR(values[i], i == 5 ? 1 : 0.25, 0);
    tess_trainer_free(t);
    tess_trainer_free(r);
    t = make("{\"format\":1,\"encoder\":[{\"op\":\"conv\",\"out\":4,\"kernel\":1}],\"decoder\":[{\"op\":\"conv\","
             "\"out\":3,\"kernel\":1}],\"quantizer\":{\"type\":\"none\",\"dim\":4}}");
    CHECK_INT(tess_trainer_set(t, "d_lr", 0.1), TESS_ERR_OPTION);
    CHECK(strstr(tess_trainer_message(t), "d_lr needs an adversary") != NULL);
    tess_trainer_free(t);
}

/* A batch that is not finite leaves neither net, nor averages, nor codes changed. */
static void test_bad_step_is_skipped(void) {
    for (size_t k = 0; k < RUNNING; k++) {
        tess_trainer *a = make(running[k]), *b = make(running[k]);
        test_row("config %d", (int)k);
        steps(a, 6);
        steps(b, 6);
        ts_graph_data(b->graph, b->x)[5] = NAN;
        CHECK_INT(ts_trainer_run(b, 1, 0), TESS_OK);
        CHECK_INT(b->skipped, 1);
        b->step--;
        check_same(a, b);
        tess_trainer_free(a);
        tess_trainer_free(b);
    }
}

/* In a frozen phase two the decoder learns, encoder and codes stay, tokens go on being counted. */
static void test_frozen_phase(void) {
    for (size_t k = 1; k < RUNNING; k++) {
        tess_trainer *t = make(running[k]);
        test_row("config %d", (int)k);
        steps(t, 5); /* four and the first frozen one */
        const size_t n = ts_params_floats(t->params), q = (size_t)t->config.quantizer.size * 4;
        const ts_param *first = ts_params_at(t->params, ts_params_find(t->params, "decoder.0.weight"));
        float *values = malloc(n * sizeof *values), *ema = malloc(n * sizeof *ema), *codes = malloc(q * sizeof *codes);
        memcpy(values, t->values, n * sizeof *values);
        memcpy(ema, t->ema, n * sizeof *ema);
        memcpy(codes, ts_quantizer_codebook(t->quantizer), q * sizeof *codes);
        CHECK_INT(t->sealed, 1);
        CHECK_INT(t->adam_steps, 1);
        const uint32_t seen = ts_learner_filled(t->learner)[0];
        steps(t, 4);
        CHECK_INT(ts_learner_filled(t->learner)[0], seen + 4 * BATCH * (SIDE / 4) * (SIDE / 4));
        CHECK_BYTES(t->values, values, first->offset * sizeof *values);
        CHECK_BYTES(t->ema, values, first->offset * sizeof *values); /* since the switch */
        CHECK(memcmp(t->values + first->offset, values + first->offset, first->count * sizeof *values) != 0);
        CHECK(memcmp(t->ema + first->offset, ema + first->offset, first->count * sizeof *ema) != 0);
        CHECK_BYTES(ts_quantizer_codebook(t->quantizer), codes, q * sizeof *codes);
        CHECK(isnan(tess_trainer_stat(t, "commitment")));
        free(values);
        free(ema);
        free(codes);
        tess_trainer_free(t);
    }
}

int main(void) {
    RUN(test_discriminator_gradient);
    RUN(test_generator_gradient);
    RUN(test_balance_at_the_pixels);
    RUN(test_r1);
    RUN(test_r1_value);
    RUN(test_gate);
    RUN(test_gradient_of_the_total);
    RUN(test_adaptive_weight);
    RUN(test_off_before_its_step);
    RUN(test_resume_is_exact);
    RUN(test_threads_change_nothing);
    RUN(test_live_changes);
    RUN(test_bad_step_is_skipped);
    RUN(test_frozen_phase);
    return test_end();
}
