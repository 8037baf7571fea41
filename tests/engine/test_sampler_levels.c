/* test_sampler_levels.c - sampling residual levels from a convolutional prior: what is given stays, levels come one after the
 * other, windows see what they should, the same tokens for the same seed. The model is the PyTorch twin's: 3 levels of 16
 * codes, of which its prior knows 2. */
#include <stdlib.h>

#include "base/rng.h"
#include "engine/prior_window.h"
#include "nets/draw.h"
#include "test.h"
#include "twin.h"

enum { LEVELS = 3, MADE = 2, CODES = 16, PLACES_MOST = 90 * 70 };

static twin_file file;
static tess_model *model;

typedef struct grid {
    int height, width;
    uint16_t tokens[LEVELS * PLACES_MOST];
    uint8_t known[PLACES_MOST];
} grid;

/* Random tokens, all known but those of a rectangle. */
static grid *make_grid(int height, int width, ts_span hole, uint64_t seed) {
    grid *g = calloc(1, sizeof *g);
    ts_rng rng = ts_rng_new(seed, 1);
    g->height = height;
    g->width = width;
    for (int i = 0; i < LEVELS * height * width; i++) g->tokens[i] = (uint16_t)ts_rng_below(&rng, CODES);
    for (int p = 0; p < height * width; p++) {
        const int y = p / width - hole.y, x = p % width - hole.x;
        g->known[p] = y >= 0 && x >= 0 && y < hole.height && x < hole.width ? 0 : LEVELS;
    }
    return g;
}

static tess_sampler *sampler_with(int steps, double temperature, int threads) {
    tess_sampler *s = tess_sampler_new(model);
    CHECK_INT(tess_sampler_set(s, "steps", steps), TESS_OK);
    CHECK_INT(tess_sampler_set(s, "temperature", temperature), TESS_OK);
    CHECK_INT(tess_sampler_set(s, "threads", threads), TESS_OK);
    return s;
}

/* Samples what the grid lacks: a copy of it with the tokens that come, free with free. */
static grid *sample(tess_sampler *s, const grid *from) {
    const size_t places = (size_t)(from->height * from->width);
    uint8_t *keep;
    uint16_t *room = tess_sampler_begin(s, from->height, from->width, &keep);
    grid *out = calloc(1, sizeof *out);
    *out = *from;
    if (!CHECK(room)) return out;
    memcpy(room, from->tokens, places * LEVELS * sizeof *room);
    memcpy(keep, from->known, places);
    tess_status status = TESS_MORE;
    for (double before = 0; status == TESS_MORE; before = tess_sampler_progress(s)) {
        status = tess_sampler_step(s);
        CHECK(tess_sampler_progress(s) >= before);
    }
    if (!CHECK_INT(status, TESS_DONE)) printf("%s\n", tess_sampler_message(s));
    CHECK_NEAR(tess_sampler_progress(s), 1, 0);
    int levels, height, width;
    const uint16_t *tokens = tess_sampler_tokens(s, &levels, &height, &width);
    CHECK(tokens && levels == LEVELS && height == from->height && width == from->width);
    memcpy(out->tokens, tokens, places * LEVELS * sizeof *tokens);
    memcpy(out->known, tess_sampler_known(s), places);
    return out;
}

static bool same(const grid *a, const grid *b) {
    return memcmp(a->tokens, b->tokens, (size_t)(LEVELS * a->height * a->width) * sizeof *a->tokens) == 0;
}

/* Given levels stay; the others are codes in the levels that are made and 0 above. */
static void check_filled(const grid *from, const grid *got, int made) {
    const int places = from->height * from->width;
    int moved = 0, zeros = 0, far = 0;
    for (int p = 0; p < places; p++) {
        CHECK_INT(got->known[p], LEVELS);
        for (int level = 0; level < LEVELS; level++) {
            const uint16_t token = got->tokens[level * places + p];
            if (level < from->known[p]) moved += token != from->tokens[level * places + p];
            else if (level >= made) zeros += token != 0;
            far += token >= CODES;
        }
    }
    CHECK_INT(moved, 0);
    CHECK_INT(zeros, 0);
    CHECK_INT(far, 0);
}

static void test_grids(void) {
    static const struct {
        int height, width;
        ts_span hole;
    } rows[] = {{1, 1, {0, 0, 1, 1}},       {3, 5, {1, 1, 2, 1}},     {8, 8, {0, 0, 8, 8}},     {90, 7, {2, 3, 4, 80}},
                {70, 90, {20, 30, 45, 35}}, {70, 90, {89, 69, 1, 1}}, {40, 40, {0, 0, 40, 40}}, {9, 9, {3, 3, 0, 0}}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        test_row("%d x %d", rows[i].height, rows[i].width);
        grid *from = make_grid(rows[i].height, rows[i].width, rows[i].hole, i);
        tess_sampler *s = sampler_with(4, 1, 1), *t = sampler_with(4, 1, 3);
        grid *one = sample(s, from), *again = sample(s, from), *other = sample(t, from);
        check_filled(from, one, MADE);
        CHECK(same(one, again) && same(one, other));
        if (rows[i].hole.width * rows[i].hole.height > 4) {
            CHECK_INT(tess_sampler_set(s, "seed", 2), TESS_OK);
            grid *next = sample(s, from);
            CHECK(!same(one, next));
            free(next);
        }
        free(one), free(again), free(other), free(from);
        tess_sampler_free(s);
        tess_sampler_free(t);
    }
}

/* Places that know some levels are completed; `levels` leaves the upper ones at 0. */
static void test_levels(void) {
    grid *from = make_grid(20, 20, (ts_span){5, 5, 10, 10}, 3);
    for (int p = 0; p < 400; p += 3)
        if (from->known[p] == 0) from->known[p] = 1;
    tess_sampler *s = sampler_with(3, 1, 1);
    grid *both = sample(s, from);
    check_filled(from, both, MADE);
    CHECK_INT(tess_sampler_set(s, "levels", 1), TESS_OK);
    grid *one = sample(s, from);
    check_filled(from, one, 1);
    CHECK_BYTES(one->tokens, both->tokens, 400 * sizeof *one->tokens); /* level 0 is made first */
    CHECK_INT(tess_sampler_set(s, "levels", 9), TESS_OK);
    grid *all = sample(s, from);
    CHECK(same(all, both));
    free(from), free(both), free(one), free(all);
    tess_sampler_free(s);
}

/* In one step at temperature 0 every level is the likeliest code of what the windows show. */
static void test_greedy(void) {
    grid *from = make_grid(50, 60, (ts_span){10, 12, 40, 20}, 4);
    const ts_span hole = {10, 12, 40, 20};
    const int places = 50 * 60;
    tess_sampler *s = sampler_with(1, 0, 1);
    grid *got = sample(s, from), *state = calloc(1, sizeof *state);
    *state = *from;
    ts_prior_window w;
    CHECK_INT(ts_prior_window_init(&w, model, NULL), TESS_OK);
    CHECK_INT(ts_prior_window_place(&w, 50, 60, hole, 1, NULL), TESS_OK);
    CHECK_INT(ts_prior_window_count(&w), 2);
    for (int level = 0; level < MADE; level++) {
        uint16_t *tokens = state->tokens + level * places;
        const ts_token_state seen = {state->tokens, state->known, 50, 60};
        for (int i = 0; i < 2; i++) {
            const ts_span core = ts_prior_window_core(&w, i);
            ts_prior_window_look(&w, i, &seen);
            while (!ts_prior_window_run(&w, NULL)) continue;
            for (int y = core.y; y < core.y + core.height; y++)
                for (int x = core.x; x < core.x + core.width; x++) {
                    const int p = y * 60 + x;
                    tokens[p] = (uint16_t)ts_draw_largest(ts_prior_window_logits(&w, level, &p, 1, NULL), CODES);
                }
        }
        for (int p = 0; p < places; p++)
            if (state->known[p] == level) state->known[p]++;
        CHECK_BYTES(got->tokens + level * places, tokens, (size_t)places * sizeof *tokens);
    }
    ts_prior_window_free(&w);
    free(from), free(got), free(state);
    tess_sampler_free(s);
}

/* What lies in the windows counts, what lies outside does not: ts_prior_window_seen says where that ends. */
static void test_context(void) {
    const ts_span hole = {30, 50, 6, 6};
    const ts_span seen = ts_prior_window_seen(90, 70, hole);
    CHECK(seen.x <= hole.x - TS_PRIOR_CONTEXT && seen.y <= hole.y - TS_PRIOR_CONTEXT);
    CHECK(seen.x + seen.width >= hole.x + hole.width + TS_PRIOR_CONTEXT && seen.x + seen.width <= 70);
    CHECK(seen.width < 70 && seen.height < 90);
    grid *a = make_grid(90, 70, hole, 5), *b = make_grid(90, 70, hole, 6), *c = make_grid(90, 70, hole, 5);
    for (int level = 0; level < LEVELS; level++)
        for (int y = seen.y; y < seen.y + seen.height; y++)
            for (int x = seen.x; x < seen.x + seen.width; x++) {
                const int p = (level * 90 + y) * 70 + x;
                b->tokens[p] = a->tokens[p];
            }
    for (int x = 20; x < 46; x++) /* beside the hole */
        c->tokens[49 * 70 + x] = (uint16_t)((c->tokens[49 * 70 + x] + 7) % CODES);
    tess_sampler *s = sampler_with(2, 1, 1);
    grid *from_a = sample(s, a), *from_b = sample(s, b), *from_c = sample(s, c);
    int differ = 0, near = 0;
    for (int level = 0; level < LEVELS; level++)
        for (int p = 0; p < 90 * 70; p++) {
            if (a->known[p]) continue;
            differ += from_a->tokens[level * 90 * 70 + p] != from_b->tokens[level * 90 * 70 + p];
            near += from_a->tokens[level * 90 * 70 + p] != from_c->tokens[level * 90 * 70 + p];
        }
    CHECK_INT(differ, 0);
    CHECK(near > 0);
    free(a), free(b), free(c), free(from_a), free(from_b), free(from_c);
    tess_sampler_free(s);
}

/* The odds of one place, all others known, also between the steps of a job. */
static void test_alternatives(void) {
    grid *from = make_grid(50, 60, (ts_span){10, 12, 6, 5}, 7);
    tess_sampler *s = sampler_with(2, 1, 1), *other = sampler_with(2, 1, 1);
    uint8_t *keep;
    uint16_t *room = tess_sampler_begin(s, 50, 60, &keep);
    memcpy(room, from->tokens, sizeof(uint16_t) * LEVELS * 50 * 60);
    memcpy(keep, from->known, 50 * 60);
    CHECK_INT(tess_sampler_step(s), TESS_MORE);
    for (int level = 0; level < MADE; level++) {
        const float *odds = tess_sampler_alternatives(s, from->tokens, LEVELS, 50, 60, level, 20, 31);
        if (!CHECK(odds)) break;
        double sum = 0;
        for (int k = 0; k < CODES; k++) sum += (double)odds[k];
        CHECK_NEAR(sum, 1, 1e-5);
        int best = 0;
        for (int k = 1; k < CODES; k++) best = odds[k] > odds[best] ? k : best;
        /* the place alone made up at temperature 0, level by level, is the same question if the levels below stay */
        uint16_t *tokens = tess_sampler_begin(other, 50, 60, &keep);
        memcpy(tokens, from->tokens, sizeof(uint16_t) * LEVELS * 50 * 60);
        memset(keep, LEVELS, 50 * 60);
        keep[20 * 60 + 31] = (uint8_t)level;
        CHECK_INT(tess_sampler_set(other, "temperature", 0), TESS_OK);
        while (tess_sampler_step(other) == TESS_MORE) continue;
        CHECK_INT(tess_sampler_tokens(other, NULL, NULL, NULL)[(level * 50 + 20) * 60 + 31], best);
    }
    tess_status status = TESS_MORE;
    while (status == TESS_MORE) status = tess_sampler_step(s);
    CHECK_INT(status, TESS_DONE);
    CHECK(!tess_sampler_alternatives(s, from->tokens, LEVELS, 50, 60, MADE, 0, 0));
    CHECK(strstr(tess_sampler_message(s), "knows levels 0 to 1"));
    CHECK(!tess_sampler_alternatives(s, from->tokens, 1, 50, 60, 0, 0, 0));
    free(from);
    tess_sampler_free(s);
    tess_sampler_free(other);
}

static void test_refusals(void) {
    tess_sampler *s = sampler_with(2, 1, 1);
    CHECK(!tess_sampler_begin(s, 0, 4, NULL));
    CHECK(!tess_sampler_begin(s, 65535, 65535, NULL));
    CHECK(strstr(tess_sampler_message(s), "65535 x 65535"));
    CHECK_INT(tess_sampler_set(s, "levels", -1), TESS_ERR_OPTION);
    CHECK_INT(tess_sampler_set(s, "levels", 17), TESS_ERR_OPTION);
    CHECK_INT(tess_sampler_prompt(s, "hat", 3), TESS_ERR_INPUT);
    CHECK_INT(tess_sampler_set(s, "order", 1), TESS_OK);
    CHECK(!tess_sampler_begin(s, 4, 4, NULL));
    CHECK(strstr(tess_sampler_message(s), "Halton"));
    CHECK_INT(tess_sampler_set(s, "order", 0), TESS_OK);
    uint8_t *keep;
    uint16_t *tokens = tess_sampler_begin(s, 4, 4, &keep);
    if (!CHECK(tokens)) return;
    keep[5] = 2;
    tokens[2 * 16 + 5] = 999; /* a level that is not given */
    CHECK_INT(tess_sampler_step(s), TESS_MORE);
    tokens = tess_sampler_begin(s, 4, 4, &keep);
    keep[5] = 200; /* all there are */
    tokens[2 * 16 + 5] = CODES;
    CHECK_INT(tess_sampler_step(s), TESS_ERR_INPUT);
    CHECK(strstr(tess_sampler_message(s), "level 2"));
    tess_sampler_free(s);
}

int main(void) {
    file = twin_open("prior_conv");
    model = tess_model_new();
    if (CHECK(file.bytes && tess_model_load(model, file.bytes, file.size) == TESS_OK)) {
        RUN(test_grids);
        RUN(test_levels);
        RUN(test_greedy);
        RUN(test_context);
        RUN(test_alternatives);
        RUN(test_refusals);
    }
    tess_model_free(model);
    twin_close(&file);
    return test_end();
}
