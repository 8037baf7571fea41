/* Predictors: the odds that their likelihoods stand for; tokens come back; what is damaged or could overflow is refused. */
#define TS_TEST_ALLOC
#include "base/alloc.c"

#include "predictors.h"
#include "test.h"

enum { SIZE = 37, DEPTHS = 6 }; /* of level 0; one more with the flag */

static ts_predictor *read_predictor(const blob *b, int level, int size, int depths) {
    ts_predictor *predictor = NULL;
    ts_error err = {{0}};
    if (!CHECK_INT(ts_predictor_new(&predictor, level, size, depths, b->bytes, b->size, &err), TESS_OK))
        printf("  %s\n", err.text);
    return predictor;
}

/* Odds of a plain predictor against the sums that they are defined by, in double precision. */
static void test_odds(void) {
    for (int level = 0; level < 2; level++) {
        test_row("level %d", level);
        int32_t bias[SIZE];
        double mass[SIZE], all = 0;
        uint32_t seed = 5;
        const int frequent = level ? 3 : -1;
        for (int k = 0; k < SIZE; k++) {
            bias[k] = (int32_t)(next_random(&seed) % 1200) - 600;
            mass[k] = exp(bias[k] / 256.0);
            if (k != frequent) all += mass[k];
        }
        blob b = plain_predictor(level, SIZE, bias, DEPTHS + level);
        ts_predictor *predictor = read_predictor(&b, level, SIZE, DEPTHS + level);
        ts_prediction *prediction = NULL;
        grid g = new_grid(level + 1, 3, 4);
        ts_token_view view = view_of(&g);
        CHECK_INT(ts_prediction_new(&prediction, NULL), TESS_OK);
        CHECK_INT(ts_prediction_begin(prediction, predictor, &view, frequent, NULL), TESS_OK);
        ts_prediction_place(prediction, 0, 0);
        if (level) CHECK_NEAR(ts_prediction_frequent(prediction), 256 * log(mass[3] / all), 1.5);
        for (int half = 32; half >= 1; half /= 2)
            for (int first = 0; first + half < SIZE; first += 2 * half) {
                double ones = 0, zeros = 0;
                for (int k = first; k < first + 2 * half && k < SIZE; k++)
                    if (k != frequent) *(k < first + half ? &zeros : &ones) += mass[k];
                const double want = ones > 0 && zeros > 0 ? 256 * log(ones / zeros) : 0;
                CHECK_NEAR(ts_prediction_odds(prediction, (uint32_t)first, (uint32_t)half), want, 1.5);
            }
        CHECK_INT(ts_prediction_odds(prediction, 36, 1), 0); /* there is no code 37 */
        ts_prediction_free(prediction);
        ts_predictor_free(predictor);
        free(g.tokens);
        free(b.bytes);
    }
}

/* A net that looks: other tokens within its window change what it says, tokens outside do not, later ones neither. */
static void test_window(void) {
    static const struct {
        int level, y, x, seen;
    } cases[] = {{1, 6, 7, 1},  {1, 2, 4, 1}, {1, 2, 12, 1}, {1, 6, 4, 1}, {1, 1, 8, 0}, {1, 6, 3, 0},
                 {1, 5, 13, 0}, {0, 6, 7, 1}, {0, 8, 10, 1}, {0, 4, 6, 1}, {0, 9, 8, 0}, {0, 6, 11, 0}};
    enum { Y = 6, X = 8 };
    blob b = random_predictor(1, SIZE, 3);
    ts_predictor *predictor = read_predictor(&b, 1, SIZE, DEPTHS + 1);
    ts_prediction *prediction = NULL;
    CHECK_INT(ts_prediction_new(&prediction, NULL), TESS_OK);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        test_row("level %d at (%d, %d)", cases[c].level, cases[c].y, cases[c].x);
        int32_t odds[2][5];
        for (int other = 0; other < 2; other++) {
            grid g = new_grid(2, 12, 14);
            ts_token_view view = view_of(&g);
            if (other) g.tokens[(cases[c].level * 12 + cases[c].y) * 14 + cases[c].x] = 9;
            CHECK_INT(ts_prediction_begin(prediction, predictor, &view, 0, NULL), TESS_OK);
            for (int i = 0; i < Y * 14 + X; i++) ts_prediction_put(prediction, i / 14, i % 14, g.tokens[12 * 14 + i]);
            ts_prediction_place(prediction, Y, X);
            odds[other][0] = ts_prediction_frequent(prediction);
            for (int i = 0; i < 4; i++) odds[other][i + 1] = ts_prediction_odds(prediction, 0, 4u << i);
            free(g.tokens);
        }
        CHECK_INT(memcmp(odds[0], odds[1], sizeof odds[0]) != 0, cases[c].seen);
    }
    ts_prediction_free(prediction);
    ts_predictor_free(predictor);
    free(b.bytes);
}

/* A model of three levels of which two are predicted. */
static ts_entropy_model *make_model(const int *sizes, uint32_t seed) {
    ts_entropy_model *model = NULL;
    CHECK_INT(ts_entropy_model_new(&model, 3, sizes, NULL, NULL, NULL), TESS_OK);
    for (int l = 0; l < 3; l += 2) {
        blob b = random_predictor(l, sizes[l], seed + (uint32_t)l);
        CHECK_INT(ts_entropy_model_add(model, l, b.bytes, b.size, NULL), TESS_OK);
        free(b.bytes);
    }
    return model;
}

static void test_round_trip(void) {
    static const int sizes[][3] = {{1024, 1024, 1024}, {37, 37, 37}, {3, 3, 3}, {2048, 2048, 2048}};
    static const int sides[][2] = {{1, 1}, {1, 9}, {9, 1}, {21, 30}};
    for (size_t c = 0; c < 4 * 4; c++) {
        const int *size = sizes[c / 4], height = sides[c % 4][0], width = sides[c % 4][1];
        test_row("%d codes, %d x %d", size[0], width, height);
        ts_entropy_model *model = make_model(size, (uint32_t)c);
        ts_entropy_coder *writer = NULL, *reader = NULL;
        CHECK_INT(ts_entropy_coder_new(&writer, model, true, NULL), TESS_OK);
        CHECK_INT(ts_entropy_coder_new(&reader, model, true, NULL), TESS_OK);
        grid g = new_grid(3, height, width), copy = new_grid(3, height, width);
        fill_like_picture(&g, size, 8);
        const ts_token_view view = view_of(&g), other = view_of(&copy);
        for (int l = 0; l < 3; l++) {
            const uint8_t *bytes = NULL;
            size_t bytes_count = 0;
            CHECK_INT(ts_entropy_encode(writer, l, &view, &bytes, &bytes_count, NULL), TESS_OK);
            CHECK((double)bytes_count <= (double)ts_entropy_cost(writer) / (8 * TS_ENTROPY_COST_ONE) + 4);
            CHECK_INT(ts_entropy_decode(reader, l, &other, bytes, bytes_count, NULL, NULL), TESS_OK);
        }
        CHECK_BYTES(copy.tokens, g.tokens, (size_t)(3 * height * width) * sizeof(uint16_t));
        ts_entropy_coder_free(writer);
        ts_entropy_coder_free(reader);
        ts_entropy_model_free(model);
        free(g.tokens);
        free(copy.tokens);
    }
}

/* What a candidate would cost is what it then does cost, and a predictor that knows the tokens' shares makes them
 * cheaper. */
static void test_costs(void) {
    const int sizes[1] = {SIZE};
    grid g = new_grid(1, 16, 16);
    uint32_t seed = 1;
    int32_t bias[SIZE];
    for (int i = 0; i < 256; i++) g.tokens[i] = (uint16_t)(next_random(&seed) % 8 ? 11 : next_random(&seed) % SIZE);
    for (int k = 0; k < SIZE; k++) bias[k] = k == 11 ? 256 * 5 : 0;
    const ts_token_view view = view_of(&g);
    uint64_t cost[2];
    for (int predict = 0; predict < 2; predict++) {
        ts_entropy_model *model = NULL;
        ts_entropy_coder *coder = NULL;
        blob b = plain_predictor(0, SIZE, bias, DEPTHS);
        CHECK_INT(ts_entropy_model_new(&model, 1, sizes, NULL, NULL, NULL), TESS_OK);
        CHECK_INT(ts_entropy_model_add(model, 0, b.bytes, b.size, NULL), TESS_OK);
        CHECK_INT(ts_entropy_coder_new(&coder, model, predict, NULL), TESS_OK);
        CHECK_INT(ts_entropy_begin(coder, 0, &view, NULL), TESS_OK);
        for (int i = 0; i < 256; i++) {
            const uint16_t candidates[3] = {0, g.tokens[i], 36};
            uint32_t costs[3];
            ts_entropy_costs(coder, 3, candidates, costs);
            const uint32_t paid = ts_entropy_put(coder, g.tokens[i]);
            CHECK(costs[1] + 1 >= paid && costs[1] <= paid + 1);
        }
        cost[predict] = ts_entropy_cost(coder);
        ts_entropy_coder_free(coder);
        ts_entropy_model_free(model);
        free(b.bytes);
    }
    CHECK(cost[1] < cost[0] * 8 / 10);
    free(g.tokens);
}

static void test_refusals(void) {
    blob b = random_predictor(1, SIZE, 1);
    ts_predictor *predictor = NULL;
    ts_error err;
    for (size_t size = 0; size < b.size; size += size < 40 ? 1 : 97) {
        test_row("%zu bytes", size);
        uint8_t *part = malloc(size + 1);
        memcpy(part, b.bytes, size);
        CHECK_INT(ts_predictor_new(&predictor, 1, SIZE, DEPTHS + 1, part, size, &err), TESS_ERR_MODEL);
        CHECK(err.text[0] != 0);
        free(part);
    }
    static const struct {
        int at, value;
    } faults[] = {{0, 2}, {1, 0}, {1, 3}, {1, 66}, {2, 0}, {3, 9}, {4, 5}, {6, 0}, {7, 32}, {10, 0}};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        test_row("byte %d = %d", faults[i].at, faults[i].value);
        const uint8_t good = b.bytes[faults[i].at];
        b.bytes[faults[i].at] = (uint8_t)faults[i].value;
        CHECK_INT(ts_predictor_new(&predictor, 1, SIZE, DEPTHS + 1, b.bytes, b.size, &err), TESS_ERR_MODEL);
        b.bytes[faults[i].at] = good;
    }
    test_row("another level, other codes");
    CHECK_INT(ts_predictor_new(&predictor, 0, SIZE, DEPTHS, b.bytes, b.size, &err), TESS_ERR_MODEL);
    CHECK_INT(ts_predictor_new(&predictor, 1, 4096, 13, b.bytes, b.size, &err), TESS_ERR_MODEL);
    test_row("lower levels of another size");
    ts_entropy_model *model = NULL;
    CHECK_INT(ts_entropy_model_new(&model, 2, (const int[2]){SIZE + 1, SIZE}, NULL, NULL, NULL), TESS_OK);
    CHECK_INT(ts_entropy_model_add(model, 1, b.bytes, b.size, &err), TESS_ERR_OPTION);
    CHECK_INT(ts_entropy_model_add(model, 2, b.bytes, b.size, &err), TESS_ERR_OPTION);
    ts_entropy_model_free(model);
    test_row("a bias that overflows");
    const size_t bias = 12 + 2 * (SIZE + 1) * 4 + 10 * 65 * 4;
    memcpy(b.bytes + bias, "\xff\xff\xff\x7f", 4);
    CHECK_INT(ts_predictor_new(&predictor, 1, SIZE, DEPTHS + 1, b.bytes, b.size, &err), TESS_ERR_MODEL);
    CHECK(strstr(err.text, "overflow") != NULL);
    CHECK(predictor == NULL);
    free(b.bytes);
}

static tess_status everything(const int *sizes, const blob *b, const grid *g) {
    ts_entropy_model *model = NULL;
    ts_entropy_coder *coder = NULL;
    const ts_token_view view = view_of(g);
    const uint8_t *bytes;
    size_t size;
    tess_status status = ts_entropy_model_new(&model, 2, sizes, NULL, NULL, NULL);
    if (!status) status = ts_entropy_model_add(model, 1, b->bytes, b->size, NULL);
    if (!status) status = ts_entropy_coder_new(&coder, model, true, NULL);
    if (!status) status = ts_entropy_encode(coder, 1, &view, &bytes, &size, NULL);
    ts_entropy_coder_free(coder);
    ts_entropy_model_free(model);
    return status;
}

static void test_no_memory(void) {
    const int sizes[2] = {SIZE, SIZE};
    blob b = random_predictor(1, SIZE, 1);
    grid g = new_grid(2, 9, 9);
    const long live = ts_test_alloc_live();
    tess_status status = TESS_ERR_MEMORY;
    for (long n = 1; status != TESS_OK && n < 100; n++) {
        test_row("allocation %ld", n);
        ts_test_alloc_fail_at(n);
        status = everything(sizes, &b, &g);
        ts_test_alloc_fail_at(0);
        CHECK(status == TESS_OK || status == TESS_ERR_MEMORY);
        CHECK_INT(ts_test_alloc_live(), live);
    }
    CHECK_INT(status, TESS_OK);
    free(b.bytes);
    free(g.tokens);
}

int main(void) {
    RUN(test_odds);
    RUN(test_window);
    RUN(test_round_trip);
    RUN(test_costs);
    RUN(test_refusals);
    RUN(test_no_memory);
    return test_end();
}
