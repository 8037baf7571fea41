/* test_damage.c - .tess files that are cut, flipped, foreign or lying: a clear error or concealment, never a crash. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "test.h"
#include "tiny.h"

enum { WIDTH = 620, HEIGHT = 290 }; /* 155 x 73 tokens: three by two tiles */

static tess_model *model;
static uint8_t *file;
static size_t file_size;
static size_t head; /* bytes of header and directory: the shortest prefix that opens */

static void make_file(void) {
    uint8_t *pixels = malloc(WIDTH * HEIGHT * 3);
    tess_encoder *encoder = tess_encoder_new(model);
    tiny_picture(pixels, WIDTH, HEIGHT, 3);
    tess_encoder_set(encoder, "quality", 90);
    CHECK(tiny_encode(encoder, pixels, WIDTH, HEIGHT, 3));
    const uint8_t *bytes = tess_encoder_bytes(encoder, &file_size);
    file = malloc(file_size);
    memcpy(file, bytes, file_size);
    tess_encoder_free(encoder);
    free(pixels);
    char info[4096];
    CHECK_INT(tess_file_info(file, file_size, info, sizeof info), TESS_OK);
    CHECK(strstr(info, "\"tiles\":6"));
    while (head < file_size && tess_file_info(file, head, info, sizeof info) != TESS_OK) head++;
    CHECK(head > 20 && head < file_size / 2);
}

static void test_cut_anywhere(void) {
    tess_decoder *decoder = tess_decoder_new(model);
    for (size_t cut = 0; cut < file_size; cut += cut < head + 40 ? 1 : 397) {
        test_row("cut at %zu", cut);
        const bool ok = tiny_decode(decoder, file, cut);
        CHECK_INT(ok, cut >= head);
        if (!ok && !CHECK(strlen(tess_decoder_message(decoder)) > 15))
            printf("    message: %s\n", tess_decoder_message(decoder));
        if (cut == head) CHECK_INT(tess_decoder_damaged(decoder), 6);
    }
    tess_decoder_free(decoder);
}

static void test_flips(void) {
    tess_decoder *decoder = tess_decoder_new(model);
    uint8_t *copy = malloc(file_size);
    ts_rng rng = ts_rng_new(1, 1);
    long concealed = 0, refused = 0;
    for (int i = 0; i < 120; i++) {
        const size_t at = i < 60 ? ts_rng_below(&rng, (uint32_t)head) : ts_rng_below(&rng, (uint32_t)file_size);
        memcpy(copy, file, file_size);
        copy[at] ^= (uint8_t)(1u << ts_rng_below(&rng, 8));
        test_row("byte %zu", at);
        const bool ok = tiny_decode(decoder, copy, file_size);
        if (at < head) CHECK(!ok), refused++;
        else if (CHECK(ok)) CHECK_INT(tess_decoder_damaged(decoder), 1), concealed++;
        tess_decoder_set(decoder, "strict", 1);
        CHECK(!tiny_decode(decoder, copy, file_size)); /* stops at the fault, before any net runs */
        tess_decoder_set(decoder, "strict", 0);
    }
    CHECK(concealed > 20 && refused > 20);
    free(copy);
    tess_decoder_free(decoder);
}

/* A lost tile changes pixels only in and around itself, and is filled by something like its surroundings. */
static void test_concealment_is_local(void) {
    tess_decoder *good = tess_decoder_new(model), *bad = tess_decoder_new(model);
    uint8_t *copy = malloc(file_size);
    memcpy(copy, file, file_size);
    copy[head + 3] ^= 0x55; /* the first section of level 0: tile 0, tokens 0..63 x 0..63, pixels 0..255 x 0..255 */
    CHECK(tiny_decode(good, file, file_size));
    CHECK(tiny_decode(bad, copy, file_size));
    CHECK_INT(tess_decoder_damaged(bad), 1);
    int w, h, c, levels, th, tw;
    const uint8_t *a = tess_decoder_pixels(good, &w, &h, &c), *b = tess_decoder_pixels(bad, &w, &h, &c);
    long inside = 0, outside = 0;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            const bool differs = memcmp(a + ((size_t)y * w + x) * 3, b + ((size_t)y * w + x) * 3, 3) != 0;
            if (x < 256 && y < 256) inside += differs;
            else if (x >= 256 + 4 * 12 || y >= 256 + 4 * 12) outside += differs;
        }
    CHECK(inside > 1000);
    CHECK_INT(outside, 0);
    const uint16_t *tokens = tess_decoder_tokens(bad, &levels, &th, &tw);
    bool varied = false;
    for (int y = 0; y < 64; y++)
        for (int x = 1; x < 64; x++) varied |= tokens[y * tw + x] != tokens[0];
    CHECK(varied); /* blended from the neighbours, not one flat code */
    free(copy);
    tess_decoder_free(good);
    tess_decoder_free(bad);
}

static void test_foreign(void) {
    tess_decoder *decoder = tess_decoder_new(model);
    tess_model *other = tiny_model(TINY_CONFIG, 2);
    tess_decoder *stranger = tess_decoder_new(other);
    CHECK(!tiny_decode(stranger, file, file_size));
    const char *message = tess_decoder_message(stranger), *a = strstr(tess_model_info(model), "\"hash\":\""),
               *b = strstr(tess_model_info(other), "\"hash\":\"");
    char hash_a[17] = "", hash_b[17] = "";
    memcpy(hash_a, a + 8, 16), memcpy(hash_b, b + 8, 16);
    CHECK(strstr(message, hash_a) && strstr(message, hash_b));
    uint8_t *room = tess_decoder_begin(stranger, file_size);
    memcpy(room, file, file_size);
    CHECK_INT(tess_decoder_step(stranger), TESS_ERR_MODEL);
    CHECK_INT(tess_decoder_step(stranger), TESS_ERR_STATE); /* the job is over, the handle is not */

    static const char *const OTHERS[] = {"", "GIF89a", "\x89PNG\r\n\x1a\n and so on", "tess",
                                         "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"};
    static const size_t SIZES[] = {0, 6, 18, 4, 32};
    for (size_t i = 0; i < 5; i++) {
        test_row("foreign %zu", i);
        CHECK(!tiny_decode(decoder, (const uint8_t *)OTHERS[i], SIZES[i]));
        CHECK(strlen(tess_decoder_message(decoder)) > 15);
        char info[512];
        CHECK(tess_file_info(OTHERS[i], SIZES[i], info, sizeof info) < 0);
        CHECK(strstr(info, "\"error\":"));
    }
    test_row("%s", "");
    uint8_t *copy = malloc(file_size);
    memcpy(copy, file, file_size);
    int versions = 0;
    for (size_t i = 0; i < 12; i++) { /* the version follows the magic: some early byte, raised, must say ERR_VERSION */
        memcpy(copy, file, file_size);
        copy[i] = 200;
        room = tess_decoder_begin(decoder, file_size);
        memcpy(room, copy, file_size);
        versions += tess_decoder_step(decoder) == TESS_ERR_VERSION;
    }
    CHECK_INT(versions, 1);
    free(copy);
    CHECK(tiny_decode(decoder, file, file_size)); /* still good for a good file */
    tess_decoder_free(decoder);
    tess_decoder_free(stranger);
    tess_model_free(other);
}

static void test_handles(void) {
    CHECK(tess_encoder_new(NULL) == NULL);
    tess_model *empty = tess_model_new();
    CHECK(tess_encoder_new(empty) == NULL);
    CHECK(tess_decoder_new(empty) == NULL);
    tess_model_free(empty);
    tess_encoder *encoder = tess_encoder_new(model);
    tess_decoder *decoder = tess_decoder_new(model);
    CHECK_INT(tess_encoder_step(encoder), TESS_ERR_STATE);
    CHECK_INT(tess_decoder_step(decoder), TESS_ERR_STATE);
    CHECK(!tess_encoder_begin(encoder, 0, 5, 3));
    CHECK(!tess_encoder_begin(encoder, 5, 5, 2));
    CHECK(!tess_encoder_begin(encoder, 65536, 1, 3));
    CHECK(!tess_encoder_begin(encoder, 60000, 60000, 3));
    CHECK(strstr(tess_encoder_message(encoder), "too large"));
    static const struct {
        const char *name;
        double value;
    } BAD[] = {{"quality", 101}, {"quality", -1}, {"quality", NAN}, {"bpp", 0},
               {"effort", 2.5},  {"effort", 10},  {"colour", 1},    {"threads", 0}};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        test_row("%s %g", BAD[i].name, BAD[i].value);
        CHECK_INT(tess_encoder_set(encoder, BAD[i].name, BAD[i].value), TESS_ERR_OPTION);
        CHECK(strstr(tess_encoder_message(encoder), BAD[i].name));
    }
    CHECK_INT(tess_decoder_set(decoder, "levels", 17), TESS_ERR_OPTION);
    tess_decoder_set(decoder, "x", WIDTH);
    CHECK(!tiny_decode(decoder, file, file_size));
    CHECK(strstr(tess_decoder_message(decoder), "outside"));
    /* jobs dropped in the middle: the sanitizer build watches for leaks */
    uint8_t *pixels = tess_encoder_begin(encoder, 64, 64, 4);
    if (CHECK(pixels)) tiny_picture(pixels, 64, 64, 4);
    CHECK_INT(tess_encoder_step(encoder), TESS_MORE);
    CHECK_INT(tess_encoder_set(encoder, "effort", 3), TESS_ERR_STATE);
    CHECK_INT(tess_encoder_step(encoder), TESS_MORE);
    CHECK(tess_encoder_bytes(encoder, NULL) == NULL);
    CHECK(tess_encoder_begin(encoder, 8, 8, 3));
    tess_decoder_set(decoder, "x", 0);
    uint8_t *room = tess_decoder_begin(decoder, file_size);
    memcpy(room, file, file_size);
    CHECK_INT(tess_decoder_step(decoder), TESS_MORE);
    CHECK_INT(tess_decoder_step(decoder), TESS_MORE);
    tess_encoder_free(encoder);
    tess_decoder_free(decoder);
}

int main(void) {
    model = tiny_model(TINY_CONFIG, 1);
    if (!CHECK(model)) return test_end();
    RUN(make_file);
    if (head) {
        RUN(test_cut_anywhere);
        RUN(test_flips);
        RUN(test_concealment_is_local);
        RUN(test_foreign);
        RUN(test_handles);
    }
    free(file);
    tess_model_free(model);
    return test_end();
}
