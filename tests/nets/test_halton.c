/* The fixed order of places. */
#include "test.h"

#include "nets/halton.h"

static void test_start(void) {
    /* point i: (1/2, 1/3), (1/4, 2/3), (3/4, 1/9), (1/8, 4/9), (5/8, 7/9), (3/8, 2/9) of (row, column) */
    int order[16];
    bool seen[16];
    const int want[] = {2 * 4 + 1, 1 * 4 + 2, 3 * 4 + 0, 0 * 4 + 1, 2 * 4 + 3, 1 * 4 + 0};
    ts_halton_order(4, 4, order, seen);
    for (int i = 0; i < 6; i++) CHECK_INT(order[i], want[i]);
}

static void test_every_place_once(void) {
    static const int grids[][2] = {{1, 1}, {1, 9}, {9, 1}, {3, 5}, {8, 8}, {32, 32}, {256, 4}, {4, 256}};
    int order[1024];
    bool seen[1024];
    for (size_t g = 0; g < sizeof grids / sizeof *grids; g++) {
        const int places = grids[g][0] * grids[g][1];
        test_row("%d x %d", grids[g][0], grids[g][1]);
        ts_halton_order(grids[g][0], grids[g][1], order, seen);
        int count[1024] = {0};
        for (int i = 0; i < places; i++) {
            if (CHECK(order[i] >= 0 && order[i] < places)) count[order[i]]++;
        }
        for (int i = 0; i < places; i++) CHECK_INT(count[i], 1);
    }
}

/* Any quarter of the order falls into all four quarters of the grid. */
static void test_spread(void) {
    int order[64];
    bool seen[64];
    ts_halton_order(8, 8, order, seen);
    for (int start = 0; start < 64; start += 16) {
        int quarter[4] = {0};
        for (int i = start; i < start + 16; i++) quarter[order[i] / 32 * 2 + order[i] % 8 / 4]++;
        for (int q = 0; q < 4; q++) CHECK(quarter[q] >= 2);
    }
}

int main(void) {
    RUN(test_start);
    RUN(test_every_place_once);
    RUN(test_spread);
    return test_end();
}
