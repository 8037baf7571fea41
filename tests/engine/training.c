#include "training.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Nets of the smallest size that has every part: strides, residuals, shuffle. */
#define NETS                                                                                                           \
    "\"format\":1,\"name\":\"small\",\"encoder\":[{\"op\":\"unshuffle\",\"factor\":2},{\"op\":\"conv\",\"out\":16,"    \
    "\"kernel\":3},"                                                                                                   \
    "{\"op\":\"res\"},{\"op\":\"unshuffle\",\"factor\":2},{\"op\":\"silu\"},{\"op\":\"conv\",\"out\":4,\"kernel\":1}]" \
    ","                                                                                                                \
    "\"decoder\":[{\"op\":\"conv\",\"out\":32,\"kernel\":3},{\"op\":\"shuffle\",\"factor\":2},{\"op\":\"res\"},{"      \
    "\"op\":\"silu\"},"                                                                                                \
    "{\"op\":\"conv\",\"out\":12,\"kernel\":3},{\"op\":\"shuffle\",\"factor\":2}],"
#define TRAIN                                                                                                          \
    "\"train\":{\"size\":16,\"batch\":4,\"steps\":40,\"lr\":0.004,\"warmup\":4,\"seed\":7,\"quantize_from\":6,"        \
    "\"ema\":0.9,"                                                                                                     \
    "\"loss\":{\"l1\":1,\"l2\":2,\"ms_ssim\":0.3},\"level_weights\":[1,2],\"lambda\":[0,0.05]}}"

#define PLAIN_TRAIN                                                                                                    \
    "\"train\":{\"size\":16,\"batch\":4,\"steps\":40,\"lr\":0.004,\"warmup\":4,\"seed\":7,\"quantize_from\":6,"        \
    "\"ema\":0.9,"                                                                                                     \
    "\"loss\":{\"l1\":1,\"l2\":2}}}"

const char *const training_configs[TRAINING_CONFIGS] = {
    "{" NETS "\"quantizer\":{\"type\":\"vq\",\"levels\":2,\"size\":16,\"dim\":4}," TRAIN,
    "{" NETS "\"quantizer\":{\"type\":\"vq\",\"update\":\"gradient\",\"levels\":2,\"size\":16,\"dim\":4}," TRAIN,
    "{" NETS "\"quantizer\":{\"type\":\"fsq\",\"bins\":[5,4,3,3]}," PLAIN_TRAIN,
    "{" NETS "\"quantizer\":{\"type\":\"vq\",\"size\":16,\"dim\":4,\"normalize\":true}," PLAIN_TRAIN,
    "{" NETS
    "\"quantizer\":{\"type\":\"vq\",\"update\":\"gradient\",\"size\":16,\"dim\":4,\"normalize\":true}," PLAIN_TRAIN,
    "{" NETS "\"quantizer\":{\"type\":\"none\",\"dim\":4}," PLAIN_TRAIN,
    "{" NETS "\"quantizer\":{\"type\":\"lfq\",\"bits\":4}," PLAIN_TRAIN,
};

/* A call that must go well. */
static void must(int ok, const tess_trainer *t) {
    if (ok) return;
    printf("%s\n", tess_trainer_message(t));
    exit(1);
}

void training_pictures(tess_trainer *t, int validation, int count) {
    for (int i = 0; i < count; i++) {
        int w = 12 + 9 * i, h = 20 + 5 * (i % 3), c = i % 3 == 0 ? 3 : i % 3 == 1 ? 1 : 4;
        uint8_t *p = tess_trainer_add_image(t, validation, w, h, c);
        must(p != NULL, t);
        for (int y = 0; y < h; y++) {
            for (int x = 0; x < w; x++) {
                for (int k = 0; k < c; k++)
                    *p++ = (uint8_t)(40 + (x * (3 + k) + y * (5 - k) + (x > y + i ? 90 : 0)) % 190);
            }
        }
    }
}

tess_trainer *training_new(const char *config) {
    tess_trainer *t = tess_trainer_new();
    must(t && tess_trainer_config(t, config, strlen(config)) == TESS_OK, t);
    training_pictures(t, 0, 5);
    training_pictures(t, 1, 2);
    return t;
}

tess_trainer *training_against(int k, const char *adversarial) {
    char json[4096];
    const char *config = training_configs[k], *train = strstr(config, "\"train\":{") + 9;
    snprintf(json, sizeof json, "%.*s\"adversarial\":%s,%s", (int)(train - config), config, adversarial, train);
    return training_new(json);
}

void training_steps(tess_trainer *t, int n) {
    for (int i = 0; i < n; i++) must(tess_trainer_step(t) >= 0, t);
}
