/* rANS and the integer tables under it. */
#include "base/hash.h"
#include "codec/context.h"
#include "codec/rans.h"
#include "test.h"
#include "tokens.h"

/* n decisions of probability p1 (of a 1), told as p (both of 65536); returns the section's bytes. */
static size_t round_trip(size_t n, uint32_t p1, uint32_t p) {
    ts_rans_writer writer = {0};
    uint32_t seed = 1;
    uint8_t *bits = malloc(n + 1);
    for (size_t i = 0; i < n; i++) {
        bits[i] = (next_random(&seed) & 0xffff) < p1;
        ts_rans_put(&writer, p, bits[i]);
    }
    const uint8_t *bytes = NULL;
    size_t size = 0;
    CHECK_INT(ts_rans_finish(&writer, &bytes, &size, NULL), TESS_OK);
    uint8_t *exact = malloc(size ? size : 1);
    memcpy(exact, bytes, size);
    ts_rans_reader reader;
    ts_rans_reader_init(&reader, exact, size);
    size_t wrong = 0;
    for (size_t i = 0; i < n; i++) wrong += ts_rans_get(&reader, p) != bits[i];
    CHECK_INT(wrong, 0);
    CHECK(ts_rans_reader_done(&reader));
    ts_rans_writer_free(&writer);
    free(exact);
    free(bits);
    return size;
}

static void test_round_trips(void) {
    static const uint32_t p[] = {1, 2, 255, 256, 257, 4096, 32768, 60000, 65279, 65534, 65535};
    for (size_t i = 0; i < sizeof p / sizeof *p; i++)
        for (size_t n = 0; n < 3000; n = n < 20 ? n + 1 : n * 3) {
            test_row("p %d, %d decisions", (int)p[i], (int)n);
            size_t good = round_trip(n, p[i], p[i]), bad = round_trip(n, 65536 - p[i], p[i]);
            double q = p[i] / 65536.0, entropy = -q * log2(q) - (1 - q) * log2(1 - q);
            CHECK((double)good * 8 < (double)n * entropy * 1.2 + 60);
            CHECK(bad <= 2 * n + 4);
        }
}

/* A section is as long as its information: certain bits cost nothing, and no flush is paid. */
static void test_sizes(void) {
    CHECK_INT(round_trip(0, 0, 32768), 0);
    CHECK_INT(round_trip(1000, 65536, 65535), 0);
    CHECK_INT(round_trip(1, 0, 65535), 2);
    CHECK_NEAR((double)round_trip(80000, 32768, 32768), 10000, 3);
    CHECK_NEAR((double)round_trip(80000, 6554, 6554), 80000 * 0.4690 / 8, 60);
}

/* The reader stops at the end of its bytes, and knows when they were not all of them. */
static void test_ends(void) {
    ts_rans_writer writer = {0};
    uint32_t seed = 4;
    for (int i = 0; i < 500; i++) ts_rans_put(&writer, 20000, (int)(next_random(&seed) & 1));
    const uint8_t *bytes = NULL;
    size_t size = 0;
    CHECK_INT(ts_rans_finish(&writer, &bytes, &size, NULL), TESS_OK);
    for (size_t cut = 1; cut < size; cut++) { /* no byte at all is a section: of certain ones */
        uint8_t *part = malloc(cut ? cut : 1);
        memcpy(part, bytes, cut);
        ts_rans_reader reader;
        ts_rans_reader_init(&reader, part, cut);
        for (int i = 0; i < 500; i++) ts_rans_get(&reader, 20000);
        test_row("cut to %d", (int)cut);
        CHECK(!ts_rans_reader_done(&reader));
        free(part);
    }
    ts_rans_writer_free(&writer);
}

/* The tables are the same in every build: they decide how bits are parsed. */
static void test_tables(void) {
    ts_context_tables t;
    ts_context_tables_init(&t);
    for (int i = 0; i < 4096; i++) {
        test_row("entry %d", i);
        double x = i < 1 ? -2047 : i - 2048, p = (i + 0.5) / 4096;
        CHECK_NEAR(t.squash[i], 65536 / (1 + exp(-x / 256)), 1.5);
        CHECK_NEAR(t.cost[i], -log2(p) * 4096, 1.01);
        double odds = log(p / (1 - p)) * 256;
        CHECK_NEAR(t.stretch[i], odds > 2047 ? 2047 : odds < -2047 ? -2047 : odds, 2 + fabs(odds) * 0.002);
        CHECK(i == 0 || (t.stretch[i] >= t.stretch[i - 1] && t.squash[i] >= t.squash[i - 1]));
    }
    uint32_t hash = 0;
    for (int i = 0; i < 4096; i++) {
        const uint8_t le[6] = {
            (uint8_t)t.stretch[i],       (uint8_t)(t.stretch[i] >> 8),    (uint8_t)t.squash[i],
            (uint8_t)(t.squash[i] >> 8), (uint8_t)t.reciprocal[i % 1024], (uint8_t)(t.reciprocal[i % 1024] >> 8)};
        hash = ts_crc32(hash, le, sizeof le);
    }
    test_row("all entries");
    CHECK_INT(hash, 3892290090u); /* a change here is a new version of the format */
}

/* A counter tends to the share of ones, faster at first, and a mixer to the input that is right. */
static void test_learning(void) {
    ts_context_tables t;
    ts_context_tables_init(&t);
    uint32_t counter = TS_COUNTER_START, seed = 2;
    counter = ts_counter_update(&t, counter, 1, 30);
    CHECK(counter >> 10 > (1u << 22) * 3 / 4);
    for (int i = 0; i < 20000; i++) counter = ts_counter_update(&t, counter, next_random(&seed) % 4 == 0, 1023);
    CHECK_NEAR(counter / 4294967296.0, 0.25, 0.04);
    for (int i = 0; i < 5000; i++) counter = ts_counter_update(&t, counter, 1, 1023);
    CHECK(counter >> 22 > 1010 && (counter & 1023) == 1023);
    for (int i = 0; i < 5000; i++) counter = ts_counter_update(&t, counter, 0, 1023);
    CHECK(counter >> 22 < 13);

    int32_t weights[3] = {0, 0, 0};
    double cost = 0;
    for (int i = 0; i < 4000; i++) {
        int bit = (int)(next_random(&seed) & 1);
        const int32_t inputs[3] = {bit ? 400 : -400, (int32_t)(next_random(&seed) % 1000) - 500, 256};
        uint32_t p = ts_squash(&t, ts_mix(weights, inputs, 3));
        CHECK(p >= 1 && p <= 65535);
        if (i >= 2000) cost += ts_context_cost(&t, p, bit) / 4096.0;
        ts_mix_update(weights, inputs, 3, p, bit, 14);
    }
    CHECK(weights[0] > 2 * TS_MIXER_ONE && weights[1] < TS_MIXER_ONE / 4);
    CHECK(cost < 2000 * 0.1);                               /* the one right input says 0.28 */
    for (int i = 0; i < 3; i++) weights[i] = INT32_MAX / 2; /* out of any range: still a probability */
    const int32_t inputs[3] = {2047, 2047, 2047};
    CHECK_INT(ts_squash(&t, ts_mix(weights, inputs, 3)), t.squash[4095]);
}

int main(void) {
    RUN(test_round_trips);
    RUN(test_sizes);
    RUN(test_ends);
    RUN(test_tables);
    RUN(test_learning);
    return test_end();
}
