/* test_prior_trainer.c - training a prior on a frozen model's tokens: it learns, resumes exactly, leaves the model as it
 * was, and words call up the pictures that they were given with. */
#include <stdlib.h>

#include "base/alloc.h"
#include "engine/trainer.h"
#include "test.h"
#include "tiny.h"

#define NETS                                                                                                           \
    "\"format\":1,\"name\":\"small\",\"encoder\":[{\"op\":\"unshuffle\",\"factor\":4},{\"op\":\"conv\",\"out\":4,"     \
    "\"kernel\":1}],\"decoder\":[{\"op\":\"conv\",\"out\":48,\"kernel\":1},{\"op\":\"shuffle\",\"factor\":4}],"        \
    "\"quantizer\":{\"type\":\"vq\",\"size\":32,\"dim\":4}"
#define PRIOR "\"prior\":{\"type\":\"transformer\",\"grid\":[3,4],\"width\":32,\"layers\":2,\"heads\":2,\"hidden\":48,"
#define TRAIN                                                                                                          \
    "\"train\":{\"flip\":true,\"prior\":{\"batch\":8,\"steps\":40,\"lr\":0.01,\"warmup\":4,\"ema\":0.9,\"seed\":5}}"

static const char *const TOKENIZER = "{" NETS "}";
static const char *const WORDS = "{" NETS "," PRIOR "\"text\":{\"words\":4,\"buckets\":64}}," TRAIN "}";
static const char *const CLASSES = "{" NETS "," PRIOR "\"classes\":3}," TRAIN "}";

enum { PICTURES = 3, PLACES = 12 };
static uint8_t *model_bytes;
static size_t model_size;

/* Pictures as large as the grid, larger and smaller, in grey, RGB and RGBA, all of noise of their own. */
static void add_pictures(tess_trainer *t) {
    static const int sizes[PICTURES][3] = {{16, 12, 3}, {21, 19, 1}, {13, 9, 4}};
    uint32_t state = 7;
    for (int i = 0; i < PICTURES; i++) {
        const int count = sizes[i][0] * sizes[i][1] * sizes[i][2];
        uint8_t *p = tess_trainer_add_image(t, 0, sizes[i][0], sizes[i][1], sizes[i][2]);
        for (int k = 0; CHECK(p) && k < count; k++) p[k] = (uint8_t)((state = state * 1664525u + 1013904223u) >> 24);
    }
}

static void caption(tess_trainer *t, int i, const char *text) {
    CHECK_INT(tess_trainer_caption(t, i, text, strlen(text)), TESS_OK);
}

static tess_trainer *trainer_with(const char *config) {
    tess_trainer *t = tess_trainer_new();
    if (!CHECK_INT(tess_trainer_config(t, config, strlen(config)), TESS_OK)) printf("%s\n", tess_trainer_message(t));
    if (!CHECK_INT(tess_trainer_init(t, model_bytes, model_size), TESS_OK)) printf("%s\n", tess_trainer_message(t));
    add_pictures(t);
    caption(t, 0, "red house");
    caption(t, 1, "blue tree");
    CHECK_INT(tess_trainer_class(t, 0, 0), TESS_OK);
    CHECK_INT(tess_trainer_class(t, 1, 2), TESS_OK);
    return t;
}

/* Steps up to number n, those that encode not counted. */
static void run_to(tess_trainer *t, int n) {
    for (int i = 0; tess_trainer_stat(t, "step") < n && i < 100000; i++) {
        const tess_status status = tess_trainer_step(t);
        if (!CHECK(status >= 0)) {
            printf("%s\n", tess_trainer_message(t));
            return;
        }
    }
}

static void test_learns(void) {
    tess_trainer *t = trainer_with(WORDS);
    CHECK_NEAR(tess_trainer_stat(t, "encoded"), 0, 0);
    CHECK(isnan(tess_trainer_stat(t, "total")) && isnan(tess_trainer_stat(t, "psnr")));
    CHECK_INT(tess_trainer_step(t), TESS_MORE);
    CHECK_NEAR(tess_trainer_stat(t, "encoded"), 1, 0);
    CHECK_NEAR(tess_trainer_stat(t, "step"), 0, 0);
    CHECK_INT(tess_trainer_step(t), TESS_MORE);
    const double first = tess_trainer_stat(t, "total");
    CHECK_NEAR(first, log(32), 1);
    CHECK_NEAR(tess_trainer_stat(t, "lr"), 0.01 / 4, 1e-7);
    CHECK_NEAR(tess_trainer_stat(t, "images"), 8, 0);
    CHECK(tess_trainer_stat(t, "grad_norm") > 0 && tess_trainer_stat(t, "accuracy") < 0.6);
    run_to(t, 39);
    CHECK_INT(tess_trainer_step(t), TESS_DONE);
    CHECK_INT(tess_trainer_step(t), TESS_DONE);
    CHECK(tess_trainer_stat(t, "total") < first - 0.5);
    CHECK(tess_trainer_stat(t, "accuracy") > 0.2);
    CHECK_NEAR(tess_trainer_stat(t, "steps"), 40, 0);
    CHECK_NEAR(tess_trainer_stat(t, "skipped"), 0, 0);
    CHECK_TEXT(tess_trainer_warning(t), "");
    tess_trainer_free(t);
}

/* ---- resume ------------------------------------------------------------------------------------------------------ */

static void check_same(const tess_trainer *a, const tess_trainer *b) {
    const ts_prior_trainer *p = a->prior, *q = b->prior;
    const size_t bytes = ts_params_floats(p->params) * sizeof(float);
    CHECK_BYTES(p->values, q->values, bytes);
    CHECK_BYTES(p->ema, q->ema, bytes);
    CHECK_BYTES(p->first, q->first, bytes);
    CHECK_BYTES(p->second, q->second, bytes);
    CHECK(p->step == q->step && p->images == q->images && p->rng.state == q->rng.state);
}

static void test_resume_is_exact(void) {
    static const int cuts[] = {-1, 0, 1, 7}; /* -1: before anything is encoded */
    static const char *const *const configs[] = {&WORDS, &CLASSES};
    for (int k = 0; k < 2; k++)
        for (int c = 0; c < 4; c++) {
            tess_trainer *a = trainer_with(*configs[k]), *b = trainer_with(*configs[k]), *r = tess_trainer_new();
            const uint8_t *bytes;
            size_t size;
            test_row("config %d, cut at %d", k, cuts[c]);
            run_to(a, 12);
            if (cuts[c] >= 0) tess_trainer_step(b);
            run_to(b, cuts[c]);
            CHECK_INT(tess_trainer_checkpoint(b, &bytes, &size), TESS_OK);
            CHECK_INT(tess_trainer_resume(r, bytes, size), TESS_OK);
            add_pictures(r);
            caption(r, 0, "red house");
            caption(r, 1, "blue tree");
            tess_trainer_class(r, 0, 0);
            tess_trainer_class(r, 1, 2);
            CHECK_INT(tess_trainer_set(r, "threads", 2), TESS_OK);
            run_to(r, 12);
            check_same(a, r);
            tess_trainer_free(a);
            tess_trainer_free(b);
            tess_trainer_free(r);
        }
}

static void test_resume_keeps_changes(void) {
    tess_trainer *a = trainer_with(WORDS), *r = tess_trainer_new();
    const uint8_t *bytes;
    size_t size;
    CHECK_INT(tess_trainer_set(a, "lr", 0.25), TESS_OK);
    CHECK_INT(tess_trainer_set(a, "batch", 3), TESS_OK);
    CHECK_INT(tess_trainer_set(a, "steps", 77), TESS_OK);
    CHECK_INT(tess_trainer_checkpoint(a, &bytes, &size), TESS_OK);
    CHECK_INT(tess_trainer_resume(r, bytes, size), TESS_OK);
    CHECK_NEAR(r->config.train.prior.lr, 0.25, 0);
    CHECK_INT(r->config.train.prior.batch, 3);
    CHECK_NEAR(tess_trainer_stat(r, "steps"), 77, 0);
    /* damage anywhere is refused or taken as other weights; nothing crashes */
    uint8_t *copy = malloc(size);
    for (size_t at = 8; at < size; at += 1 + size / 97) {
        memcpy(copy, bytes, size);
        copy[at] ^= 0x41;
        tess_trainer_resume(r, copy, size);
        CHECK(tess_trainer_resume(r, copy, at) < 0);
    }
    free(copy);
    tess_trainer_free(a);
    tess_trainer_free(r);
}

/* ---- the model --------------------------------------------------------------------------------------------------- */

static void hash_of(const tess_model *model, char hash[17]) {
    const char *at = strstr(tess_model_info(model), "\"hash\":\"");
    memset(hash, 0, 17);
    if (CHECK(at)) memcpy(hash, at + 8, 16);
}

/* The tokenizer goes through untouched, from files of either precision; the fingerprint too. */
static void test_model(void) {
    for (int file_half = 0; file_half < 2; file_half++)
        for (int half = 0; half < 2; half++) {
            size_t base_size, size;
            const uint8_t *bytes;
            uint8_t *base_bytes = tiny_model_file(TOKENIZER, 3, file_half, &base_size);
            tess_model *base = tess_model_new(), *made = tess_model_new();
            tess_trainer *t = tess_trainer_new();
            char before[17], after[17];
            test_row("tokenizer %d, prior %d", file_half, half);
            CHECK_INT(tess_model_load(base, base_bytes, base_size), TESS_OK);
            CHECK_INT(tess_trainer_config(t, WORDS, strlen(WORDS)), TESS_OK);
            CHECK_INT(tess_trainer_model(t, half, &bytes, &size), TESS_ERR_STATE);
            CHECK_INT(tess_trainer_init(t, base_bytes, base_size), TESS_OK);
            CHECK_INT(tess_trainer_model(t, half, &bytes, &size), TESS_OK);
            if (!CHECK_INT(tess_model_load(made, bytes, size), TESS_OK)) printf("%s\n", tess_model_message(made));
            hash_of(base, before), hash_of(made, after);
            CHECK_TEXT(after, before);
            CHECK(strstr(tess_model_info(made), "generate"));
            ts_safetensors *file = NULL;
            CHECK_INT(ts_safetensors_open(&file, bytes, size, NULL), TESS_OK);
            CHECK_INT(ts_safetensors_find(file, "decoder.0.weight")->dtype, file_half ? TS_F16 : TS_F32);
            CHECK_INT(ts_safetensors_find(file, "prior.head.weight")->dtype, half ? TS_F16 : TS_F32);
            for (size_t i = 0; i < ts_safetensors_count(file); i++) { /* aligned all the same */
                const ts_file_tensor *tensor = ts_safetensors_at(file, i);
                CHECK_INT((tensor->data - bytes) % (int)ts_dtype_bytes(tensor->dtype), 0);
            }
            ts_safetensors_close(file);
            /* going on from a model with a prior of that form takes its weights */
            tess_trainer *next = tess_trainer_new();
            CHECK_INT(tess_trainer_config(next, WORDS, strlen(WORDS)), TESS_OK);
            memset(next->prior->values, 0, ts_params_floats(next->prior->params) * sizeof(float));
            CHECK_INT(tess_trainer_init(next, bytes, size), TESS_OK);
            const size_t floats = ts_params_floats(t->prior->params) * sizeof(float);
            if (!half) CHECK_BYTES(next->prior->values, t->prior->ema, floats);
            tess_trainer_free(next);
            tess_trainer_free(t);
            tess_model_free(base);
            tess_model_free(made);
            ts_free(base_bytes);
        }
}

/* Files that the tokenizer reads besides its own are those that the model with the prior reads. */
static void test_reads(void) {
    size_t size;
    const uint8_t *bytes;
    const char *reading = "{" NETS ",\"reads\":[\"0123456789abcdef\"]}";
    uint8_t *base = tiny_model_file(reading, 1, 0, &size);
    tess_trainer *t = tess_trainer_new();
    tess_model *made = tess_model_new();
    CHECK_INT(tess_trainer_config(t, WORDS, strlen(WORDS)), TESS_OK);
    CHECK_INT(tess_trainer_init(t, base, size), TESS_OK);
    CHECK_INT(tess_trainer_model(t, 1, &bytes, &size), TESS_OK);
    CHECK_INT(tess_model_load(made, bytes, size), TESS_OK);
    CHECK(strstr(tess_model_info(made), "\"reads\":[\"0123456789abcdef\"]"));
    tess_trainer_free(t);
    tess_model_free(made);
    ts_free(base);
}

/* Settled tokens of a job under a prompt or class. */
static bool sample(tess_sampler *s, uint16_t tokens[PLACES]) {
    tess_status status = tess_sampler_begin(s, 3, 4, NULL) ? TESS_MORE : TESS_ERR_INPUT;
    while (status == TESS_MORE) status = tess_sampler_step(s);
    if (status == TESS_DONE) memcpy(tokens, tess_sampler_tokens(s, NULL, NULL, NULL), PLACES * sizeof *tokens);
    return status == TESS_DONE;
}

static int equal(const uint16_t *a, const uint16_t *b) {
    int count = 0;
    for (int i = 0; i < PLACES; i++) count += a[i] == b[i];
    return count;
}

/* Trained to the end, words (or a class) call up the tokens of their picture, as it is or mirrored. */
static void test_calls_up(void) {
    for (int k = 0; k < 2; k++) {
        tess_trainer *t = trainer_with(k ? CLASSES : WORDS);
        const uint8_t *bytes;
        uint16_t tokens[PLACES];
        size_t size;
        test_row("%s", k ? "classes" : "words");
        tess_trainer_set(t, "steps", 500);
        tess_trainer_set(t, "lr", 0.004);
        run_to(t, 500);
        CHECK_INT(tess_trainer_model(t, 1, &bytes, &size), TESS_OK);
        tess_model *model = tess_model_new();
        CHECK_INT(tess_model_load(model, bytes, size), TESS_OK);
        tess_sampler *s = tess_sampler_new(model);
        CHECK_INT(tess_sampler_set(s, "temperature", 0.2), TESS_OK);
        CHECK_INT(tess_sampler_set(s, "guidance", 1), TESS_OK);
        for (int i = 0; i < 2; i++) {
            const char *prompt = i ? "TREE, blue" : "Red house!";
            if (k) CHECK_INT(tess_sampler_set(s, "class", i ? 2 : 0), TESS_OK);
            else CHECK_INT(tess_sampler_prompt(s, prompt, strlen(prompt)), TESS_OK);
            if (!CHECK(sample(s, tokens))) continue;
            const uint16_t *own = t->prior->tokens + i * 2 * PLACES;
            const int right = equal(tokens, own) > equal(tokens, own + PLACES) ? equal(tokens, own)
                                                                               : equal(tokens, own + PLACES);
            test_check(right >= 8, __FILE__, __LINE__, "picture %d: %d of %d tokens", i, right, PLACES);
        }
        tess_sampler_free(s);
        tess_model_free(model);
        tess_trainer_free(t);
    }
}

/* ---- wrong calls ------------------------------------------------------------------------------------------------- */

static void test_wrong_calls(void) {
    const uint8_t *bytes, *in, *out;
    const uint16_t *tokens;
    size_t size;
    int w, h, levels, th, tw;
    tess_trainer *t = tess_trainer_new();
    CHECK_INT(tess_trainer_caption(t, 0, "a", 1), TESS_ERR_OPTION);
    const char *untrained = "{" NETS "," PRIOR "\"classes\":3}}";
    CHECK_INT(tess_trainer_config(t, untrained, strlen(untrained)), TESS_ERR_INPUT);
    CHECK(strstr(tess_trainer_message(t), "train.prior"));
    CHECK_INT(tess_trainer_config(t, CLASSES, strlen(CLASSES)), TESS_OK);
    CHECK_INT(tess_trainer_step(t), TESS_ERR_STATE);
    CHECK(strstr(tess_trainer_message(t), "init"));
    CHECK_INT(tess_trainer_init(t, "no model", 8), TESS_ERR_FORMAT);
    uint8_t *other = tiny_model_file(TINY_CONFIG, 1, 0, &size);
    CHECK_INT(tess_trainer_init(t, other, size), TESS_ERR_MODEL);
    CHECK(strstr(tess_trainer_message(t), "nets"));
    ts_free(other);
    CHECK_INT(tess_trainer_step(t), TESS_ERR_STATE);
    CHECK_INT(tess_trainer_init(t, model_bytes, model_size), TESS_OK);
    CHECK_INT(tess_trainer_step(t), TESS_ERR_STATE);
    CHECK(strstr(tess_trainer_message(t), "picture"));
    add_pictures(t);
    CHECK_INT(tess_trainer_caption(t, PICTURES, "a", 1), TESS_ERR_OPTION);
    CHECK_INT(tess_trainer_caption(t, -1, "a", 1), TESS_ERR_OPTION);
    CHECK_INT(tess_trainer_caption(t, 1, NULL, 1), TESS_ERR_INPUT);
    CHECK_INT(tess_trainer_caption(NULL, 1, "a", 1), TESS_ERR_STATE);
    CHECK_INT(tess_trainer_class(t, 1, -2), TESS_ERR_OPTION);
    CHECK_INT(tess_trainer_class(t, 1, 2), TESS_OK);
    CHECK_INT(tess_trainer_class(t, 0, 60000), TESS_OK); /* more than the prior has: as none */
    static const struct {
        const char *name;
        double value;
    } bad[] = {{"l1", 1},    {"batch", 0}, {"batch", 1025}, {"batch", 1.5},
               {"steps", 0}, {"lr", -1},   {"lr", NAN},     {"x", 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_INT(tess_trainer_set(t, bad[i].name, bad[i].value), TESS_ERR_OPTION);
    CHECK_INT(tess_trainer_preview(t, 0, &in, &out, &w, &h, &tokens, &levels, &th, &tw), TESS_ERR_STATE);
    CHECK(tess_trainer_usage(t, 0, &w) == NULL);
    run_to(t, 2);
    /* back to a tokenizer's training with the same handle */
    CHECK_INT(tess_trainer_config(t, TOKENIZER, strlen(TOKENIZER)), TESS_OK);
    CHECK(t->prior == NULL);
    CHECK_INT(tess_trainer_model(t, 0, &bytes, &size), TESS_OK);
    tess_trainer_free(t);
}

/* A hundred steps of numbers that are not finite end the run; a few only count. */
static void test_bad_steps(void) {
    tess_trainer *t = trainer_with(CLASSES);
    run_to(t, 2);
    tess_trainer_set(t, "steps", 1000);
    const ts_param *p = ts_params_at(t->prior->params, 0);
    float *at = t->prior->values + p->offset;
    for (size_t i = 0; i < p->count; i++) at[i] = NAN;
    ts_weights_changed(t->prior->weights);
    CHECK_INT(tess_trainer_step(t), TESS_MORE);
    CHECK_NEAR(tess_trainer_stat(t, "skipped"), 1, 0);
    tess_status status = TESS_MORE;
    int steps = 1;
    for (; status == TESS_MORE && steps < 200; steps++) status = tess_trainer_step(t);
    CHECK_INT(status, TESS_ERR_NUMERIC);
    CHECK_INT(steps, 100);
    tess_trainer_free(t);
}

int main(void) {
    model_bytes = tiny_model_file(TOKENIZER, 1, 0, &model_size);
    if (CHECK(model_bytes)) {
        RUN(test_learns);
        RUN(test_resume_is_exact);
        RUN(test_resume_keeps_changes);
        RUN(test_model);
        RUN(test_reads);
        RUN(test_calls_up);
        RUN(test_wrong_calls);
        RUN(test_bad_steps);
    }
    ts_free(model_bytes);
    return test_end();
}
