/* test_golden.c - files made once decode to the same tokens for ever, in every build; in builds of the exact class to the
 * same pixels too. tests/fixtures/golden holds a tiny model with entropy tables, .tess files and, in golden.txt, a line per file:
 * name, levels, rows, columns, CRC-32 of the tokens, CRC-32 of the pixels.
 *
 * TESSERAE_WRITE_GOLDEN=1 makes them anew: only for a new version of the format. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "codec/entropy.h"
#include "engine/engine.h"
#include "engine/model_file.h"
#include "test.h"
#include "tiny.h"

#define FOLDER "tests/fixtures/golden/"

typedef struct golden {
    const char *name;
    int width, height, channels;
    const char *rule;
    double value;
} golden;

static const golden FILES[] = {
    {"colour", 64, 48, 3, "quality", 60},  {"alpha", 150, 100, 4, "quality", 80}, {"grey", 33, 21, 1, "quality", 100},
    {"tiles", 300, 280, 3, "quality", 85}, {"pixel", 1, 1, 3, "quality", 60},     {"small", 120, 90, 3, "size", 150},
};
enum { FILE_COUNT = sizeof FILES / sizeof *FILES };

static uint8_t *read_all(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    *size = 0;
    if (!file) return NULL;
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*size + 1);
    if (fread(bytes, 1, *size, file) != *size) *size = 0;
    fclose(file);
    return bytes;
}

static void write_all(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    if (CHECK(file)) {
        CHECK_INT(fwrite(bytes, 1, size, file), size);
        fclose(file);
    }
}

/* CRCs over little-endian tokens and over pixels. */
static void sums_of(const tess_decoder *decoder, int dims[3], uint32_t crc[2]) {
    int width, height, channels;
    const uint16_t *tokens = tess_decoder_tokens(decoder, &dims[0], &dims[1], &dims[2]);
    const uint8_t *pixels = tess_decoder_pixels(decoder, &width, &height, &channels);
    crc[0] = 0;
    for (size_t i = 0; i < (size_t)dims[0] * dims[1] * dims[2]; i++) {
        const uint8_t bytes[2] = {(uint8_t)tokens[i], (uint8_t)(tokens[i] >> 8)};
        crc[0] = ts_crc32(crc[0], bytes, 2);
    }
    crc[1] = ts_crc32(0, pixels, (size_t)width * height * channels);
}

/* ---- making them ---------------------------------------------------------------------------------------------- */

/* Fits the tables of every level to one picture's tokens and writes the model with them. */
static void write_model(void) {
    enum { SIDE = 256, GRID = SIDE / 4, LEVELS = 3 };
    tess_model *plain = tiny_model(TINY_CONFIG, 1);
    tess_encoder *encoder = tess_encoder_new(plain);
    uint8_t *pixels = malloc(SIDE * SIDE * 3), *bytes = NULL, *tables[LEVELS];
    const int sizes[LEVELS] = {32, 32, 32};
    size_t size = 0, table_bytes[LEVELS];
    tiny_picture(pixels, SIDE, SIDE, 3);
    tess_encoder_set(encoder, "quality", 80);
    CHECK(tiny_encode(encoder, pixels, SIDE, SIDE, 3));
    int levels, height, width;
    const ts_token_view view = {(uint16_t *)tess_encoder_tokens(encoder, &levels, &height, &width), GRID, GRID * GRID,
                                GRID, GRID};
    CHECK_INT(levels, LEVELS);
    for (int level = 0; level < LEVELS; level++) {
        table_bytes[level] = ts_entropy_table_bytes(level, 32);
        tables[level] = malloc(table_bytes[level]);
        CHECK_INT(ts_entropy_fit(level, LEVELS, sizes, 1, &view, tables[level], NULL), TESS_OK);
    }
    const ts_model_content content = {.json = TINY_CONFIG,
                                      .quantizer = plain->quantizer,
                                      .tables = (const uint8_t *const *)tables,
                                      .table_bytes = table_bytes,
                                      .nets = {plain->params, {plain->values, plain->halves}, true}};
    CHECK_INT(ts_model_file_write(&content, &bytes, &size, NULL), TESS_OK);
    write_all(FOLDER "tiny.safetensors", bytes, size);
    ts_free(bytes);
    for (int level = 0; level < LEVELS; level++) free(tables[level]);
    free(pixels);
    tess_encoder_free(encoder);
    tess_model_free(plain);
}

static void write_files(const tess_model *model) {
    FILE *list = fopen(FOLDER "golden.txt", "w");
    for (int i = 0; i < FILE_COUNT && CHECK(list); i++) {
        const golden *g = &FILES[i];
        char path[128];
        size_t size;
        int dims[3];
        uint32_t crc[2];
        uint8_t *pixels = malloc((size_t)g->width * g->height * g->channels);
        tess_encoder *encoder = tess_encoder_new(model);
        tess_decoder *decoder = tess_decoder_new(model);
        tiny_picture(pixels, g->width, g->height, g->channels);
        tess_encoder_set(encoder, g->rule, g->value);
        CHECK(tiny_encode(encoder, pixels, g->width, g->height, g->channels));
        const uint8_t *bytes = tess_encoder_bytes(encoder, &size);
        CHECK(tiny_decode(decoder, bytes, size));
        sums_of(decoder, dims, crc);
        snprintf(path, sizeof path, FOLDER "%s.tess", g->name);
        write_all(path, bytes, size);
        fprintf(list, "%s %d %d %d %08x %08x\n", g->name, dims[0], dims[1], dims[2], crc[0], crc[1]);
        tess_encoder_free(encoder);
        tess_decoder_free(decoder);
        free(pixels);
    }
    if (list) fclose(list);
}

/* ---- checking them -------------------------------------------------------------------------------------------- */

static tess_model *golden_model(void) {
    size_t size;
    uint8_t *bytes = read_all(FOLDER "tiny.safetensors", &size);
    tess_model *model = tess_model_new();
    if (CHECK(bytes)) CHECK_INT(tess_model_load(model, bytes, size), TESS_OK);
    free(bytes);
    return model;
}

static bool exact_class(void) {
    static const char *const EXACT[] = {"scalar", "simd128", "sse4.1", "avx2-nofma"};
    for (size_t i = 0; i < sizeof EXACT / sizeof *EXACT; i++)
        if (strcmp(tess_backend(), EXACT[i]) == 0) return true;
    return false;
}

static void test_golden_files(void) {
    tess_model *model = golden_model();
    FILE *list = fopen(FOLDER "golden.txt", "r");
    char name[64], path[128];
    int want[3], files = 0;
    unsigned want_crc[2];
    while (CHECK(list) &&
           fscanf(list, "%63s %d %d %d %x %x", name, &want[0], &want[1], &want[2], &want_crc[0], &want_crc[1]) == 6) {
        test_row("%s", name);
        size_t size;
        snprintf(path, sizeof path, FOLDER "%s.tess", name);
        uint8_t *bytes = read_all(path, &size);
        tess_decoder *decoder = tess_decoder_new(model);
        tess_decoder_set(decoder, "strict", 1);
        if (CHECK(bytes && decoder) && CHECK(tiny_decode(decoder, bytes, size))) {
            int dims[3];
            uint32_t crc[2];
            sums_of(decoder, dims, crc);
            for (int i = 0; i < 3; i++) CHECK_INT(dims[i], want[i]);
            CHECK_INT(crc[0], want_crc[0]);
            if (exact_class()) CHECK_INT(crc[1], want_crc[1]);
        }
        tess_decoder_free(decoder);
        free(bytes);
        files++;
    }
    CHECK_INT(files, FILE_COUNT);
    if (list) fclose(list);
    tess_model_free(model);
}

/* Tables fitted beforehand make the same tokens smaller. */
static void test_tables_help(void) {
    tess_model *fitted = golden_model(), *plain = tiny_model(TINY_CONFIG, 1);
    uint8_t pixels[64 * 48 * 3];
    size_t sizes[2];
    tiny_picture(pixels, 64, 48, 3);
    for (int i = 0; i < 2; i++) {
        tess_encoder *encoder = tess_encoder_new(i ? plain : fitted);
        tess_encoder_set(encoder, "effort", 0);
        tess_encoder_set(encoder, "quality", 100);
        CHECK(tiny_encode(encoder, pixels, 64, 48, 3));
        tess_encoder_bytes(encoder, &sizes[i]);
        tess_encoder_free(encoder);
    }
    CHECK(sizes[0] * 100 < sizes[1] * 92);
    tess_model_free(fitted);
    tess_model_free(plain);
}

int main(void) {
    if (getenv("TESSERAE_WRITE_GOLDEN")) {
        write_model();
        tess_model *model = golden_model();
        write_files(model);
        tess_model_free(model);
    }
    RUN(test_golden_files);
    RUN(test_tables_help);
    return test_end();
}
