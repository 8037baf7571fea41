/* test_bits.c - what each token of a file costs: the sums are the sections' sizes, damage and other tiles count nothing. */
#include <stdlib.h>

#include "base/alloc.h"
#include "codec/container.h"
#include "codec/entropy.h"
#include "test.h"
#include "tiny.h"

enum {
    WIDTH = 620,
    HEIGHT = 290,
    COLUMNS = 155,
    ROWS = 73,
    AREA = COLUMNS * ROWS,
    LEVELS = 3
}; /* 3 x 2 entropy tiles */

static tess_model *model;
static uint8_t *file;
static size_t file_size;

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
}

/* Decodes with the option; the bits, which the decoder owns. */
static const uint16_t *bits_of(tess_decoder *decoder, const uint8_t *bytes) {
    int levels, height, width;
    CHECK_INT(tess_decoder_set(decoder, "bits", 1), TESS_OK);
    if (!CHECK(tiny_decode(decoder, bytes, file_size))) return NULL;
    const uint16_t *bits = tess_decoder_bits(decoder, &levels, &height, &width);
    CHECK(bits && levels == LEVELS && height == ROWS && width == COLUMNS);
    return bits;
}

static uint64_t sum_of(const uint16_t *bits, int level, const ts_tess_rect *r) {
    uint64_t sum = 0;
    for (int y = r->y; y < r->y + r->height; y++)
        for (int x = r->x; x < r->x + r->width; x++) sum += bits[level * AREA + y * COLUMNS + x];
    return sum;
}

/* Section by section: within 2 % of its bytes and the few bits that its end may leave open. */
static void test_sums(void) {
    tess_decoder *decoder = tess_decoder_new(model);
    const uint16_t *bits = bits_of(decoder, file);
    ts_tess_file *opened = NULL;
    CHECK_INT(ts_tess_open(&opened, file, file_size, NULL), TESS_OK);
    const ts_tess_header *h = ts_tess_file_header(opened);
    for (int tile = 0; bits && tile < ts_tess_tiles(h); tile++)
        for (int level = 0; level < LEVELS; level++) {
            const ts_tess_rect rect = ts_tess_tile(h, tile);
            const double counted = (double)sum_of(bits, level, &rect) / TS_ENTROPY_COST_ONE;
            const double size = 8.0 * (double)ts_tess_section_size(opened, level, tile);
            test_row("tile %d, level %d", tile, level);
            CHECK(size > 0);
            CHECK_NEAR(counted, size, size * 0.02 + 16);
        }
    ts_tess_close(opened);
    tess_decoder_free(decoder);
}

/* A section that is lost costs nothing, and the others what they did. */
static void test_damage(void) {
    tess_decoder *good = tess_decoder_new(model), *bad = tess_decoder_new(model);
    uint8_t *copy = malloc(file_size);
    memcpy(copy, file, file_size);
    copy[file_size - 3] ^= 0x55; /* the last section: the last level of the last tile */
    const uint16_t *a = bits_of(good, file), *b = bits_of(bad, copy);
    CHECK_INT(tess_decoder_damaged(bad), 1);
    for (int i = 0; a && b && i < LEVELS * AREA; i++) {
        const bool lost = i >= (LEVELS - 1) * AREA && i % COLUMNS >= 128 && i % AREA / COLUMNS >= 64;
        CHECK_INT(b[i], lost ? 0 : a[i]);
    }
    free(copy);
    tess_decoder_free(good);
    tess_decoder_free(bad);
}

/* Not asked for, not there; a region counts the tiles that it reads; tokens from elsewhere have no bits. */
static void test_asking(void) {
    tess_decoder *decoder = tess_decoder_new(model);
    int levels = -1, height = -1, width = -1;
    CHECK(tiny_decode(decoder, file, file_size));
    CHECK(tess_decoder_bits(decoder, &levels, &height, &width) == NULL);
    CHECK(levels == 0 && height == 0 && width == 0);
    CHECK(tess_decoder_bits(NULL, NULL, NULL, NULL) == NULL);
    CHECK_INT(tess_decoder_set(decoder, "bits", 2), TESS_ERR_OPTION);
    CHECK_INT(tess_decoder_set(decoder, "bits", 1), TESS_OK);
    tess_decoder_set(decoder, "tile", 16);
    tess_decoder_set(decoder, "x", 0);
    tess_decoder_set(decoder, "y", 0);
    tess_decoder_set(decoder, "width", 8);
    tess_decoder_set(decoder, "height", 8);
    const uint16_t *bits = bits_of(decoder, file);
    const ts_tess_rect first = {0, 0, 64, 64}, other = {128, 0, 27, 64};
    if (bits) CHECK(sum_of(bits, 0, &first) > 0 && sum_of(bits, 0, &other) == 0);

    uint16_t *room = tess_decoder_begin_tokens(decoder, 1, 2, 2, 8, 8);
    CHECK(room && tess_decoder_bits(decoder, NULL, NULL, NULL) == NULL);
    while (tess_decoder_step(decoder) == TESS_MORE) continue;
    CHECK(tess_decoder_bits(decoder, NULL, NULL, NULL) == NULL);
    CHECK(tess_decoder_tokens(decoder, NULL, NULL, NULL) != NULL);
    tess_decoder_free(decoder);
}

int main(void) {
    model = tiny_model(TINY_CONFIG, 1);
    if (CHECK(model)) {
        RUN(make_file);
        RUN(test_sums);
        RUN(test_damage);
        RUN(test_asking);
    }
    free(file);
    tess_model_free(model);
    return test_end();
}
