/* test_trainer_memory.c - allocation n fails, for every n of a trainer's life: ERR_MEMORY, nothing leaks, and after
 * a failed call the trainer can be freed or used again. */
#define TS_TEST_ALLOC
#include "base/alloc.c"

#include "test.h"
#include "twin.h"

#include "tesserae.h"

#define CONFIG(adversarial)                                                                                            \
    "{\"format\":1,\"encoder\":[{\"op\":\"unshuffle\",\"factor\":4},{\"op\":\"conv\",\"out\":8,\"kernel\":3},"         \
    "{\"op\":\"res\"},{\"op\":\"norm\",\"groups\":2},{\"op\":\"conv\",\"out\":4,\"kernel\":1}],"                       \
    "\"decoder\":[{\"op\":\"conv\",\"out\":8,\"kernel\":3},{\"op\":\"relu\"},{\"op\":\"tconv\",\"out\":12,"            \
    "\"kernel\":4,\"stride\":2},{\"op\":\"shuffle\",\"factor\":2}],"                                                   \
    "\"quantizer\":{\"type\":\"vq\",\"levels\":2,\"size\":8,\"dim\":4},"                                               \
    "\"train\":{\"size\":32,\"batch\":2,\"steps\":4,\"quantize_from\":1,"                                              \
    "\"loss\":{\"ms_ssim\":0.5,\"lpips\":0.5,\"lpips_from\":1" adversarial "}}"

static const char *const configs[] = {
    CONFIG("}"),
    CONFIG(",\"entropy\":0.1},\"adversarial\":{\"discriminator\":{\"layers\":2,\"width\":8,\"scales\":2},"
           "\"from\":1,\"features\":1,\"r1\":1,\"lecam\":1}"),
    CONFIG("},\"adversarial\":{\"discriminator\":{\"layers\":2,\"width\":8},\"from\":2,\"freeze\":true}")};

static twin_file net, heads;

static tess_status life(const char *config) {
    const uint8_t *bytes, *in, *out;
    const uint16_t *tokens;
    size_t size;
    int w, h, levels, th, tw;
    tess_status status = TESS_ERR_MEMORY;
    tess_trainer *t = tess_trainer_new(), *r = tess_trainer_new();
    if (t && r) status = tess_trainer_config(t, config, strlen(config));
    if (status >= 0) status = tess_trainer_features(t, net.bytes, net.size, heads.bytes, heads.size);
    if (status >= 0) status = tess_trainer_set(t, "threads", 2);
    for (int i = 0; i < 3 && status >= 0; i++) {
        uint8_t *p = tess_trainer_add_image(t, i == 2, 40, 36, 3);
        if (!p) status = TESS_ERR_MEMORY;
        for (int k = 0; p && k < 40 * 36 * 3; k++) p[k] = (uint8_t)(k * (7 + i) % 251);
    }
    for (int i = 0; i < 3 && status >= 0; i++) status = tess_trainer_step(t);
    if (status >= 0) status = tess_trainer_preview(t, 0, &in, &out, &w, &h, &tokens, &levels, &th, &tw);
    if (status >= 0) status = tess_trainer_model(t, 1, &bytes, &size);
    if (status >= 0) status = tess_trainer_init(t, bytes, size);
    if (status >= 0) status = tess_trainer_checkpoint(t, &bytes, &size);
    if (status >= 0) status = tess_trainer_resume(r, bytes, size);
    if (status < 0 && t)
        CHECK(r == NULL || strlen(tess_trainer_message(t)) > 10 || strlen(tess_trainer_message(r)) > 10);
    if (status == TESS_ERR_MEMORY && t) { /* memory is back: the same handle works */
        ts_test_alloc_fail_at(0);
        CHECK_INT(tess_trainer_config(t, config, strlen(config)), TESS_OK);
        CHECK_INT(tess_trainer_features(t, net.bytes, net.size, heads.bytes, heads.size), TESS_OK);
        CHECK(tess_trainer_add_image(t, 0, 40, 36, 3) != NULL);
        CHECK_INT(tess_trainer_step(t), TESS_MORE);
    }
    tess_trainer_free(t);
    tess_trainer_free(r);
    return status;
}

static void fail_every_allocation(const char *config, int number) {
    long live = ts_test_alloc_live();
    tess_status status = TESS_ERR_MEMORY;
    long n = 1;
    for (; status < 0 && n < 5000; n++) {
        test_row("config %d, allocation %ld", number, n);
        ts_test_alloc_fail_at(n);
        status = life(config);
        ts_test_alloc_fail_at(0);
        if (status < 0) CHECK_INT(status, TESS_ERR_MEMORY);
        CHECK_INT(ts_test_alloc_live(), live);
    }
    CHECK(n > 100); /* it failed somewhere, and went through in the end */
    CHECK(status >= 0);
}

static void test_every_allocation(void) {
    for (int i = 0; i < (int)(sizeof configs / sizeof *configs); i++) fail_every_allocation(configs[i], i);
}

int main(void) {
    net = twin_open("squeezenet");
    heads = twin_open("lpips");
    if (CHECK(net.bytes && heads.bytes)) RUN(test_every_allocation);
    twin_close(&net);
    twin_close(&heads);
    return test_end();
}
