/* test_parts.c - an encoding job in parts, as a pool of workers does it: latents by regions, tokens by regions, the file. */
#include <stdlib.h>

#include "test.h"
#include "tiny.h"

enum { WIDTH = 333, HEIGHT = 290, LATENT_WIDTH = 84, LATENT_HEIGHT = 73 };

static tess_model *model;

static void set_region(tess_encoder *encoder, const int rect[4]) {
    CHECK_INT(tess_encoder_set(encoder, "x", rect[0]), TESS_OK);
    CHECK_INT(tess_encoder_set(encoder, "y", rect[1]), TESS_OK);
    CHECK_INT(tess_encoder_set(encoder, "width", rect[2]), TESS_OK);
    CHECK_INT(tess_encoder_set(encoder, "height", rect[3]), TESS_OK);
}

static bool run(tess_encoder *encoder) {
    tess_status status;
    do status = tess_encoder_step(encoder);
    while (status == TESS_MORE);
    return CHECK_INT(status, TESS_DONE);
}

/* The latents of the tiles that a region touches, added into `all`. Pixels out of the region's window are noise. */
static int dim_of_latents;
static float *latents_of(const uint8_t *pixels, const int rect[4], float *all) {
    int height, width, dim;
    tess_encoder *encoder = tess_encoder_new(model);
    tess_encoder_set(encoder, "latents", 1);
    tess_encoder_set(encoder, "tile", 37);
    set_region(encoder, rect);
    uint8_t *room = tess_encoder_begin(encoder, WIDTH, HEIGHT, 3);
    if (CHECK(room)) memcpy(room, pixels, (size_t)WIDTH * HEIGHT * 3);
    if (room && run(encoder)) {
        const float *latents = tess_encoder_latents(encoder, &height, &width, &dim);
        CHECK_INT(height, LATENT_HEIGHT);
        CHECK_INT(width, LATENT_WIDTH);
        const size_t count = (size_t)height * (size_t)width * (size_t)dim;
        dim_of_latents = dim;
        if (!all) all = calloc(count, sizeof *all);
        for (size_t i = 0; i < count; i++)
            if (latents[i] != 0) all[i] = latents[i];
    }
    tess_encoder_free(encoder);
    return all;
}

static const int WHOLE[4] = {0, 0, 0, 0};
static const int HALVES[2][4] = {{0, 0, WIDTH, 140}, {0, 180, WIDTH, 110}};    /* rows of two work tiles */
static const int QUARTERS[2][4] = {{0, 0, 256, HEIGHT}, {256, 0, 77, HEIGHT}}; /* columns of two entropy tiles */

static tess_encoder *encoder_of_latents(const float *latents) {
    tess_encoder *encoder = tess_encoder_new(model);
    float *room = tess_encoder_begin_latents(encoder, LATENT_HEIGHT, LATENT_WIDTH, dim_of_latents, HEIGHT, WIDTH);
    if (CHECK(room))
        memcpy(room, latents, (size_t)LATENT_HEIGHT * LATENT_WIDTH * (size_t)dim_of_latents * sizeof *room);
    return encoder;
}

static void check_file(tess_encoder *encoder, const uint8_t *bytes, size_t size) {
    size_t size2;
    const uint8_t *bytes2 = tess_encoder_bytes(encoder, &size2);
    CHECK_INT(size2, size);
    if (bytes2 && size == size2) CHECK_BYTES(bytes2, bytes, size);
}

static void test_parts_make_the_whole(void) {
    static uint8_t pixels[WIDTH * HEIGHT * 3];
    size_t size = 0;
    tiny_picture(pixels, WIDTH, HEIGHT, 3);
    tess_encoder *whole = tess_encoder_new(model);
    tess_encoder_set(whole, "tile", 37);
    if (!CHECK(tiny_encode(whole, pixels, WIDTH, HEIGHT, 3))) return;
    const uint8_t *bytes = tess_encoder_bytes(whole, &size);

    float *latents = latents_of(pixels, WHOLE, NULL);
    const size_t count = (size_t)LATENT_HEIGHT * LATENT_WIDTH * (size_t)dim_of_latents;
    float *parts = latents_of(pixels, HALVES[0], NULL);
    CHECK(memcmp(parts, latents, count * sizeof *parts) != 0);
    latents_of(pixels, HALVES[1], parts);
    CHECK_BYTES(parts, latents, count * sizeof *parts);

    tess_encoder *chooser = encoder_of_latents(latents);
    if (run(chooser)) check_file(chooser, bytes, size);
    tess_encoder_free(chooser);

    int levels = 0, height, width;
    uint16_t *tokens = NULL;
    for (int i = 0; i < 2; i++) {
        chooser = encoder_of_latents(latents);
        tess_encoder_set(chooser, "tokens_only", 1);
        tess_encoder_set(chooser, "quality", 60);
        set_region(chooser, QUARTERS[i]);
        if (run(chooser)) {
            const uint16_t *some = tess_encoder_tokens(chooser, &levels, &height, &width);
            const size_t all = (size_t)levels * (size_t)height * (size_t)width;
            if (!tokens) tokens = calloc(all, sizeof *tokens);
            for (size_t k = 0; k < all; k++) {
                CHECK(!(some[k] && tokens[k]));
                tokens[k] |= some[k];
            }
        }
        tess_encoder_free(chooser);
    }
    tess_encoder *writer = tess_encoder_new(model);
    uint16_t *room = tess_encoder_begin_tokens(writer, LATENT_HEIGHT, LATENT_WIDTH, HEIGHT, WIDTH);
    if (CHECK(room) && tokens) {
        memcpy(room, tokens, (size_t)levels * LATENT_HEIGHT * LATENT_WIDTH * sizeof *room);
        if (run(writer)) check_file(writer, bytes, size);
    }
    tess_encoder_free(writer);
    tess_encoder_free(whole);
    free(tokens);
    free(parts);
    free(latents);
}

static void test_windows_hold_their_tiles(void) {
    int tile[4] = {0}, window[4] = {0};
    const int count = tess_model_tile(model, 1, 4001, 3000, -1, tile);
    CHECK(count > 1);
    for (int i = 0; i < count; i++) {
        CHECK_INT(tess_model_tile(model, 1, 4001, 3000, i, tile), count);
        CHECK_INT(tess_model_window(model, 4001, 3000, i, window), count);
        for (int axis = 0; axis < 2; axis++) {
            const int side = axis ? 3000 : 4001, end = tile[axis] + tile[2 + axis],
                      seen = window[axis] + window[2 + axis];
            CHECK(window[axis] == 0 ? tile[axis] >= 0 : window[axis] < tile[axis]);
            CHECK(seen == side ? end <= side : seen > end && seen < side);
        }
    }
}

static void check_refused(tess_encoder *encoder, tess_status wanted) {
    tess_status status;
    do status = tess_encoder_step(encoder);
    while (status == TESS_MORE);
    CHECK_INT(status, wanted);
    CHECK(tess_encoder_message(encoder)[0] != 0);
}

static void test_wrong_uses(void) {
    static const uint8_t grey[16 * 16];
    tess_encoder *encoder = tess_encoder_new(model);
    tess_encoder_set(encoder, "width", 8);
    memcpy(tess_encoder_begin(encoder, 16, 16, 1), grey, sizeof grey);
    check_refused(encoder, TESS_ERR_OPTION); /* a region of a file */
    tess_encoder_set(encoder, "latents", 1);
    tess_encoder_set(encoder, "x", 16);
    memcpy(tess_encoder_begin(encoder, 16, 16, 1), grey, sizeof grey);
    check_refused(encoder, TESS_ERR_OPTION); /* outside */
    CHECK(tess_encoder_begin_latents(encoder, 4, 4, 3, 16, 16) == NULL);
    CHECK(tess_encoder_begin_latents(encoder, 5, 4, dim_of_latents, 16, 16) == NULL);
    CHECK(tess_encoder_begin_latents(encoder, 4, 4, dim_of_latents, 16, 16) != NULL);
    check_refused(encoder, TESS_ERR_OPTION); /* latents of latents */
    tess_encoder_set(encoder, "latents", 0);
    tess_encoder_set(encoder, "x", 0), tess_encoder_set(encoder, "width", 0);
    float *latents = tess_encoder_begin_latents(encoder, 4, 4, dim_of_latents, 16, 16);
    if (CHECK(latents)) latents[5] = NAN;
    check_refused(encoder, TESS_ERR_INPUT);
    uint16_t *tokens = tess_encoder_begin_tokens(encoder, 4, 4, 16, 16);
    if (CHECK(tokens)) tokens[7] = 60000;
    check_refused(encoder, TESS_ERR_INPUT);
    CHECK(tess_encoder_begin_tokens(encoder, 4, 5, 16, 16) == NULL);
    tess_encoder_free(encoder);
}

int main(void) {
    model = tiny_model(TINY_CONFIG, 1);
    if (!CHECK(model)) return test_end();
    RUN(test_parts_make_the_whole);
    RUN(test_windows_hold_their_tiles);
    RUN(test_wrong_uses);
    tess_model_free(model);
    return test_end();
}
