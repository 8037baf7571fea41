/* test_prior_memory.c - allocation n fails, for every n of sampling from a prior, of asking it, of inpainting, and of training one: ERR_MEMORY, nothing
 * leaks, and the handle goes on. */
#define TS_TEST_ALLOC
#include "base/alloc.c"

#include "test.h"
#include "twin.h"

#include "tesserae.h"

static twin_file file;
static tess_model *shared, *conv; /* loaded without failures; a convolutional prior */
static const char *config;        /* of the file */

static tess_status load(void) {
    const uint8_t *bytes;
    size_t size;
    tess_model *model = tess_model_new();
    if (!model) return TESS_ERR_MEMORY;
    tess_status status = tess_model_load(model, file.bytes, file.size);
    if (status >= 0) status = tess_model_save(model, -1, &bytes, &size);
    if (status < 0) CHECK(strlen(tess_model_message(model)) > 10);
    tess_model_free(model);
    return status;
}

static tess_status job(tess_sampler *s) {
    tess_status status = tess_sampler_prompt(s, "red hat", 7);
    if (status >= 0) status = tess_sampler_begin(s, 4, 4, NULL) ? TESS_MORE : TESS_ERR_MEMORY;
    while (status == TESS_MORE) status = tess_sampler_step(s);
    if (status < 0) return status;
    const uint16_t *made = tess_sampler_tokens(s, NULL, NULL, NULL);
    const uint16_t zeros[16] = {0};
    if (!tess_sampler_alternatives(s, made, 1, 4, 4, 0, 2, 1)) return TESS_ERR_MEMORY;
    return tess_sampler_interpolate(s, made, zeros, 1, 4, 4, 0.4) ? TESS_OK : TESS_ERR_MEMORY;
}

static tess_status sample(void) {
    tess_sampler *s = tess_sampler_new(shared);
    if (!s) return TESS_ERR_MEMORY;
    tess_sampler_set(s, "threads", 2);
    tess_sampler_set(s, "guidance", 1);
    tess_sampler_set(s, "steps", 3);
    const tess_status status = job(s);
    if (status < 0) {
        CHECK(strlen(tess_sampler_message(s)) > 10);
        ts_test_alloc_fail_at(0); /* memory is back: the same handle works */
        CHECK_INT(job(s), TESS_OK);
    }
    tess_sampler_free(s);
    return status;
}

static tess_status fill(tess_inpainter *inpainter) {
    uint8_t *mask = NULL;
    uint8_t *pixels = tess_inpainter_begin(inpainter, 100, 90, 3, &mask);
    if (!pixels) return TESS_ERR_MEMORY;
    for (int k = 0; k < 100 * 90; k++) {
        for (int c = 0; c < 3; c++) pixels[k * 3 + c] = (uint8_t)(k * 7 % 251);
        mask[k] = k % 100 > 80 && k / 100 < 20;
    }
    tess_status status = TESS_MORE;
    while (status == TESS_MORE) status = tess_inpainter_step(inpainter);
    if (status == TESS_DONE) status = tess_inpainter_again(inpainter);
    if (status == TESS_OK) status = TESS_MORE;
    while (status == TESS_MORE) status = tess_inpainter_step(inpainter);
    return status == TESS_DONE ? TESS_OK : status;
}

static tess_status inpaint(int method) {
    tess_inpainter *inpainter = tess_inpainter_new(conv);
    if (!inpainter) return TESS_ERR_MEMORY;
    tess_inpainter_set(inpainter, "threads", 2);
    tess_inpainter_set(inpainter, "steps", 1);
    tess_inpainter_set(inpainter, "feather", 3);
    tess_inpainter_set(inpainter, "method", method);
    const tess_status status = fill(inpainter);
    if (status < 0) {
        CHECK(strlen(tess_inpainter_message(inpainter)) > 10);
        ts_test_alloc_fail_at(0);
        CHECK_INT(fill(inpainter), TESS_OK);
    }
    tess_inpainter_free(inpainter);
    return status;
}

static tess_status copy(void) { return inpaint(0); }

static tess_status make_up(void) { return inpaint(1); }

static tess_status picture(tess_trainer *t) {
    uint8_t *p = tess_trainer_add_image(t, 0, 16, 17, 3);
    for (int k = 0; p && k < 16 * 17 * 3; k++) p[k] = (uint8_t)(k * 7 % 251);
    return p ? TESS_OK : TESS_ERR_MEMORY;
}

static tess_status train(void) {
    const uint8_t *bytes;
    size_t size;
    tess_trainer *t = tess_trainer_new(), *r = tess_trainer_new();
    tess_status status = t && r ? tess_trainer_config(t, config, strlen(config)) : TESS_ERR_MEMORY;
    if (status >= 0) status = tess_trainer_init(t, file.bytes, file.size);
    if (status >= 0) status = tess_trainer_set(t, "threads", 2);
    if (status >= 0) status = picture(t);
    if (status >= 0) status = tess_trainer_caption(t, 0, "hat", 3);
    for (int i = 0; i < 3 && status >= 0; i++) status = tess_trainer_step(t);
    if (status >= 0) status = tess_trainer_model(t, 1, &bytes, &size);
    if (status >= 0) status = tess_trainer_checkpoint(t, &bytes, &size);
    if (status >= 0) status = tess_trainer_resume(r, bytes, size);
    if (status < 0 && t && r) CHECK(strlen(tess_trainer_message(t)) > 10 || strlen(tess_trainer_message(r)) > 10);
    if (status < 0 && t) {
        ts_test_alloc_fail_at(0);
        CHECK_INT(tess_trainer_config(t, config, strlen(config)), TESS_OK);
        CHECK_INT(tess_trainer_init(t, file.bytes, file.size), TESS_OK);
        CHECK_INT(picture(t), TESS_OK);
        CHECK_INT(tess_trainer_step(t), TESS_MORE); /* encodes */
        CHECK_INT(tess_trainer_step(t), TESS_MORE);
    }
    tess_trainer_free(t);
    tess_trainer_free(r);
    return status < 0 ? status : TESS_OK;
}

static void test_every_allocation(void) {
    static const struct {
        const char *name;
        tess_status (*call)(void);
        long least; /* allocations that it surely makes */
    } CALLS[] = {{"load and save", load, 10},
                 {"sample", sample, 15},
                 {"inpaint by copies", copy, 40},
                 {"inpaint", make_up, 40},
                 {"train", train, 60}};
    for (size_t i = 0; i < sizeof CALLS / sizeof *CALLS; i++) {
        const long live = ts_test_alloc_live();
        tess_status status = TESS_ERR_MEMORY;
        long n = 1;
        for (; status < 0 && n < 5000; n++) {
            test_row("%s, allocation %ld", CALLS[i].name, n);
            ts_test_alloc_fail_at(n);
            status = CALLS[i].call();
            ts_test_alloc_fail_at(0);
            if (status < 0) CHECK_INT(status, TESS_ERR_MEMORY);
            CHECK_INT(ts_test_alloc_live(), live);
        }
        CHECK(n > CALLS[i].least);
        CHECK_INT(status, TESS_OK);
    }
}

int main(void) {
    file = twin_open("prior_text");
    twin_file conv_file = twin_open("prior_conv");
    shared = tess_model_new();
    conv = tess_model_new();
    if (CHECK(file.file && tess_model_load(shared, file.bytes, file.size) == TESS_OK) &&
        CHECK(conv_file.file && tess_model_load(conv, conv_file.bytes, conv_file.size) == TESS_OK)) {
        config = ts_safetensors_metadata(file.file, "tesserae");
        RUN(test_every_allocation);
    }
    tess_model_free(shared);
    tess_model_free(conv);
    twin_close(&conv_file);
    twin_close(&file);
    return test_end();
}
