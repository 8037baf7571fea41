/* Golden files: every build makes these bytes from these tokens, and reads them back. `test-codec-golden write` makes
 * them anew; a change of their bytes is a new version of the format (docs/FORMAT.md).
 */
#include "../io/files.h"
#include "base/hash.h"
#include "codec/alpha.h"
#include "codec/container.h"
#include "predictors.h"
#include "test.h"

#define CORPUS "tests/fuzz/corpus/tess/"

typedef struct golden {
    const char *path;
    ts_tess_header header;
    int sizes[TS_TESS_LEVELS];
} golden;

static const golden goldens[] = {
    {CORPUS "photo.tess", {0x7465737365726165ull, 201, 163, 3, 26, 21, 3, 64}, {1024, 1024, 1024}},
    {CORPUS "tiles.tess", {0x7465737365726165ull, 150, 90, 4, 19, 12, 2, 8}, {1000, 37}},
    {CORPUS "one.tess", {1, 1, 1, 1, 1, 1, 1, 64}, {512}},
    {CORPUS "wide.tess", {2, 700, 8, 3, 88, 1, 1, 2040}, {65536}},
    {CORPUS "predicted.tess", {3, 240, 130, 3, 30, 17, 3, 16, 0x70726564u}, {1000, 1000, 1000}},
};
enum { GOLDENS = sizeof goldens / sizeof *goldens };

static grid tokens_of(const golden *g) {
    grid tokens = new_grid(g->header.levels, g->header.token_height, g->header.token_width);
    fill_like_picture(&tokens, g->sizes, 11);
    return tokens;
}

static uint8_t alpha_of(int y, int x) { return (uint8_t)(x < 40 ? 255 : x < 80 ? (x - 40) * y / 16 : 0); }

static ts_token_view tile_of(const golden *g, const grid *tokens, int tile) {
    ts_tess_rect r = ts_tess_tile(&g->header, tile);
    ts_token_view view = view_of(tokens);
    view.tokens += (size_t)r.y * view.row_stride + (size_t)r.x;
    view.height = r.height;
    view.width = r.width;
    return view;
}

/* The rows of an alpha strip; *rows pixels of width each, malloc'ed. */
static uint8_t *strip_of(const golden *g, int strip, int *rows) {
    int y = strip * TS_TESS_ALPHA_ROWS, width = g->header.width;
    *rows = g->header.height - y < TS_TESS_ALPHA_ROWS ? g->header.height - y : TS_TESS_ALPHA_ROWS;
    uint8_t *alpha = malloc((size_t)(*rows * width));
    for (int i = 0; i < *rows * width; i++) alpha[i] = alpha_of(y + i / width, i % width);
    return alpha;
}

/* A model without tables; of a file with predictors, it has them at levels 0 and 2. */
static ts_entropy_model *model_of(const golden *g) {
    ts_entropy_model *model = NULL;
    CHECK_INT(ts_entropy_model_new(&model, g->header.levels, g->sizes, NULL, NULL, NULL), TESS_OK);
    for (int level = 0; level < g->header.levels && g->header.predictor; level += 2) {
        blob b = random_predictor(level, g->sizes[level], (uint32_t)level);
        CHECK_INT(ts_entropy_model_add(model, level, b.bytes, b.size, NULL), TESS_OK);
        free(b.bytes);
    }
    return model;
}

/* The file as this build makes it; malloc'ed. */
static uint8_t *encode(const golden *g, size_t *size) {
    ts_entropy_model *model = model_of(g);
    ts_entropy_coder *coder = NULL;
    ts_alpha_coder *alpha_coder = NULL;
    ts_tess_writer *writer = NULL;
    const uint8_t *bytes = NULL;
    grid tokens = tokens_of(g);
    CHECK_INT(ts_entropy_coder_new(&coder, model, g->header.predictor != 0, NULL), TESS_OK);
    CHECK_INT(ts_alpha_coder_new(&alpha_coder, NULL), TESS_OK);
    CHECK_INT(ts_tess_writer_new(&writer, &g->header, NULL), TESS_OK);
    for (int tile = 0; tile < ts_tess_tiles(&g->header); tile++)
        for (int level = 0; level < g->header.levels; level++) {
            ts_token_view view = tile_of(g, &tokens, tile);
            CHECK_INT(ts_entropy_encode(coder, level, &view, &bytes, size, NULL), TESS_OK);
            CHECK_INT(ts_tess_writer_put(writer, level, tile, bytes, *size, NULL), TESS_OK);
        }
    for (int strip = 0; strip < ts_tess_alpha_strips(&g->header); strip++) {
        int rows;
        uint8_t *alpha = strip_of(g, strip, &rows);
        size_t width = (size_t)g->header.width;
        CHECK_INT(ts_alpha_encode(alpha_coder, alpha, width, 1, rows, (int)width, &bytes, size, NULL), TESS_OK);
        CHECK_INT(ts_tess_writer_put(writer, TS_TESS_ALPHA, strip, bytes, *size, NULL), TESS_OK);
        free(alpha);
    }
    CHECK_INT(ts_tess_writer_finish(writer, &bytes, size, NULL), TESS_OK);
    uint8_t *copy = copy_bytes(bytes, *size);
    ts_tess_writer_free(writer);
    ts_alpha_coder_free(alpha_coder);
    ts_entropy_coder_free(coder);
    ts_entropy_model_free(model);
    free(tokens.tokens);
    return copy;
}

static void check_alpha(const golden *g, const ts_tess_file *file) {
    ts_alpha_coder *coder = NULL;
    CHECK_INT(ts_alpha_coder_new(&coder, NULL), TESS_OK);
    for (int strip = 0; strip < ts_tess_alpha_strips(&g->header); strip++) {
        int rows;
        uint8_t *want = strip_of(g, strip, &rows);
        size_t width = (size_t)g->header.width, size = 0;
        uint8_t *got = malloc((size_t)rows * width);
        const uint8_t *bytes = NULL;
        CHECK_INT(ts_tess_section(file, TS_TESS_ALPHA, strip, &bytes, &size, NULL), TESS_OK);
        CHECK_INT(ts_alpha_decode(coder, got, width, 1, rows, (int)width, bytes, size, NULL), TESS_OK);
        CHECK_BYTES(got, want, (size_t)rows * width);
        free(got);
        free(want);
    }
    ts_alpha_coder_free(coder);
}

static void check_tokens(const golden *g, const ts_tess_file *file) {
    ts_entropy_model *model = model_of(g);
    ts_entropy_coder *coder = NULL;
    grid want = tokens_of(g), got = new_grid(want.levels, want.height, want.width);
    CHECK_INT(ts_entropy_coder_new(&coder, model, g->header.predictor != 0, NULL), TESS_OK);
    for (int level = 0; level < g->header.levels; level++)
        for (int tile = 0; tile < ts_tess_tiles(&g->header); tile++) {
            ts_token_view view = tile_of(g, &got, tile);
            const uint8_t *bytes = NULL;
            size_t size = 0;
            CHECK_INT(ts_tess_section(file, level, tile, &bytes, &size, NULL), TESS_OK);
            CHECK_INT(ts_entropy_decode(coder, level, &view, bytes, size, NULL, NULL), TESS_OK);
        }
    CHECK_BYTES(got.tokens, want.tokens, (size_t)(want.levels * want.height * want.width) * sizeof(uint16_t));
    ts_entropy_coder_free(coder);
    ts_entropy_model_free(model);
    free(got.tokens);
    free(want.tokens);
}

static void test_golden_files(void) {
    for (int i = 0; i < GOLDENS; i++) {
        test_row("%s", goldens[i].path);
        size_t size = 0, made_size = 0;
        uint8_t *bytes = read_file(goldens[i].path, &size), *made = encode(&goldens[i], &made_size);
        ts_tess_file *file = NULL;
        if (CHECK(bytes != NULL) && CHECK_INT(ts_tess_open(&file, bytes, size, NULL), TESS_OK)) {
            CHECK(size == made_size && memcmp(bytes, made, size) == 0);
            check_tokens(&goldens[i], file);
            check_alpha(&goldens[i], file);
        }
        ts_tess_close(file);
        free(made);
        free(bytes);
    }
}

/* Fitting is integers too: the same tables, and the same bytes with them, in every build. */
static void test_golden_tables(void) {
    static const uint32_t table_crc[2] = {251081427u, 1495276265u}, section_crc[2] = {384025341u, 433974945u};
    const int sizes[2] = {256, 100};
    grid grids[3];
    ts_token_view tiles[3];
    for (int i = 0; i < 3; i++) {
        grids[i] = new_grid(2, 30, 30);
        fill_like_picture(&grids[i], sizes, (uint32_t)i + 20);
        tiles[i] = view_of(&grids[i]);
    }
    uint8_t *tables[2];
    size_t table_bytes[2];
    for (int l = 0; l < 2; l++) {
        table_bytes[l] = ts_entropy_table_bytes(l, sizes[l]);
        tables[l] = malloc(table_bytes[l]);
        CHECK_INT(ts_entropy_fit(l, 2, sizes, 2, tiles, tables[l], NULL), TESS_OK);
        CHECK_INT(ts_crc32(0, tables[l], table_bytes[l]), table_crc[l]);
    }
    ts_entropy_model *model = NULL;
    ts_entropy_coder *coder = NULL;
    CHECK_INT(ts_entropy_model_new(&model, 2, sizes, (const uint8_t *const *)tables, table_bytes, NULL), TESS_OK);
    CHECK_INT(ts_entropy_coder_new(&coder, model, false, NULL), TESS_OK);
    for (int l = 0; l < 2; l++) {
        const uint8_t *bytes = NULL;
        size_t size = 0;
        CHECK_INT(ts_entropy_encode(coder, l, &tiles[2], &bytes, &size, NULL), TESS_OK);
        CHECK_INT(ts_crc32(0, bytes, size), section_crc[l]);
        free(tables[l]);
    }
    ts_entropy_coder_free(coder);
    ts_entropy_model_free(model);
    for (int i = 0; i < 3; i++) free(grids[i].tokens);
}

/* Decodes both levels of a file of 1024 codes into `tokens` and codes them again: bits of all sections, and the bits that
 * order-0 coding of each section would take. */
static void recode(const ts_tess_file *file, grid *tokens, double *coded, double *order0) {
    const ts_tess_header *h = ts_tess_file_header(file);
    const int sizes[2] = {1024, 1024};
    const golden g = {.header = *h};
    ts_entropy_model *model = NULL;
    ts_entropy_coder *coder = NULL;
    CHECK_INT(ts_entropy_model_new(&model, 2, sizes, NULL, NULL, NULL), TESS_OK);
    CHECK_INT(ts_entropy_coder_new(&coder, model, false, NULL), TESS_OK);
    for (int i = 0; i < h->levels * ts_tess_tiles(h); i++) {
        int level = i / ts_tess_tiles(h), tile = i % ts_tess_tiles(h);
        ts_token_view view = tile_of(&g, tokens, tile);
        const uint8_t *bytes = NULL, *again = NULL;
        size_t size = 0, again_size = 0;
        CHECK_INT(ts_tess_section(file, level, tile, &bytes, &size, NULL), TESS_OK);
        CHECK_INT(ts_entropy_decode(coder, level, &view, bytes, size, NULL, NULL), TESS_OK);
        CHECK_INT(ts_entropy_encode(coder, level, &view, &again, &again_size, NULL), TESS_OK);
        CHECK(size == again_size && memcmp(bytes, again, size) == 0);
        *coded += (double)size * 8;
        *order0 += order0_bits(&view, level, 1024);
    }
    ts_entropy_coder_free(coder);
    ts_entropy_model_free(model);
}

/* Tokens of a real photograph (CC0, from Budgie's backgrounds) by a model of this project: at least 8 % fewer bits than
 * order-0 coding with its histograms, even without tables. */
static void test_real_tokens(void) {
    size_t size = 0;
    uint8_t *bytes = read_file(CORPUS "real.tess", &size);
    ts_tess_file *file = NULL;
    if (!CHECK(bytes != NULL) || !CHECK_INT(ts_tess_open(&file, bytes, size, NULL), TESS_OK)) return;
    const ts_tess_header *h = ts_tess_file_header(file);
    grid tokens = new_grid(h->levels, h->token_height, h->token_width);
    double coded = 0, order0 = 0;
    CHECK_INT(h->levels, 2);
    recode(file, &tokens, &coded, &order0);
    if (!CHECK(coded < order0 * 0.92)) printf("  %.0f and %.0f bits\n", coded, order0);
    CHECK_INT(ts_crc32(0, tokens.tokens, (size_t)(2 * tokens.height * tokens.width) * sizeof(uint16_t)), 3332499759u);
    free(tokens.tokens);
    ts_tess_close(file);
    free(bytes);
}

/* A seed for fuzz_tess, which takes predictors after a mark. */
static int write_seed(void) {
    blob b = random_predictor(1, 37, 5);
    FILE *file = fopen(CORPUS "predictor.seed", "wb");
    const int failed = !file || fwrite("PRED", 1, 4, file) != 4 || fwrite(b.bytes, 1, b.size, file) != b.size ||
                       fclose(file);
    free(b.bytes);
    return failed;
}

static int write_goldens(void) {
    for (int i = 0; i < GOLDENS; i++) {
        size_t size = 0;
        uint8_t *bytes = encode(&goldens[i], &size);
        FILE *file = fopen(goldens[i].path, "wb");
        if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) return 1;
        free(bytes);
    }
    return write_seed();
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "write") == 0) return write_goldens();
    RUN(test_golden_files);
    RUN(test_golden_tables);
    RUN(test_real_tokens);
    return test_end();
}
