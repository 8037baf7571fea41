/* The entropy coder: what goes in comes out, for every size; costs are true; damage is seen; memory may fail. */
#define TS_TEST_ALLOC
#include "base/alloc.c"

#include "test.h"
#include "tokens.h"

enum { LEVELS = 4 };

typedef struct setup {
    ts_entropy_model *model;
    ts_entropy_coder *coder;
    grid grid;
    ts_token_view view;
} setup;

static setup make(int levels, const int *sizes, int height, int width) {
    setup s = {.grid = new_grid(levels, height, width)};
    s.view = view_of(&s.grid);
    fill_like_picture(&s.grid, sizes, 7);
    CHECK_INT(ts_entropy_model_new(&s.model, levels, sizes, NULL, NULL, NULL), TESS_OK);
    CHECK_INT(ts_entropy_coder_new(&s.coder, s.model, false, NULL), TESS_OK);
    return s;
}

static void drop(setup *s) {
    ts_entropy_coder_free(s->coder);
    ts_entropy_model_free(s->model);
    free(s->grid.tokens);
}

/* Codes and decodes every level; returns the bytes of all of them. */
static size_t round_trip(setup *s) {
    size_t total = 0;
    grid copy = new_grid(s->grid.levels, s->grid.height, s->grid.width);
    ts_token_view view = view_of(&copy);
    ts_entropy_coder *decoder = NULL;
    CHECK_INT(ts_entropy_coder_new(&decoder, s->model, false, NULL), TESS_OK);
    for (int l = 0; l < s->grid.levels; l++) {
        const uint8_t *bytes = NULL;
        size_t size = 0;
        ts_error err = {{0}};
        if (!CHECK_INT(ts_entropy_encode(s->coder, l, &s->view, &bytes, &size, &err), TESS_OK))
            printf("  %s\n", err.text);
        uint8_t *exact = malloc(size ? size : 1); /* sanitizers see an overread */
        memcpy(exact, bytes, size);
        if (!CHECK_INT(ts_entropy_decode(decoder, l, &view, exact, size, NULL, &err), TESS_OK))
            printf("  %s\n", err.text);
        free(exact);
        total += size;
    }
    CHECK_BYTES(copy.tokens, s->grid.tokens, (size_t)(copy.levels * copy.height * copy.width) * sizeof(uint16_t));
    ts_entropy_coder_free(decoder);
    free(copy.tokens);
    return total;
}

static void test_sizes(void) {
    static const int codes[] = {1, 2, 3, 5, 16, 240, 1000, 1024, 4375, 65536};
    static const int sides[][2] = {{1, 1}, {1, 9}, {9, 1}, {2, 3}, {17, 13}, {64, 64}};
    for (size_t k = 0; k < sizeof codes / sizeof *codes; k++)
        for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
            test_row("%d codes, %d x %d", codes[k], sides[i][0], sides[i][1]);
            const int sizes[LEVELS] = {codes[k], codes[k], 1024, codes[k]};
            setup s = make(LEVELS, sizes, sides[i][0], sides[i][1]);
            round_trip(&s);
            fill_random(&s.grid, sizes, 3);
            size_t bytes = round_trip(&s);
            double bits = sides[i][0] * sides[i][1] * (3 * log2(codes[k]) + 10);
            CHECK((double)bytes < bits / 8 * 1.12 + 30); /* noise costs hardly more than itself */
            memset(s.grid.tokens, 0, (size_t)(LEVELS * sides[i][0] * sides[i][1]) * sizeof(uint16_t));
            bytes = round_trip(&s);
            CHECK(bytes < 120);
            drop(&s);
        }
}

/* The extremes of each index, and levels that are nothing but their frequent token. */
static void test_extremes(void) {
    const int sizes[3] = {1000, 1000, 1000};
    setup s = make(3, sizes, 8, 8);
    for (int i = 0; i < 3 * 64; i++) s.grid.tokens[i] = i % 3 == 0 ? 0 : i % 3 == 1 ? 999 : 512;
    round_trip(&s);
    for (int i = 0; i < 3 * 64; i++) s.grid.tokens[i] = 999;
    round_trip(&s);
    drop(&s);
}

/* A strided view writes its own tokens and no others. */
static void test_views(void) {
    const int sizes[2] = {1024, 1024};
    setup s = make(2, sizes, 20, 30);
    ts_token_view part = {s.grid.tokens + 5 * 30 + 7, 30, 600, 9, 11};
    grid copy = new_grid(2, 20, 30);
    memset(copy.tokens, 0xee, 1200 * sizeof(uint16_t));
    for (int l = 0; l < 2; l++) {
        const uint8_t *bytes;
        size_t size;
        CHECK_INT(ts_entropy_encode(s.coder, l, &part, &bytes, &size, NULL), TESS_OK);
        uint8_t *kept = malloc(size + 1);
        memcpy(kept, bytes, size);
        ts_token_view out = {copy.tokens + 5 * 30 + 7, 30, 600, 9, 11};
        CHECK_INT(ts_entropy_decode(s.coder, l, &out, kept, size, NULL, NULL), TESS_OK);
        free(kept);
    }
    for (int i = 0; i < 1200; i++) {
        int y = i % 600 / 30, x = i % 30, inside = y >= 5 && y < 14 && x >= 7 && x < 18;
        CHECK_INT(copy.tokens[i], inside ? s.grid.tokens[i] : 0xeeee);
    }
    free(copy.tokens);
    drop(&s);
}

/* What costs() says is what put() charges, and their sum is the section's size. */
static void test_costs(void) {
    const int sizes[2] = {1024, 600};
    setup s = make(2, sizes, 32, 32);
    uint16_t all[1024];
    uint32_t costs[1024];
    for (int i = 0; i < 1024; i++) all[i] = (uint16_t)i;
    for (int l = 0; l < 2; l++) {
        uint64_t sum = 0;
        CHECK_INT(ts_entropy_begin(s.coder, l, &s.view, NULL), TESS_OK);
        for (int i = 0; i < 1024; i++) {
            uint16_t token = s.grid.tokens[l * 1024 + i];
            test_row("level %d, token %d", l, i);
            if (i % 37 == 0) { /* the probabilities of all codes make one */
                double mass = 0;
                ts_entropy_costs(s.coder, sizes[l], all, costs);
                for (int k = 0; k < sizes[l]; k++) mass += exp2(-(double)costs[k] / TS_ENTROPY_COST_ONE);
                CHECK_NEAR(mass, 1, 0.01);
            }
            ts_entropy_costs(s.coder, 1, &token, costs);
            uint32_t charged = ts_entropy_put(s.coder, token);
            CHECK_INT(charged, costs[0]);
            sum += charged;
        }
        const uint8_t *bytes;
        size_t size;
        CHECK_NEAR((double)sum, (double)ts_entropy_cost(s.coder), 600);
        CHECK_INT(ts_entropy_finish(s.coder, &bytes, &size, NULL), TESS_OK);
        CHECK_NEAR((double)size * 8, (double)ts_entropy_cost(s.coder) / TS_ENTROPY_COST_ONE, 24 + (double)size * 0.05);
    }
    drop(&s);
}

/* A reader that is asked to counts what each token cost: the writer's cost to the last 1/256 bit, and the section's bytes
 * within 2 %. Only places of the view are written. */
static void test_costs_read(void) {
    const int sizes[2] = {1024, 600};
    setup s = make(2, sizes, 64, 64);
    enum { STRIDE = 64, WIDTH = 50 };
    ts_token_view part = {s.grid.tokens, STRIDE, STRIDE * 64, 64, WIDTH};
    grid copy = new_grid(2, 64, 64);
    ts_token_view out = {copy.tokens, STRIDE, STRIDE * 64, 64, WIDTH};
    for (int l = 0; l < 2; l++) {
        test_row("level %d", l);
        const uint8_t *bytes;
        size_t size;
        uint16_t costs[64 * STRIDE];
        uint64_t sum = 0;
        memset(costs, 0xee, sizeof costs);
        CHECK_INT(ts_entropy_encode(s.coder, l, &part, &bytes, &size, NULL), TESS_OK);
        const uint64_t charged = ts_entropy_cost(s.coder);
        uint8_t *kept = malloc(size);
        memcpy(kept, bytes, size);
        CHECK_INT(ts_entropy_decode(s.coder, l, &out, kept, size, costs, NULL), TESS_OK);
        for (int i = 0; i < 64 * STRIDE; i++) {
            if (i % STRIDE >= WIDTH) CHECK_INT(costs[i], 0xeeee);
            else sum += costs[i];
        }
        CHECK_INT(sum, charged);
        CHECK_INT(ts_entropy_cost(s.coder), charged);
        CHECK_NEAR((double)sum / TS_ENTROPY_COST_ONE, (double)size * 8, (double)size * 8 * 0.02);
        CHECK_INT(ts_entropy_decode(s.coder, l, &out, kept, size, NULL, NULL), TESS_OK);
        CHECK_INT(ts_entropy_cost(s.coder), 0); /* nothing is counted unless asked for */
        free(kept);
    }
    free(copy.tokens);
    drop(&s);
}

static void test_refusals(void) {
    const int sizes[2] = {100, 100};
    setup s = make(2, sizes, 4, 4);
    const uint8_t *bytes;
    size_t size;
    ts_error err = {{0}};
    CHECK_INT(ts_entropy_finish(s.coder, &bytes, &size, NULL), TESS_ERR_STATE);
    CHECK_INT(ts_entropy_begin(s.coder, 2, &s.view, NULL), TESS_ERR_OPTION);
    CHECK_INT(ts_entropy_begin(s.coder, -1, &s.view, NULL), TESS_ERR_OPTION);
    ts_token_view none = s.view;
    none.height = 0;
    CHECK_INT(ts_entropy_begin(s.coder, 0, &none, NULL), TESS_ERR_OPTION);
    CHECK_INT(ts_entropy_begin(s.coder, 0, &s.view, NULL), TESS_OK);
    CHECK_INT(ts_entropy_put(s.coder, 100), 0); /* out of range */
    for (int i = 0; i < 16; i++) ts_entropy_put(s.coder, 5);
    CHECK_INT(ts_entropy_finish(s.coder, &bytes, &size, NULL), TESS_ERR_STATE);
    CHECK_INT(ts_entropy_begin(s.coder, 0, &s.view, NULL), TESS_OK);
    for (int i = 0; i < 15; i++) ts_entropy_put(s.coder, 5);
    CHECK_INT(ts_entropy_finish(s.coder, &bytes, &size, NULL), TESS_ERR_STATE); /* one is missing */
    ts_entropy_put(s.coder, 5);
    CHECK_INT(ts_entropy_finish(s.coder, &bytes, &size, NULL), TESS_OK);
    CHECK_INT(ts_entropy_put(s.coder, 5), 0); /* one too many */
    CHECK_INT(ts_entropy_finish(s.coder, &bytes, &size, NULL), TESS_ERR_STATE);
    s.grid.tokens[3] = 100;
    CHECK_INT(ts_entropy_begin(s.coder, 1, &s.view, &err), TESS_ERR_INPUT);
    CHECK(strstr(err.text, "100") != NULL);
    CHECK_INT(ts_entropy_encode(s.coder, 0, &s.view, &bytes, &size, NULL), TESS_ERR_INPUT);
    drop(&s);

    ts_entropy_model *model = NULL;
    const int bad[2] = {0, 65537};
    CHECK_INT(ts_entropy_model_new(&model, 1, bad, NULL, NULL, NULL), TESS_ERR_OPTION);
    CHECK_INT(ts_entropy_model_new(&model, 1, bad + 1, NULL, NULL, NULL), TESS_ERR_OPTION);
    CHECK_INT(ts_entropy_model_new(&model, 0, sizes, NULL, NULL, NULL), TESS_ERR_OPTION);
    CHECK_INT(ts_entropy_model_new(&model, 17, sizes, NULL, NULL, NULL), TESS_ERR_OPTION);
    CHECK(model == NULL);
    CHECK_INT(ts_entropy_table_bytes(0, 0), 0);
}

/* Any bytes decode to tokens within their codebooks, and bytes that are not those of the encoder are noticed. */
static void test_damage(void) {
    const int sizes[2] = {1000, 37};
    setup s = make(2, sizes, 6, 9);
    grid copy = new_grid(2, 6, 9);
    ts_token_view view = view_of(&copy);
    for (int l = 0; l < 2; l++) {
        const uint8_t *made;
        size_t size;
        CHECK_INT(ts_entropy_encode(s.coder, l, &s.view, &made, &size, NULL), TESS_OK);
        uint8_t *bytes = malloc(size + 2);
        memcpy(bytes, made, size);
        memcpy(copy.tokens, s.grid.tokens, 54 * sizeof(uint16_t));
        int missed = 0, tried = 0;
        for (size_t i = 0; i < size * 9 + 1; i++) {
            int cutting = i < size;
            size_t bit = i - size, part = cutting ? i : size;
            test_row("level %d, %s %d", l, cutting ? "cut" : "bit", (int)(cutting ? i : bit));
            if (i == size * 9) bytes[part++] = 0; /* a byte too many */
            else if (!cutting) bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            tess_status status = ts_entropy_decode(s.coder, l, &view, bytes, part, NULL, NULL);
            CHECK(status == TESS_OK || status == TESS_ERR_FORMAT);
            missed += status == TESS_OK;
            tried++;
            for (int t = 0; t < 54; t++) CHECK(copy.tokens[l * 54 + t] < sizes[l]);
            if (i < size * 9 && !cutting) bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        test_row("level %d", l);
        CHECK(tried > 100 &&
              missed <= 2); /* the end state misses one in thousands; the container's checksum sees those */
        free(bytes);
    }
    free(copy.tokens);
    drop(&s);
}

/* Tables make unseen tiles smaller, survive a round trip, and foreign ones are refused. */
static void test_fit(void) {
    const int sizes[2] = {256, 256};
    grid grids[12];
    ts_token_view tiles[12];
    for (int i = 0; i < 12; i++) {
        grids[i] = new_grid(2, 24, 24);
        fill_like_picture(&grids[i], sizes, (uint32_t)i * 77 + 1);
        tiles[i] = view_of(&grids[i]);
    }
    uint8_t *tables[2], *again;
    size_t bytes[2];
    for (int l = 0; l < 2; l++) {
        bytes[l] = ts_entropy_table_bytes(l, sizes[l]);
        tables[l] = malloc(bytes[l]);
        again = malloc(bytes[l]);
        CHECK_INT(ts_entropy_fit(l, 2, sizes, 11, tiles, tables[l], NULL), TESS_OK);
        CHECK_INT(ts_entropy_fit(l, 2, sizes, 11, tiles, again, NULL), TESS_OK);
        CHECK_BYTES(again, tables[l], bytes[l]);
        free(again);
    }
    setup flat = make(2, sizes, 1, 1);
    ts_entropy_model *model = NULL;
    CHECK_INT(ts_entropy_model_new(&model, 2, sizes, (const uint8_t *const *)tables, bytes, NULL), TESS_OK);
    setup fitted = {.model = model, .grid = grids[11], .view = tiles[11]};
    CHECK_INT(ts_entropy_coder_new(&fitted.coder, model, false, NULL), TESS_OK);
    free(flat.grid.tokens);
    flat.grid = grids[11];
    flat.view = tiles[11];
    size_t with = round_trip(&fitted), without = round_trip(&flat);
    if (!CHECK(with * 100 < without * 88)) printf("  %d and %d bytes\n", (int)with, (int)without);
    double order0 = order0_bits(&tiles[11], 0, 256) + order0_bits(&tiles[11], 1, 256);
    CHECK((double)without * 8 < order0 * 0.92);

    ts_entropy_model *none = NULL;
    ts_error err = {{0}};
    bytes[1]--;
    CHECK_INT(ts_entropy_model_new(&none, 2, sizes, (const uint8_t *const *)tables, bytes, &err), TESS_ERR_MODEL);
    CHECK(strstr(err.text, "level 1") != NULL);
    bytes[1]++;
    tables[0][0]++; /* another version */
    CHECK_INT(ts_entropy_model_new(&none, 2, sizes, (const uint8_t *const *)tables, bytes, &err), TESS_ERR_MODEL);
    tables[0][0]--;
    tables[1][3] = 1; /* frequent token 256 or more */
    CHECK_INT(ts_entropy_model_new(&none, 2, sizes, (const uint8_t *const *)tables, bytes, &err), TESS_ERR_MODEL);
    CHECK(none == NULL);
    CHECK_INT(ts_entropy_fit(2, 2, sizes, 11, tiles, tables[0], NULL), TESS_ERR_OPTION);
    CHECK_INT(ts_entropy_fit(0, 2, sizes, 0, tiles, tables[0], NULL), TESS_ERR_OPTION);
    grids[3].tokens[5] = 256;
    CHECK_INT(ts_entropy_fit(1, 2, sizes, 11, tiles, tables[0], NULL), TESS_ERR_INPUT);
    fitted.grid.tokens = NULL;
    drop(&fitted);
    flat.grid.tokens = NULL;
    drop(&flat);
    for (int i = 0; i < 12; i++) free(grids[i].tokens);
    for (int l = 0; l < 2; l++) free(tables[l]);
}

/* A table of any bytes is a table: it may compress badly, but what goes in comes out. */
static void test_wild_tables(void) {
    const int sizes[2] = {100, 100};
    uint32_t seed = 5;
    for (int trial = 0; trial < 6; trial++) {
        uint8_t *tables[2];
        size_t bytes[2];
        for (int l = 0; l < 2; l++) {
            bytes[l] = ts_entropy_table_bytes(l, 100);
            tables[l] = malloc(bytes[l]);
            for (size_t i = 0; i < bytes[l]; i++)
                tables[l][i] = (uint8_t)(trial == 0 ? 128 : trial == 1 ? 127 : next_random(&seed));
            memcpy(tables[l], (uint8_t[4]){1, 0, 99, 0}, 4);
        }
        setup s = {.grid = new_grid(2, 20, 20)};
        s.view = view_of(&s.grid);
        fill_random(&s.grid, sizes, 9);
        CHECK_INT(ts_entropy_model_new(&s.model, 2, sizes, (const uint8_t *const *)tables, bytes, NULL), TESS_OK);
        CHECK_INT(ts_entropy_coder_new(&s.coder, s.model, false, NULL), TESS_OK);
        round_trip(&s);
        drop(&s);
        for (int l = 0; l < 2; l++) free(tables[l]);
    }
}

static tess_status everything(const int *sizes, const grid *g, uint8_t *table) {
    ts_entropy_model *model = NULL;
    ts_entropy_coder *coder = NULL;
    ts_token_view view = view_of(g);
    const uint8_t *bytes;
    size_t size;
    tess_status status = ts_entropy_fit(1, 2, sizes, 1, &view, table, NULL);
    if (status == TESS_OK) status = ts_entropy_model_new(&model, 2, sizes, NULL, NULL, NULL);
    if (status == TESS_OK) status = ts_entropy_coder_new(&coder, model, false, NULL);
    if (status == TESS_OK) status = ts_entropy_encode(coder, 0, &view, &bytes, &size, NULL);
    ts_entropy_coder_free(coder);
    ts_entropy_model_free(model);
    return status;
}

static void test_no_memory(void) {
    const int sizes[2] = {64, 64};
    grid g = new_grid(2, 40, 40);
    fill_like_picture(&g, sizes, 2);
    uint8_t *table = malloc(ts_entropy_table_bytes(1, 64));
    long live = ts_test_alloc_live();
    tess_status status = TESS_ERR_MEMORY;
    for (long n = 1; status != TESS_OK && n < 200; n++) {
        test_row("allocation %ld", n);
        ts_test_alloc_fail_at(n);
        status = everything(sizes, &g, table);
        ts_test_alloc_fail_at(0);
        CHECK(status == TESS_OK || status == TESS_ERR_MEMORY);
        CHECK_INT(ts_test_alloc_live(), live);
    }
    CHECK_INT(status, TESS_OK);
    free(table);
    free(g.tokens);
}

int main(void) {
    RUN(test_sizes);
    RUN(test_extremes);
    RUN(test_views);
    RUN(test_costs);
    RUN(test_costs_read);
    RUN(test_refusals);
    RUN(test_damage);
    RUN(test_fit);
    RUN(test_wild_tables);
    RUN(test_no_memory);
    return test_end();
}
