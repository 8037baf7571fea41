/* test_sampler.c - sampling from a prior: the same tokens for the same seed, given tokens stay, options' bounds, damaged
 * files. The models are the PyTorch twin's: words and a grid of 4 x 4, three classes and 3 x 5, 32 codes. */
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "nets/prior.h"
#include "test.h"
#include "tiny.h"
#include "twin.h"

enum { PLACES_MOST = 16 };

static twin_file text_file, class_file;
static tess_model *text_model, *class_model;

typedef struct grid {
    uint16_t tokens[PLACES_MOST];
    int steps;
} grid;

static tess_status finish(tess_sampler *s, grid *out) {
    tess_status status = TESS_MORE;
    int levels, height, width;
    for (out->steps = 0; status == TESS_MORE; out->steps++) status = tess_sampler_step(s);
    const uint16_t *tokens = tess_sampler_tokens(s, &levels, &height, &width);
    if (tokens) memcpy(out->tokens, tokens, (size_t)(height * width) * sizeof *tokens);
    return status;
}

/* Everything made up, with the options that are set. */
static grid sample(tess_sampler *s, int rows, int columns) {
    grid out = {{0}, 0};
    if (!CHECK(tess_sampler_begin(s, rows, columns, NULL))) printf("%s\n", tess_sampler_message(s));
    CHECK_INT(finish(s, &out), TESS_DONE);
    for (int i = 0; i < rows * columns; i++) CHECK(out.tokens[i] < 32);
    return out;
}

static bool same(const grid *a, const grid *b) { return memcmp(a->tokens, b->tokens, sizeof a->tokens) == 0; }

static tess_sampler *sampler_with(const tess_model *model, const char *prompt, int order, double guidance) {
    tess_sampler *s = tess_sampler_new(model);
    CHECK_INT(tess_sampler_set(s, "order", order), TESS_OK);
    CHECK_INT(tess_sampler_set(s, "guidance", guidance), TESS_OK);
    CHECK_INT(tess_sampler_prompt(s, prompt, strlen(prompt)), TESS_OK);
    return s;
}

static void test_deterministic(void) {
    for (int order = 0; order < 2; order++)
        for (int guided = 0; guided < 2; guided++) {
            test_row("order %d, guidance %d", order, guided);
            tess_sampler *a = sampler_with(text_model, "red girl", order, guided * 2.0);
            tess_sampler *b = sampler_with(text_model, "red girl", order, guided * 2.0);
            CHECK_INT(tess_sampler_set(b, "threads", 3), TESS_OK);
            const grid one = sample(a, 4, 4), again = sample(a, 4, 4), other = sample(b, 4, 4);
            CHECK(same(&one, &again) && same(&one, &other));
            CHECK_INT(one.steps, 12);
            int differ = 0;
            for (int seed = 2; seed < 6; seed++) {
                tess_sampler_set(a, "seed", seed);
                const grid next = sample(a, 4, 4);
                differ += !same(&one, &next);
            }
            CHECK_INT(differ, 4);
            tess_sampler_free(a);
            tess_sampler_free(b);
        }
}

/* What is asked for changes what comes; what cannot count does not. */
static void test_conditions(void) {
    tess_sampler *s = sampler_with(text_model, "", 0, 0);
    const grid none = sample(s, 4, 4);
    CHECK_INT(tess_sampler_set(s, "guidance", 3), TESS_OK);
    const grid guided = sample(s, 4, 4);
    CHECK(same(&none, &guided)); /* no condition: nothing to be guided by */
    CHECK_INT(tess_sampler_prompt(s, "!?", 2), TESS_OK);
    const grid wordless = sample(s, 4, 4);
    CHECK(same(&none, &wordless));
    CHECK_INT(tess_sampler_prompt(s, "hat", 3), TESS_OK);
    const grid hat = sample(s, 4, 4);
    CHECK(!same(&none, &hat));
    CHECK_INT(tess_sampler_prompt(s, NULL, 0), TESS_OK);
    const grid back = sample(s, 4, 4);
    CHECK(same(&none, &back));
    tess_sampler_free(s);

    s = tess_sampler_new(class_model);
    CHECK_INT(tess_sampler_set(s, "temperature", 0), TESS_OK);
    const grid free_of = sample(s, 3, 5);
    int differ = 0;
    for (int label = 0; label < 3; label++) {
        CHECK_INT(tess_sampler_set(s, "class", label), TESS_OK);
        CHECK_INT(tess_sampler_set(s, "guidance", 20), TESS_OK);
        const grid of = sample(s, 3, 5);
        differ += !same(&of, &free_of);
    }
    CHECK(differ >= 2);
    tess_sampler_free(s);
}

/* With one step everything is drawn at once: top-k 1 and temperature 0 give the likeliest code everywhere, whatever the
 * seed. */
static void test_greedy(void) {
    tess_sampler *s = sampler_with(text_model, "pixel art face", 0, 0);
    tess_sampler_set(s, "steps", 1);
    tess_sampler_set(s, "temperature", 0);
    const grid greedy = sample(s, 4, 4);
    CHECK_INT(greedy.steps, 1);
    tess_sampler_set(s, "seed", 77);
    const grid other = sample(s, 4, 4);
    tess_sampler_set(s, "temperature", 1);
    tess_sampler_set(s, "top_k", 1);
    const grid narrow = sample(s, 4, 4);
    tess_sampler_set(s, "top_k", 0);
    tess_sampler_set(s, "top_p", 0);
    const grid small = sample(s, 4, 4);
    CHECK(same(&greedy, &other) && same(&greedy, &narrow) && same(&greedy, &small));
    tess_sampler_free(s);
}

/* After every step so many places are settled as the schedule says; settled and given ones never change again. */
static void check_schedule(int order, int steps, unsigned kept) {
    tess_sampler *s = sampler_with(text_model, "glasses", order, 1);
    uint8_t *keep, known[PLACES_MOST] = {0};
    uint16_t before[PLACES_MOST] = {0};
    int given = 0, count = 0, levels, height, width;
    test_row("order %d, %d steps, kept %x", order, steps, kept);
    CHECK_INT(tess_sampler_set(s, "steps", steps), TESS_OK);
    uint16_t *room = tess_sampler_begin(s, 4, 4, &keep);
    if (!CHECK(room)) return;
    CHECK(tess_sampler_tokens(s, NULL, NULL, NULL) == NULL && tess_sampler_known(s) == NULL);
    for (int i = 0; i < 16; i++) {
        CHECK(room[i] == 0 && keep[i] == 0);
        if (!(kept >> i & 1)) continue;
        before[i] = room[i] = (uint16_t)(i * 2 % 32);
        keep[i] = known[i] = (uint8_t)(1 + i); /* any number but 0 */
        given++;
    }
    const int wanted = 16 - given;
    int left = wanted;
    for (tess_status status = TESS_MORE; status == TESS_MORE; count++) {
        status = tess_sampler_step(s);
        if (left) left = ts_prior_masked_after(count, steps, wanted, left);
        CHECK_INT(status, left ? TESS_MORE : TESS_DONE);
        const uint16_t *tokens = tess_sampler_tokens(s, &levels, &height, &width);
        const uint8_t *now = tess_sampler_known(s);
        if (!CHECK(tokens && now && levels == 1 && height == 4 && width == 4)) break;
        int settled = 0;
        for (int i = 0; i < 16; i++) {
            CHECK(tokens[i] < 32 && now[i] <= 1);
            if (known[i]) CHECK(tokens[i] == before[i] && now[i] == 1);
            settled += now[i];
            known[i] = now[i];
            before[i] = tokens[i];
        }
        CHECK_INT(settled, 16 - left);
        CHECK_NEAR(tess_sampler_progress(s), wanted ? 1 - (double)left / wanted : 1, 1e-9);
    }
    CHECK(count <= steps);
    CHECK_INT(tess_sampler_step(s), TESS_DONE);
    tess_sampler_free(s);
}

static void test_schedule(void) {
    static const int steps[] = {1, 2, 12, 40};
    static const unsigned kept[] = {0, 1, 0x0ff0, 0x7fff, 0xffff};
    for (int order = 0; order < 2; order++)
        for (size_t i = 0; i < 4; i++)
            for (size_t k = 0; k < 5; k++) check_schedule(order, steps[i], kept[k]);
}

static void test_options(void) {
    static const struct {
        const char *name;
        double good[2], bad[3];
    } rows[] = {{"seed", {0, 9007199254740992.0}, {-1, 0.5, 1e17}},
                {"steps", {1, 256}, {0, 257, 2.5}},
                {"temperature", {0, 100}, {-0.1, 101, NAN}},
                {"top_k", {0, 65536}, {-1, 65537, 1.5}},
                {"top_p", {0, 1}, {-0.1, 1.1, NAN}},
                {"guidance", {0, 100}, {-1, 101, INFINITY}},
                {"order", {0, 1}, {-1, 2, 0.5}},
                {"class", {-1, 2}, {-2, 3, 0.5}},
                {"threads", {1, 64}, {0, 65, 1.5}}};
    tess_sampler *s = tess_sampler_new(class_model);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        test_row("%s", rows[i].name);
        for (int k = 0; k < 2; k++) CHECK_INT(tess_sampler_set(s, rows[i].name, rows[i].good[k]), TESS_OK);
        for (int k = 0; k < 3; k++) {
            CHECK_INT(tess_sampler_set(s, rows[i].name, rows[i].bad[k]), TESS_ERR_OPTION);
            CHECK(strstr(tess_sampler_message(s), rows[i].name));
        }
    }
    CHECK_INT(tess_sampler_set(s, "colour", 1), TESS_ERR_OPTION);
    CHECK(strstr(tess_sampler_message(s), "colour"));
    CHECK_INT(tess_sampler_set(s, NULL, 1), TESS_ERR_STATE);
    CHECK_INT(tess_sampler_set(NULL, "steps", 1), TESS_ERR_STATE);
    tess_sampler_free(s);
    s = tess_sampler_new(text_model);
    CHECK_INT(tess_sampler_set(s, "class", 0), TESS_ERR_OPTION);
    CHECK(strstr(tess_sampler_message(s), "no prior with classes"));
    CHECK_INT(tess_sampler_set(s, "class", -1), TESS_OK);
    tess_sampler_free(s);
}

static void test_wrong_calls(void) {
    tess_sampler *s = tess_sampler_new(class_model);
    uint8_t *keep;
    CHECK_INT(tess_sampler_step(s), TESS_ERR_STATE);
    CHECK_NEAR(tess_sampler_progress(s), 0, 0);
    CHECK(tess_sampler_begin(s, 5, 3, NULL) == NULL && strstr(tess_sampler_message(s), "3 x 5"));
    CHECK(tess_sampler_begin(s, 6, 10, NULL) == NULL);
    CHECK_INT(tess_sampler_step(s), TESS_ERR_STATE);
    CHECK_INT(tess_sampler_prompt(s, "cat", 3), TESS_ERR_INPUT);
    CHECK(strstr(tess_sampler_message(s), "class"));
    CHECK_INT(tess_sampler_prompt(s, NULL, 3), TESS_ERR_INPUT);
    CHECK_INT(tess_sampler_prompt(s, "", 0), TESS_OK);
    uint16_t *room = tess_sampler_begin(s, 3, 5, &keep);
    room[7] = 32; /* no code, but not kept */
    CHECK_INT(tess_sampler_step(s), TESS_MORE);
    CHECK_INT(tess_sampler_set(s, "steps", 3), TESS_ERR_STATE);
    CHECK_INT(tess_sampler_prompt(s, "", 0), TESS_ERR_STATE);
    room = tess_sampler_begin(s, 3, 5, &keep); /* a job may be left for another */
    room[7] = 32;
    keep[7] = 1;
    CHECK_INT(tess_sampler_step(s), TESS_ERR_INPUT);
    CHECK(strstr(tess_sampler_message(s), "Token 7"));
    CHECK_INT(tess_sampler_step(s), TESS_ERR_STATE);
    CHECK(tess_sampler_tokens(s, NULL, NULL, NULL) == NULL);
    sample(s, 3, 5);
    tess_sampler_free(s);
    tess_sampler_free(NULL);

    tess_model *plain = tiny_model(TINY_CONFIG, 1), *empty = tess_model_new();
    s = tess_sampler_new(plain);
    CHECK(tess_sampler_begin(s, 4, 4, NULL) == NULL && strstr(tess_sampler_message(s), "no prior"));
    CHECK_INT(tess_sampler_prompt(s, "cat", 3), TESS_ERR_MODEL);
    CHECK(tess_sampler_new(empty) == NULL && tess_sampler_new(NULL) == NULL);
    CHECK(strlen(tess_sampler_message(NULL)) > 10);
    CHECK(strstr(tess_model_info(plain), "generate") == NULL && strstr(tess_model_info(plain), "\"prior\"") == NULL);
    tess_sampler_free(s);
    tess_model_free(plain);
    tess_model_free(empty);
}

/* ---- apart from jobs ---------------------------------------------------------------------------------------------- */

/* What the prior thinks of a place sums to one, is what a draw of that place alone makes of it, and leaves a job alone. */
static void test_alternatives(void) {
    tess_sampler *s = sampler_with(text_model, "red", 0, 2), *job = sampler_with(text_model, "red", 0, 2);
    grid made = sample(s, 4, 4);
    float first[32];
    int likeliest = 0, differ = 0;
    for (int place = 0; place < 16; place += 5) {
        test_row("place %d", place);
        const float *odds = tess_sampler_alternatives(s, made.tokens, 1, 4, 4, 0, place / 4, place % 4);
        if (!CHECK(odds)) break;
        double sum = 0;
        int best = 0;
        for (int k = 0; k < 32; k++) {
            CHECK(odds[k] >= 0 && odds[k] <= 1);
            sum += odds[k];
            if (odds[k] > odds[best]) best = k;
        }
        CHECK_NEAR(sum, 1, 1e-5);
        memcpy(first, odds, sizeof first);
        const uint16_t now = made.tokens[place];
        made.tokens[place] = (uint16_t)((now + 1) % 32); /* the place itself is not looked at */
        odds = tess_sampler_alternatives(s, made.tokens, 1, 4, 4, 0, place / 4, place % 4);
        if (CHECK(odds)) CHECK_BYTES(odds, first, sizeof first);
        made.tokens[(place + 3) % 16] ^= 1; /* the others are */
        odds = tess_sampler_alternatives(s, made.tokens, 1, 4, 4, 0, place / 4, place % 4);
        differ += odds && memcmp(odds, first, sizeof first) != 0;
        made.tokens[(place + 3) % 16] ^= 1;
        made.tokens[place] = now;

        uint8_t *keep; /* a job over the same place, all others given, that always takes the likeliest */
        grid out;
        CHECK_INT(tess_sampler_set(job, "temperature", 0), TESS_OK);
        uint16_t *room = tess_sampler_begin(job, 4, 4, &keep);
        memcpy(room, made.tokens, 16 * sizeof *room);
        memset(keep, 1, 16);
        keep[place] = 0;
        CHECK_INT(finish(job, &out), TESS_DONE);
        likeliest += out.tokens[place] == best;
    }
    CHECK_INT(likeliest, 4);
    CHECK_INT(differ, 4);

    test_row("%s", "between steps");
    const grid alone = sample(s, 4, 4);
    grid asked;
    CHECK(tess_sampler_begin(s, 4, 4, NULL));
    tess_status status;
    do {
        status = tess_sampler_step(s);
        CHECK(tess_sampler_alternatives(s, made.tokens, 1, 4, 4, 0, 1, 2));
    } while (status == TESS_MORE);
    memcpy(asked.tokens, tess_sampler_tokens(s, NULL, NULL, NULL), sizeof asked.tokens);
    CHECK(same(&alone, &asked));

    test_row("%s", "refusals");
    CHECK(!tess_sampler_alternatives(s, made.tokens, 1, 3, 5, 0, 0, 0) && strstr(tess_sampler_message(s), "4 x 4"));
    CHECK(!tess_sampler_alternatives(s, made.tokens, 2, 4, 4, 1, 0, 0) && strstr(tess_sampler_message(s), "2 levels"));
    CHECK(!tess_sampler_alternatives(s, made.tokens, 1, 4, 4, 1, 0, 0) && strstr(tess_sampler_message(s), "level 1"));
    CHECK(!tess_sampler_alternatives(s, made.tokens, 1, 4, 4, 0, 4, 0) && strstr(tess_sampler_message(s), "row 4"));
    CHECK(!tess_sampler_alternatives(s, made.tokens, 1, 4, 4, 0, 0, -1) &&
          strstr(tess_sampler_message(s), "column -1"));
    made.tokens[9] = 32;
    CHECK(!tess_sampler_alternatives(s, made.tokens, 1, 4, 4, 0, 0, 0) && strstr(tess_sampler_message(s), "Token 9"));
    CHECK(!tess_sampler_alternatives(NULL, made.tokens, 1, 4, 4, 0, 0, 0));
    tess_sampler_free(s);
    tess_sampler_free(job);
    tess_model *plain = tiny_model(TINY_CONFIG, 1);
    s = tess_sampler_new(plain);
    CHECK(!tess_sampler_alternatives(s, made.tokens, 1, 4, 4, 0, 0, 0) && strstr(tess_sampler_message(s), "no prior"));
    tess_sampler_free(s);
    tess_model_free(plain);
}

/* The code of `codebook` [size][dim] nearest to z, in double. */
static int nearest_of(const float *codebook, int size, int dim, const double *z) {
    int best = 0;
    double least = INFINITY;
    for (int k = 0; k < size; k++) {
        double sum = 0;
        for (int d = 0; d < dim; d++) sum += (codebook[k * dim + d] - z[d]) * (codebook[k * dim + d] - z[d]);
        if (sum < least) least = sum, best = k;
    }
    return best;
}

/* Every quantizer: both ends as given, between them the nearest codes of the mixture, by a search of our own. */
static void test_interpolate(void) {
    static const char *const names[] = {"residual", "fsq", "lfq"};
    const char *const configs[] = {TINY_CONFIG, TINY_FSQ_CONFIG, TINY_LFQ_CONFIG};
    enum { ROWS = 5, COLUMNS = 7, AREA = ROWS * COLUMNS };
    for (int i = 0; i < 3; i++) {
        tess_model *model = tiny_model(configs[i], 3);
        tess_sampler *s = tess_sampler_new(model);
        int size = 0, dim = 0, levels = 0, changed = 0;
        while (levels < 3 && tess_model_codebook(model, levels, &size, &dim)) levels++;
        uint16_t a[3 * AREA], b[3 * AREA];
        tess_model_codebook(model, 0, &size, &dim);
        for (int k = 0; k < levels * AREA; k++) a[k] = (uint16_t)(k * 7 % size), b[k] = (uint16_t)(k * 5 % size);
        test_row("%s", names[i]);
        CHECK_INT(levels, i ? 1 : 3);
        CHECK(tess_sampler_interpolate(s, a, b, levels, ROWS, COLUMNS, 0) == a);
        CHECK(tess_sampler_interpolate(s, a, b, levels, ROWS, COLUMNS, 1) == b);
        for (int step = 1; step < 8; step++) {
            const double t = step / 8.0 + 0.013; /* no ties */
            const uint16_t *mixed = tess_sampler_interpolate(s, a, b, levels, ROWS, COLUMNS, t);
            if (!CHECK(mixed)) break;
            for (int p = 0; p < AREA; p++) {
                double z[16] = {0};
                for (int l = 0; l < levels; l++) {
                    const float *codes = tess_model_codebook(model, l, NULL, NULL);
                    for (int d = 0; d < dim; d++)
                        z[d] += (1 - t) * codes[a[l * AREA + p] * dim + d] + t * codes[b[l * AREA + p] * dim + d];
                }
                for (int l = 0; l < levels; l++) {
                    const float *codes = tess_model_codebook(model, l, NULL, NULL);
                    const int k = mixed[l * AREA + p];
                    CHECK_INT(k, nearest_of(codes, size, dim, z));
                    for (int d = 0; d < dim; d++) z[d] -= codes[k * dim + d];
                }
                changed += mixed[p] != a[p] && mixed[p] != b[p];
            }
        }
        /* codes between, and not only one picture's or the other's; but signs all change at t = 1/2 */
        CHECK(i == 2 ? changed == 0 : changed > 10);
        CHECK(!tess_sampler_interpolate(s, a, b, levels, ROWS, COLUMNS, 1.5) && strstr(tess_sampler_message(s), "1.5"));
        CHECK(!tess_sampler_interpolate(s, a, b, levels, ROWS, COLUMNS, NAN));
        CHECK(!tess_sampler_interpolate(s, a, b, 4, ROWS, COLUMNS, 0.5) && strstr(tess_sampler_message(s), "4 levels"));
        b[3] = (uint16_t)size;
        CHECK(!tess_sampler_interpolate(s, a, b, levels, ROWS, COLUMNS, 0.5) &&
              strstr(tess_sampler_message(s), "Token 3"));
        CHECK(!tess_sampler_interpolate(s, a, NULL, levels, ROWS, COLUMNS, 0.5));
        tess_sampler_free(s);
        tess_model_free(model);
    }
}

/* ---- the model file ---------------------------------------------------------------------------------------------- */

static void test_info(void) {
    CHECK(strstr(tess_model_info(text_model), "\"tasks\":[\"compress\",\"reconstruct\",\"generate\",\"inpaint\"]"));
    CHECK(strstr(tess_model_info(text_model), "\"prior\":{\"type\":\"transformer\",\"params\":"));
    CHECK(strstr(tess_model_info(text_model), "\"grid\":[4,4],\"text\":true,\"classes\":0}"));
    CHECK(strstr(tess_model_info(class_model), "\"grid\":[3,5],\"text\":false,\"classes\":3}"));
}

/* As loaded, half and full: the prior comes back, samples alike, and the fingerprint is that of the nets alone. */
static void test_round_trip(void) {
    tess_sampler *s = sampler_with(text_model, "red", 0, 1);
    const grid first = sample(s, 4, 4);
    const uint8_t *bytes;
    size_t size;
    tess_sampler_free(s);
    for (int half = -1; half <= 1; half++) {
        test_row("half %d", half);
        tess_model *model = tess_model_new(), *again = tess_model_new();
        CHECK_INT(tess_model_save(text_model, half, &bytes, &size), TESS_OK);
        CHECK_INT(tess_model_load(model, bytes, size), TESS_OK);
        s = sampler_with(model, "red", 0, 1);
        const grid other = sample(s, 4, 4);
        if (half < 1) CHECK(same(&first, &other));
        tess_sampler_free(s);
        /* what was saved is saved again byte for byte */
        const uint8_t *twice;
        size_t twice_size;
        CHECK_INT(tess_model_save(model, -1, &twice, &twice_size), TESS_OK);
        if (CHECK(twice_size == size)) CHECK_BYTES(twice, bytes, size);
        /* a prior's weights do not count for the fingerprint */
        const char *hash = strstr(tess_model_info(text_model), "\"hash\"");
        CHECK(strncmp(hash, strstr(tess_model_info(model), "\"hash\""), 26) == 0);
        tess_model_free(model);
        tess_model_free(again);
    }
}

/* A copy of the text model's file with `find` put over by `put` of the same length. */
static uint8_t *edited(const char *find, const char *put) {
    uint8_t *copy = malloc(text_file.size);
    const size_t n = strlen(find);
    bool found = false;
    memcpy(copy, text_file.bytes, text_file.size);
    for (size_t at = 0; at + n <= text_file.size && !found; at++) {
        found = memcmp(copy + at, find, n) == 0;
        if (found) memcpy(copy + at, put, n);
    }
    CHECK(found && strlen(put) == n);
    return copy;
}

static void check_refused(uint8_t *bytes, const char *word) {
    tess_model *model = tess_model_new();
    test_row("%s", word);
    CHECK_INT(tess_model_load(model, bytes, text_file.size), TESS_ERR_MODEL);
    if (!CHECK(strstr(tess_model_message(model), word))) printf("    message: %s\n", tess_model_message(model));
    tess_model_free(model);
    free(bytes);
}

static void test_damage(void) {
    static const char *const names[] = {"prior.token.weight", "prior.1.qkv.weight", "prior.head.bias",
                                        "prior.text.none"};
    for (int i = 0; i < 4; i++) {
        uint8_t *bytes = edited("", "");
        const ts_file_tensor *t = ts_safetensors_find(text_file.file, names[i]);
        const float bad = i % 2 ? INFINITY : NAN;
        if (CHECK(t && t->dtype == TS_F32)) memcpy(bytes + (t->data - text_file.bytes), &bad, sizeof bad);
        check_refused(bytes, names[i]);
    }
    check_refused(edited("\"prior.norm.bias\"", "\"prior.norm.bibs\""), "prior.norm.bias");
    check_refused(edited("\\\"hidden\\\":64", "\\\"hidden\\\":65"), "prior.0.up.weight");
    check_refused(edited("\\\"heads\\\":2", "\\\"heads\\\":3"), "prior.heads");
    check_refused(edited("\\\"buckets\\\":64", "\\\"buckets\\\":63"), "prior.text.weight");
}

/* Weights too large to multiply: an error, no endless loop and no code out of range. */
static void test_overflow(void) {
    uint8_t *bytes = edited("", "");
    const ts_file_tensor *t = ts_safetensors_find(text_file.file, "prior.head.weight");
    const float huge = 3e38f;
    for (size_t i = 0; i < t->count; i++) memcpy(bytes + (t->data - text_file.bytes) + 4 * i, &huge, sizeof huge);
    tess_model *model = tess_model_new();
    CHECK_INT(tess_model_load(model, bytes, text_file.size), TESS_OK);
    tess_sampler *s = tess_sampler_new(model);
    grid out = {{0}, 0};
    CHECK(tess_sampler_begin(s, 4, 4, NULL));
    CHECK_INT(finish(s, &out), TESS_ERR_NUMERIC);
    CHECK(strstr(tess_sampler_message(s), "not finite"));
    tess_sampler_free(s);
    tess_model_free(model);
    free(bytes);
}

static tess_model *load(const twin_file *f) {
    tess_model *model = tess_model_new();
    if (!CHECK_INT(tess_model_load(model, f->bytes, f->size), TESS_OK)) printf("%s\n", tess_model_message(model));
    return model;
}

int main(void) {
    text_file = twin_open("prior_text");
    class_file = twin_open("prior_class");
    if (CHECK(text_file.file && class_file.file)) {
        text_model = load(&text_file);
        class_model = load(&class_file);
        RUN(test_deterministic);
        RUN(test_conditions);
        RUN(test_greedy);
        RUN(test_schedule);
        RUN(test_options);
        RUN(test_wrong_calls);
        RUN(test_alternatives);
        RUN(test_interpolate);
        RUN(test_info);
        RUN(test_round_trip);
        RUN(test_damage);
        RUN(test_overflow);
    }
    tess_model_free(text_model);
    tess_model_free(class_model);
    twin_close(&text_file);
    twin_close(&class_file);
    return test_end();
}
