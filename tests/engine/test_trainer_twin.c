/* The trainer against the PyTorch twin: latents, tokens, losses, every gradient, and ten AdamW steps. The fixtures are
 * float64 results, and tokens in them do not hang on rounding; what is left is float32 noise of forward and
 * backward. */
#include "test.h"

#include <stdlib.h>

#include "engine/trainer.h"
#include "twin.h"

#define STEPS 10

static void fill_store(const ts_params *params, const twin_file *f, const char *prefix, float *store) {
    for (int i = 0; i < ts_params_count(params); i++) {
        const ts_param *p = ts_params_at(params, i);
        size_t n = 0;
        float *values = twin_floats(f, prefix, p->name, &n);
        if (CHECK(values && n == p->count)) ts_param_read(p, store, values);
        free(values);
    }
}

static void fill(const twin_file *f, const char *name, float *out, size_t want) {
    size_t n = 0;
    float *values = twin_floats(f, "param.quantizer.", name, &n);
    if (CHECK(values && n == want)) memcpy(out, values, n * sizeof *out);
    free(values);
}

static size_t codes(const tess_trainer *t) {
    return (size_t)t->config.quantizer.levels * (size_t)t->config.quantizer.size;
}

/* A trainer in the state that the case starts from. */
static tess_trainer *begin(const twin_file *f, const twin_file *net, const twin_file *heads) {
    tess_trainer *t = tess_trainer_new();
    const char *json = ts_safetensors_metadata(f->file, "tesserae");
    CHECK_INT(tess_trainer_features(t, net->bytes, net->size, heads->bytes, heads->size), TESS_OK);
    if (!CHECK(json && tess_trainer_config(t, json, strlen(json)) == TESS_OK)) {
        printf("%s\n", tess_trainer_message(t));
        return t;
    }
    const ts_quantizer_config *q = &t->config.quantizer;
    fill_store(t->params, f, "param.", t->values);
    if (t->adversary) fill_store(t->adversary->params, f, "param.", t->adversary->values);
    memcpy(t->ema, t->values, ts_params_floats(t->params) * sizeof *t->ema);
    if (q->type == TS_QUANTIZER_VQ) {
        fill(f, "codebook", ts_quantizer_codebook(t->quantizer), codes(t) * (size_t)q->dim);
        fill(f, "bits", ts_quantizer_bits(t->quantizer), codes(t));
        fill(f, "count", ts_learner_count(t->learner), codes(t));
        fill(f, "sum", ts_learner_sum(t->learner), codes(t) * (size_t)q->dim);
    }
    t->fitted = true;
    CHECK_INT(ts_trainer_ready(t), TESS_OK);
    return t;
}

static void load_batch(tess_trainer *t, const twin_file *batches, int step) {
    const ts_file_tensor *b = ts_safetensors_find(batches->file, "batches");
    float *x = ts_graph_data(t->graph, t->x);
    size_t n = ts_shape_count(ts_graph_shape(t->graph, t->x));
    if (!CHECK(b && b->count == n * STEPS)) return;
    for (size_t i = 0; i < n; i++) x[i] = (float)(b->data[(size_t)step * n + i] / 127.5 - 1);
}

static void check_tensor(tess_trainer *t, const twin_file *f, const char *name, ts_tensor tensor, double tolerance) {
    ts_shape s = ts_graph_shape(t->graph, tensor);
    size_t n = 0;
    float *want = twin_floats(f, "", name, &n);
    if (!CHECK(want && n == ts_shape_count(s))) return;
    float *nhwc = twin_nhwc(want, s.n, s.c, s.h, s.w);
    double error = twin_error(ts_graph_data(t->graph, tensor), nhwc, n);
    test_check(error <= tolerance, __FILE__, __LINE__, "%s off by %.2g", name, error);
    free(nhwc);
    free(want);
}

static void check_loss(const twin_file *f, const char *prefix, const char *name, int at, double got) {
    size_t n = 0;
    float *want = twin_floats(f, prefix, name, &n);
    if (!want) return; /* FSQ has no commitment */
    test_check((size_t)at < n && fabs(got - (double)want[at]) <= 1e-4 * fabs((double)want[at]) + 1e-6, __FILE__,
               __LINE__, "%s%s[%d] is %.8g, not %.8g", prefix, name, at, got, (double)want[at]);
    free(want);
}

static void check_store(const ts_params *params, const twin_file *f, const char *prefix, const float *store,
                        double tolerance) {
    for (int i = 0; i < ts_params_count(params); i++) {
        const ts_param *p = ts_params_at(params, i);
        size_t n = 0;
        float *want = twin_floats(f, prefix, p->name, &n), *got = malloc((p->count + 1) * sizeof *got);
        ts_param_write(p, store, got);
        if (CHECK(want && n == p->count)) {
            bool rounding = strstr(p->name, ".k.bias") && strcmp(prefix, "grad.") == 0; /* softmax does not see it: 0 */
            double error = rounding ? 0 : twin_error(got, want, n);
            for (size_t k = 0; k < n && rounding; k++) CHECK_NEAR(got[k], want[k], 1e-6);
            test_check(error <= tolerance, __FILE__, __LINE__, "%s%s off by %.2g", prefix, p->name, error);
        }
        free(want);
        free(got);
    }
}

static void check_final_codes(tess_trainer *t, const twin_file *f) {
    const ts_quantizer_config *q = &t->config.quantizer;
    size_t k = codes(t), d = (size_t)q->dim;
    const struct {
        const char *name;
        const float *got;
        size_t n;
    } parts[] = {{"codebook", ts_quantizer_codebook(t->quantizer), k * d},
                 {"bits", ts_quantizer_bits(t->quantizer), k},
                 {"count", ts_learner_count(t->learner), k},
                 {"sum", ts_learner_sum(t->learner), k * d}};
    for (size_t i = 0; i < 4 && q->type == TS_QUANTIZER_VQ; i++) {
        size_t n = 0;
        float *want = twin_floats(f, "final.quantizer.", parts[i].name, &n);
        if (!CHECK(want && n == parts[i].n)) continue;
        double error = twin_error(parts[i].got, want, n);
        test_check(error <= 2e-4, __FILE__, __LINE__, "final %s off by %.2g", parts[i].name, error);
        free(want);
    }
}

static void check_first_step(tess_trainer *t, const twin_file *f) {
    const ts_figures *r = &t->figures;
    check_loss(f, "loss.", "l1", 0, r->l1);
    check_loss(f, "loss.", "l2", 0, r->l2);
    check_loss(f, "loss.", "ms_ssim", 0, r->ms_ssim);
    check_loss(f, "loss.", "lpips", 0, r->lpips);
    check_loss(f, "loss.", "commitment", 0, r->commitment);
    if (t->codebook >= 0) check_loss(f, "loss.", "codebook", 0, r->codebook);
    check_loss(f, "loss.", "total", 0, r->total);
    check_loss(f, "loss.", "grad_norm", 0, r->grad_norm);
    check_tensor(t, f, "latent", t->z, 1e-5);
    check_tensor(t, f, "output", t->y, 2e-5);
    check_store(t->params, f, "grad.", t->grads, 1e-4);
}

/* Figure `name` of step i; NaN there is NaN here. */
static void check_figure(const twin_file *f, const char *name, int i, double got, double tolerance) {
    size_t n = 0;
    float *want = twin_floats(f, "train.", name, &n);
    if (!want) return;
    if (isnan(want[i])) CHECK(isnan(got));
    else
        test_check(fabs(got - (double)want[i]) <= tolerance * fabs((double)want[i]) + 1e-6, __FILE__, __LINE__,
                   "%s[%d] is %.8g, not %.8g", name, i, got, (double)want[i]);
    free(want);
}

static void check_figures(const tess_trainer *t, const twin_file *f, int i, double tolerance) {
    static const char *const names[] = {
        "l1",    "l2", "ms_ssim", "lpips", "entropy",    "generator", "discriminator", "features",
        "lecam", "r1", "real",    "fake",  "d_accuracy", "d_weight",  "d_grad_norm"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        check_figure(f, names[k], i, tess_trainer_stat(t, names[k]), tolerance);
}

static void run_case(const char *name) {
    twin_file f = twin_open(name), net = twin_open("squeezenet"), heads = twin_open("lpips"),
              batches = twin_open("batches");
    size_t n = 0;
    test_row("%s", name);
    if (CHECK(f.bytes && net.bytes && heads.bytes && batches.bytes)) {
        tess_trainer *t = begin(&f, &net, &heads);
        float *levels = twin_floats(&f, "train.", "levels", &n), *lambda = twin_floats(&f, "train.", "lambda", &n);
        for (int i = 0; i < STEPS && t->graph && CHECK(levels && lambda && n == STEPS); i++) {
            load_batch(t, &batches, i);
            CHECK_INT(ts_trainer_run(t, (int)levels[i], lambda[i]), TESS_OK);
            if (i == 0) check_first_step(t, &f);
            check_loss(&f, "train.", "loss", i, t->figures.total);
            check_loss(&f, "train.", "lpips", i, t->figures.lpips);
        }
        if (t->graph) {
            CHECK_INT(t->skipped, 0);
            check_store(t->params, &f, "final.", t->values, 2e-4);
            check_final_codes(t, &f);
        }
        free(levels);
        free(lambda);
        tess_trainer_free(t);
    }
    twin_close(&f);
    twin_close(&net);
    twin_close(&heads);
    twin_close(&batches);
}

static void test_cases(void) {
    static const char *const names[] = {"vq_ema", "rvq_ema",       "vq_gradient", "rvq_gradient",
                                        "fsq",    "unit_gradient", "unit_ema",    "continuous"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) run_case(names[i]);
}

/* ---- with an adversary ------------------------------------------------------------------------------------------- */

#define LIMIT 1e-4         /* of figures, relative */
#define WEIGHTS_LIMIT 1e-3 /* of end weights, relative to a tensor's largest */

static void check_first_verdict(tess_trainer *t, const twin_file *f) {
    static const char *const names[] = {"generator", "discriminator", "features", "lecam",   "r1",   "real",
                                        "fake",      "d_accuracy",    "d_weight", "entropy", "total"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check_loss(f, "loss.", names[i], 0, tess_trainer_stat(t, names[i]));
    check_store(t->params, f, "grad.", t->grads, 1e-4);
    if (ts_trainer_phase(t) == 2) check_store(t->adversary->params, f, "grad.", t->adversary->grads, 1e-4);
}

static void run_adversary(const char *name) {
    twin_file f = twin_open(name), net = twin_open("squeezenet"), heads = twin_open("lpips"),
              batches = twin_open("batches");
    size_t n = 0;
    test_row("%s", name);
    if (CHECK(f.bytes && net.bytes && heads.bytes && batches.bytes)) {
        tess_trainer *t = begin(&f, &net, &heads);
        float *levels = twin_floats(&f, "train.", "levels", &n), *lambda = twin_floats(&f, "train.", "lambda", &n);
        for (int i = 0; i < STEPS && t->graph && CHECK(levels && lambda && n == STEPS); i++) {
            if (ts_trainer_frozen(t) && !t->sealed) ts_seal_weights(t);
            CHECK_INT(ts_trainer_ready(t), TESS_OK);
            load_batch(t, &batches, i);
            CHECK_INT(ts_trainer_run(t, (int)levels[i], lambda[i]), TESS_OK);
            if (i == 0) check_first_verdict(t, &f);
            check_figure(&f, "loss", i, t->figures.total, LIMIT);
            check_figures(t, &f, i, LIMIT);
        }
        if (t->graph) {
            CHECK_INT(t->skipped, 0);
            check_store(t->params, &f, "final.", t->values, WEIGHTS_LIMIT);
            check_store(t->adversary->params, &f, "final.", t->adversary->values, WEIGHTS_LIMIT);
        }
        free(levels);
        free(lambda);
        tess_trainer_free(t);
    }
    twin_close(&f);
    twin_close(&net);
    twin_close(&heads);
    twin_close(&batches);
}

static void test_adversaries(void) {
    run_adversary("vqgan_hinge");
    run_adversary("vqgan_frozen");
    run_adversary("vqgan_r1");
}

int main(void) {
    RUN(test_cases);
    RUN(test_adversaries);
    return test_end();
}
