/* test_exemplar.c - latents copied from elsewhere: a texture that repeats goes on in the hole exactly, every copy is of a known
 * place, and what cannot be copied is said. */
#include <stdlib.h>

#include "base/alloc.h"
#include "engine/exemplar.h"
#include "test.h"

enum { DIM = 3 };

typedef struct grid {
    int rows, columns;
    ts_span area;
    float *latents, *guide, *want; /* of the area */
    uint8_t *open;
} grid;

/* Channel c of a texture with periods 5 and 4. */
static float texture(int y, int x, int c) { return (float)((x % 5 * 7 + y % 4 * 3 + c * 5) % 11) - 5; }

static grid make(int rows, int columns, ts_span area, ts_span hole, bool noise) {
    const size_t places = (size_t)area.width * (size_t)area.height;
    grid g = {rows, columns, area, NULL, NULL, NULL, calloc((size_t)rows, (size_t)columns)};
    ts_rng rng = ts_rng_new(3, 1);
    g.latents = malloc(places * DIM * sizeof(float));
    g.want = malloc(places * DIM * sizeof(float));
    g.guide = malloc(places * DIM * sizeof(float));
    for (int i = 0; i < (int)places * DIM; i++) {
        const int p = i / DIM, y = area.y + p / area.width, x = area.x + p % area.width;
        const bool open = y >= hole.y && x >= hole.x && y < hole.y + hole.height && x < hole.x + hole.width;
        g.want[i] = noise ? ts_rng_normal(&rng) : texture(y, x, i % DIM);
        g.latents[i] = open ? 0 : g.want[i];
        g.open[y * columns + x] = open;
    }
    memcpy(g.guide, g.latents, places * DIM * sizeof(float));
    return g;
}

static void drop(grid *g) {
    free(g->latents);
    free(g->guide);
    free(g->want);
    free(g->open);
}

/* Fills the grid; the number of candidates. */
static int run(grid *g, double temperature, uint64_t seed) {
    ts_exemplar e;
    CHECK_INT(ts_exemplar_init(&e, g->area, g->columns, DIM, g->latents, g->guide, g->open, temperature, seed, NULL),
              TESS_OK);
    const int count = e.count;
    tess_status status = count ? TESS_MORE : TESS_DONE;
    for (int left = e.total; status == TESS_MORE;) {
        status = ts_exemplar_step(&e, NULL);
        CHECK(e.left <= left);
        left = e.left;
    }
    CHECK_INT(status, TESS_DONE);
    CHECK_INT(count ? e.left : 0, 0);
    ts_exemplar_free(&e);
    return count;
}

/* Open places hold a known place's latent, the others their own. Returns how many open ones are not as wanted. */
static int check_copies(const grid *g) {
    const int places = g->area.width * g->area.height;
    int wrong = 0;
    for (int p = 0; p < places; p++) {
        const float *got = g->latents + p * DIM;
        const int y = g->area.y + p / g->area.width, x = g->area.x + p % g->area.width;
        const bool same = memcmp(got, g->want + p * DIM, DIM * sizeof *got) == 0;
        if (!g->open[y * g->columns + x]) CHECK(same);
        if (same) continue;
        wrong++;
        bool found = false;
        for (int k = 0; k < places && !found; k++)
            found = memcmp(got, g->guide + k * DIM, DIM * sizeof *got) == 0 &&
                    !g->open[(g->area.y + k / g->area.width) * g->columns + g->area.x + k % g->area.width];
        CHECK(found);
    }
    return wrong;
}

static void test_texture(void) {
    static const struct {
        int rows, columns;
        ts_span area, hole;
    } rows[] = {{30, 34, {0, 0, 34, 30}, {12, 11, 8, 7}},
                {30, 34, {0, 0, 34, 30}, {26, 0, 8, 6}}, /* at the picture's corner */
                {80, 90, {20, 30, 40, 36}, {36, 44, 9, 9}},
                {140, 130, {0, 0, 130, 140}, {60, 60, 3, 12}}}; /* more candidates than are taken */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        test_row("%d x %d", rows[i].rows, rows[i].columns);
        grid g = make(rows[i].rows, rows[i].columns, rows[i].area, rows[i].hole, false);
        const int count = run(&g, 0, 1);
        CHECK(count > 100 && count <= TS_EXEMPLAR_CANDIDATES);
        CHECK_INT(check_copies(&g), 0);
        drop(&g);
    }
}

static void test_draws(void) {
    const ts_span all = {0, 0, 40, 30}, hole = {15, 10, 6, 6};
    grid a = make(30, 40, all, hole, true), b = make(30, 40, all, hole, true), c = make(30, 40, all, hole, true);
    run(&a, 1, 1), run(&b, 1, 1), run(&c, 1, 2);
    check_copies(&a);
    check_copies(&c);
    CHECK_BYTES(a.latents, b.latents, 40 * 30 * DIM * sizeof(float));
    CHECK(memcmp(a.latents, c.latents, 40 * 30 * DIM * sizeof(float)) != 0);
    grid d = make(30, 40, all, hole, true), e = make(30, 40, all, hole, true);
    run(&d, 0, 1), run(&e, 0, 2);
    CHECK_BYTES(d.latents, e.latents, 40 * 30 * DIM * sizeof(float));
    drop(&a), drop(&b), drop(&c), drop(&d), drop(&e);
}

/* Nowhere a whole window is known, or the area shows none. */
static void test_nothing_to_copy(void) {
    grid g = make(9, 9, (ts_span){0, 0, 9, 9}, (ts_span){1, 1, 8, 8}, false);
    CHECK_INT(run(&g, 0, 1), 0);
    drop(&g);
    g = make(13, 13, (ts_span){0, 0, 13, 13}, (ts_span){6, 6, 1, 1}, false); /* but too little */
    CHECK_INT(run(&g, 0, 1), 0);
    drop(&g);
    g = make(40, 40, (ts_span){10, 10, 6, 6}, (ts_span){12, 12, 2, 2}, false);
    CHECK_INT(run(&g, 0, 1), 0);
    drop(&g);
    g = make(14, 14, (ts_span){0, 0, 14, 14}, (ts_span){0, 0, 0, 0}, false); /* nothing is open */
    CHECK(run(&g, 0, 1) > 0);
    drop(&g);
}

int main(void) {
    RUN(test_texture);
    RUN(test_draws);
    RUN(test_nothing_to_copy);
    return test_end();
}
