/* test_embed.c - rows of a table by ids, and their gradient, against double precision. */
#include "kernels/embed.h"
#include "support.h"

static void answer_of(const ts_embed *e, double *y, double *dtable, const float *table, const float *dy) {
    for (size_t p = 0; p < e->places; p++) {
        size_t count = 0;
        for (size_t k = 0; k < e->each; k++) count += e->ids[p * e->each + k] >= 0;
        for (size_t k = 0; k < e->each; k++) {
            const float id = e->ids[p * e->each + k];
            if (id < 0) continue;
            const size_t row = (size_t)id < e->rows ? (size_t)id : e->rows - 1;
            const double share = e->mean ? 1 / (double)count : 1;
            for (size_t c = 0; c < e->channels; c++) {
                y[p * e->channels + c] += share * (double)table[row * e->channels + c];
                dtable[row * e->channels + c] += share * (double)dy[p * e->channels + c];
            }
        }
    }
}

static void test_embed(void) {
    static const struct {
        size_t places, each, rows, channels;
        bool mean;
    } CASES[] = {{1, 1, 1, 1, false},
                 {70, 1, 9, 5, false},
                 {33, 7, 40, 130, true},
                 {9, 32, 4, 17, false},
                 {160, 1, 513, 256, true}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        ts_embed e = {.places = CASES[i].places,
                      .each = CASES[i].each,
                      .rows = CASES[i].rows,
                      .channels = CASES[i].channels,
                      .mean = CASES[i].mean};
        const size_t n = e.places * e.channels, cells = e.rows * e.channels;
        test_row("case %d", (int)i);
        float *ids = make(e.places * e.each), *table = make_random(cells, 1), *dy = make_random(n, 1);
        float *y = make_skewed(n, 1), *dtable = make_skewed(cells, 1), *again = make(cells), *alone = make(n);
        double *want = make_double(n), *want_table = make_double(cells);
        for (size_t k = 0; k < e.places * e.each; k++)
            ids[k] = (float)ts_rng_below(&test_rng, (uint32_t)e.rows + 4) -
                     2;                                  /* some count for nothing, some are past the end */
        for (size_t k = 0; k < e.each; k++) ids[k] = -1; /* a place of none */
        for (size_t k = 0; k < cells; k++) dtable[k] = again[k] = 0.5f, want_table[k] = 0.5;
        e.ids = ids;
        answer_of(&e, want, want_table, table, dy);
        ts_pool *pool = ts_pool_new(3);
        ts_embed_forward(&e, y, table, pool);
        ts_embed_backward(&e, dtable, dy, pool);
        ts_pool_free(pool);
        CHECK_CLOSE(y, want, n, 0, (double)(e.each + 1) * 4 * EPS);
        CHECK_CLOSE(dtable, want_table, cells, 0, (double)(e.places * e.each + 4) * 4 * EPS);
        ts_embed_forward(&e, alone, table, NULL);
        ts_embed_backward(&e, again, dy, NULL);
        CHECK_BYTES(alone, y, n * sizeof *y);
        CHECK_BYTES(again, dtable, cells * sizeof *dtable);
        ts_free(want);
        ts_free(want_table);
        release();
    }
}

/* What is no whole number is rounded; NaN counts for nothing, infinity is past the last row. */
static void test_odd_ids(void) {
    static const float ids[] = {-0.4f, 0.4f, 1.6f, -0.6f, NAN, INFINITY, -INFINITY, 1e30f};
    static const float want[] = {1, 1, 3, 0, 0, 3, 0, 3}, table[] = {1, 2, 3};
    float y[8];
    const ts_embed e = {ids, 8, 1, 3, 1, false};
    ts_embed_forward(&e, y, table, NULL);
    for (int i = 0; i < 8; i++) CHECK_NEAR(y[i], want[i], 0);
}

int main(void) {
    RUN(test_embed);
    RUN(test_odd_ids);
    return test_end();
}
