/* Continuous latents in and out; models without a codebook; codebooks of length one; pictures too large in one piece. */
#include "test.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "tiny.h"

#define NETS                                                                                                           \
    "{\"format\":1,\"name\":\"blocks\",\"encoder\":[{\"op\":\"conv\",\"out\":8,\"kernel\":3,\"stride\":2,\"pad\":[0,"  \
    "0,1,1]},{\"op\":\"resnet\",\"groups\":4},{\"op\":\"conv\",\"out\":4,\"kernel\":4,\"stride\":2},{\"op\":"          \
    "\"attention\",\"groups\":2}],\"decoder\":[{\"op\":\"conv\",\"out\":8,\"kernel\":3},{\"op\":\"tiny\"},{\"op\":"    \
    "\"tconv\",\"out\":3,\"kernel\":4,\"stride\":4}],"

static const char *const CONTINUOUS = NETS "\"quantizer\":{\"type\":\"none\",\"dim\":4}}";
static const char *const UNIT = NETS "\"quantizer\":{\"type\":\"vq\",\"size\":32,\"dim\":4,\"normalize\":true}}";

enum { WIDTH = 90, HEIGHT = 61, COLUMNS = 23, ROWS = 16, DIM = 4 };

static tess_encoder *encode(const tess_model *model, const uint8_t *pixels, const char *option, int tile) {
    tess_encoder *encoder = tess_encoder_new(model);
    CHECK_INT(tess_encoder_set(encoder, option, 1), TESS_OK);
    CHECK_INT(tess_encoder_set(encoder, "tile", tile), TESS_OK);
    if (!CHECK(tiny_encode(encoder, pixels, WIDTH, HEIGHT, 3))) printf("%s\n", tess_encoder_message(encoder));
    return encoder;
}

/* The status that the job ends with. */
static tess_status decode(tess_decoder *decoder, const float *latents) {
    float *room = tess_decoder_begin_latents(decoder, ROWS, COLUMNS, DIM, HEIGHT, WIDTH);
    if (!CHECK(room)) return TESS_ERR_INPUT;
    memcpy(room, latents, sizeof *room * ROWS * COLUMNS * DIM);
    tess_status status;
    while ((status = tess_decoder_step(decoder)) == TESS_MORE) continue;
    return status;
}

static void check_region(const tess_model *model, const float *latents, const uint8_t *whole) {
    enum { X = 31, Y = 9, W = 40, H = 30 };
    tess_decoder *decoder = tess_decoder_new(model);
    int width, height, channels;
    tess_decoder_set(decoder, "x", X);
    tess_decoder_set(decoder, "y", Y);
    tess_decoder_set(decoder, "width", W);
    tess_decoder_set(decoder, "height", H);
    CHECK_INT(decode(decoder, latents), TESS_DONE);
    const uint8_t *part = tess_decoder_pixels(decoder, &width, &height, &channels);
    CHECK_INT(width, W);
    CHECK_INT(height, H);
    for (int y = 0; part && y < H; y++) CHECK_BYTES(part + y * W * 3, whole + ((Y + y) * WIDTH + X) * 3, W * 3);
    tess_decoder_free(decoder);
}

/* Latents do not depend on tiles, a region of them is the crop of the whole. */
static void test_latents(void) {
    static const char *const names[] = {"tiny", "continuous", "unit"};
    uint8_t *pixels = malloc(WIDTH * HEIGHT * 3);
    tiny_picture(pixels, WIDTH, HEIGHT, 3);
    for (int i = 0; i < 3; i++) {
        tess_model *model = tiny_model(i == 0 ? TINY_CONFIG : i == 1 ? CONTINUOUS : UNIT, 3);
        test_row("%s", names[i]);
        if (!CHECK(model)) continue;
        int height, width, dim, channels;
        tess_encoder *whole = encode(model, pixels, "latents", 0), *tiles = encode(model, pixels, "latents", 7);
        const float *a = tess_encoder_latents(whole, &height, &width, &dim),
                    *b = tess_encoder_latents(tiles, NULL, NULL, NULL);
        CHECK_INT(height, ROWS);
        CHECK_INT(width, COLUMNS);
        CHECK_INT(dim, DIM);
        CHECK(!tess_encoder_tokens(whole, NULL, NULL, NULL));
        CHECK(!tess_encoder_bytes(whole, NULL));
        if (CHECK(a && b)) CHECK_BYTES(a, b, sizeof *a * ROWS * COLUMNS * DIM);
        tess_decoder *decoder = tess_decoder_new(model);
        if (a) CHECK_INT(decode(decoder, a), TESS_DONE);
        CHECK(!tess_decoder_tokens(decoder, NULL, NULL, NULL));
        const uint8_t *out = tess_decoder_pixels(decoder, &width, &height, &channels);
        CHECK_INT(width, WIDTH);
        CHECK_INT(height, HEIGHT);
        CHECK_INT(channels, 3);
        if (a && out) check_region(model, a, out);
        tess_decoder_free(decoder);
        tess_encoder_free(whole);
        tess_encoder_free(tiles);
        tess_model_free(model);
    }
    free(pixels);
}

static bool says(const char *message, const char *part) {
    return test_check(strstr(message, part) != NULL, __FILE__, __LINE__, "the message is \"%s\"", message);
}

static void test_wrong_latents(void) {
    tess_model *model = tiny_model(CONTINUOUS, 1);
    tess_decoder *decoder = tess_decoder_new(model);
    float latents[ROWS * COLUMNS * DIM] = {0};
    CHECK(!tess_decoder_begin_latents(decoder, ROWS, COLUMNS, 5, HEIGHT, WIDTH));
    says(tess_decoder_message(decoder), "Latents of 5 channels");
    CHECK(!tess_decoder_begin_latents(decoder, ROWS + 1, COLUMNS, DIM, HEIGHT, WIDTH));
    says(tess_decoder_message(decoder), "has 23 x 16 latents");
    CHECK(!tess_decoder_begin_latents(decoder, 0, 0, DIM, 0, 0));
    latents[DIM * 7 + 2] = NAN;
    CHECK_INT(decode(decoder, latents), TESS_ERR_INPUT);
    says(tess_decoder_message(decoder), "Latent 7, channel 2");
    latents[DIM * 7 + 2] = 0;
    CHECK_INT(decode(decoder, latents), TESS_DONE);
    tess_decoder_free(decoder);
    tess_model_free(model);
}

/* No codebook: no tokens, no file, and the errors say so. */
static void test_continuous(void) {
    tess_model *model = tiny_model(CONTINUOUS, 1);
    tess_encoder *encoder = tess_encoder_new(model);
    tess_decoder *decoder = tess_decoder_new(model);
    uint8_t pixels[WIDTH * HEIGHT * 3];
    tiny_picture(pixels, WIDTH, HEIGHT, 3);
    CHECK(strstr(tess_model_info(model), "\"tasks\":[\"reconstruct\",\"inpaint\"]"));
    CHECK(strstr(tess_model_info(model), "\"levels\":0"));
    CHECK(!tess_model_codebook(model, 0, NULL, NULL));
    CHECK(!tiny_encode(encoder, pixels, WIDTH, HEIGHT, 3));
    says(tess_encoder_message(encoder), "no codebook");
    tess_encoder_set(encoder, "tokens_only", 1);
    CHECK(!tiny_encode(encoder, pixels, WIDTH, HEIGHT, 3));
    CHECK(!tess_decoder_begin(decoder, 100));
    says(tess_decoder_message(decoder), "no codebook");
    CHECK(!tess_decoder_begin_tokens(decoder, 1, ROWS, COLUMNS, HEIGHT, WIDTH));
    says(tess_decoder_message(decoder), "no codebook");
    tess_encoder_free(encoder);
    tess_decoder_free(decoder);
    const uint8_t *bytes;
    size_t size;
    tess_model *again = tess_model_new();
    CHECK_INT(tess_model_save(model, 0, &bytes, &size), TESS_OK);
    CHECK_INT(tess_model_load(again, bytes, size), TESS_OK);
    CHECK_TEXT(tess_model_info(again), tess_model_info(model));
    tess_model_free(again);
    tess_model_free(model);
}

/* Codes of length one after loading, whatever the file holds; saving and loading keeps them and the fingerprint. */
static void test_unit_codes(void) {
    tess_model *model = tiny_model(UNIT, 5), *again = tess_model_new();
    const uint8_t *bytes;
    size_t size;
    int codes, dim, levels, height, width;
    const float *book = tess_model_codebook(model, 0, &codes, &dim);
    for (int k = 0; k < codes; k++) {
        double square = 0;
        for (int i = 0; i < dim; i++) square += (double)book[k * dim + i] * (double)book[k * dim + i];
        CHECK_NEAR(square, 1, 1e-6);
    }
    CHECK_INT(tess_model_save(model, 0, &bytes, &size), TESS_OK);
    CHECK_INT(tess_model_load(again, bytes, size), TESS_OK);
    CHECK_BYTES(tess_model_codebook(again, 0, NULL, NULL), book, (size_t)(codes * dim) * sizeof *book);
    CHECK_TEXT(tess_model_info(again), tess_model_info(model));

    uint8_t pixels[WIDTH * HEIGHT * 3];
    tiny_picture(pixels, WIDTH, HEIGHT, 3);
    tess_encoder *latents = encode(model, pixels, "latents", 0), *tokens = encode(model, pixels, "tokens_only", 0);
    const float *z = tess_encoder_latents(latents, &height, &width, &dim);
    const uint16_t *t = tess_encoder_tokens(tokens, &levels, &height, &width);
    for (int p = 0; p < height * width; p++) {
        double square = 0, chosen = 0, most = -2;
        for (int i = 0; i < dim; i++) square += (double)z[p * dim + i] * (double)z[p * dim + i];
        for (int k = 0; k < codes; k++) {
            double along = 0;
            for (int i = 0; i < dim; i++) along += (double)z[p * dim + i] * (double)book[k * dim + i];
            if (k == t[p]) chosen = along;
            if (along > most) most = along;
        }
        CHECK_NEAR(square, 1, 1e-6);
        CHECK_NEAR(chosen, most, 1e-6); /* the nearest on the sphere has the largest product */
    }
    tess_encoder_free(latents);
    tess_encoder_free(tokens);
    tess_model_free(again);
    tess_model_free(model);
}

/* A net with norms takes a picture whole: one that would not fit is refused before memory is taken, with a size that
 * fits. */
static void test_too_large(void) {
    enum { SIDE = 8192 };
    static const char *const WIDE = "{\"format\":1,\"encoder\":[{\"op\":\"conv\",\"out\":64,\"kernel\":3},{\"op\":"
                                    "\"norm\",\"groups\":32},{\"op\":\"conv\","
                                    "\"out\":4,\"kernel\":4,\"stride\":4}],\"decoder\":[{\"op\":\"tconv\",\"out\":64,"
                                    "\"kernel\":4,\"stride\":4},{\"op\":"
                                    "\"resnet\",\"out\":3,\"groups\":1}],\"quantizer\":{\"type\":\"none\",\"dim\":4}}";
    tess_model *model = tiny_model(WIDE, 1);
    tess_encoder *encoder = tess_encoder_new(model);
    tess_decoder *decoder = tess_decoder_new(model);
    tess_encoder_set(encoder, "latents", 1);
    if (CHECK(tess_encoder_begin(encoder, SIDE, SIDE, 3))) { /* its pixels stay untouched: address space only */
        CHECK_INT(tess_encoder_step(encoder), TESS_ERR_TOO_LARGE);
        says(tess_encoder_message(encoder), "8192 x 8192 is too large");
        says(tess_encoder_message(encoder), " fits");
    }
    if (CHECK(tess_decoder_begin_latents(decoder, SIDE / 4, SIDE / 4, DIM, SIDE, SIDE))) {
        CHECK_INT(tess_decoder_step(decoder), TESS_ERR_TOO_LARGE);
        says(tess_decoder_message(decoder), " fits");
    }
    CHECK(tiny_encode(encoder, (const uint8_t[64 * 3]){0}, 8, 8, 3));
    tess_encoder_free(encoder);
    tess_decoder_free(decoder);
    tess_model_free(model);
}

int main(void) {
    RUN(test_latents);
    RUN(test_wrong_latents);
    RUN(test_continuous);
    RUN(test_unit_codes);
    RUN(test_too_large);
    return test_end();
}
