/* Words of a prompt and the rows of their features, against values worked out by hand and by the PyTorch twin. */
#include "test.h"

#include "nets/text.h"

enum { WORDS = 4, BUCKETS = 4096 };
static int32_t rows[WORDS][TS_TEXT_FEATURES];

static int read(const char *text) { return ts_text_rows(text, strlen(text), WORDS, BUCKETS, rows[0]); }

static void test_features(void) {
    CHECK_INT(read("cat"), 1);
    const int want[] = {3514, 1410, 3146, 2695, -1}; /* "wcat", "g<ca", "gcat", "gat>" by FNV-1a, modulo 4096 */
    for (int i = 0; i < 5; i++) CHECK_INT(rows[0][i], want[i]);
    CHECK_INT(rows[0][TS_TEXT_FEATURES - 1], -1);
    CHECK_INT(rows[1][0], -1);
    int32_t one[TS_TEXT_FEATURES];
    CHECK_INT(ts_text_rows("a", 1, 1, 97, one), 1);
    CHECK_INT(one[0], 85); /* "wa" */
    CHECK_INT(one[1], 23); /* "g<a>" */
    CHECK_INT(one[2], -1);
    CHECK_INT(ts_text_rows("\xc3\xa9", 2, 1, 97, one), 1);
    CHECK_INT(one[0], 66); /* bytes of UTF-8 as they are */
    CHECK(one[2] >= 0 && one[3] < 0);
}

static void test_words(void) {
    int32_t same[TS_TEXT_FEATURES];
    CHECK_INT(read("  Red-haired: x9 "), 3);
    memcpy(same, rows[0], sizeof same);
    CHECK_INT(read("RED"), 1);
    CHECK_BYTES(rows[0], same, sizeof same);
    CHECK_INT(read(""), 0);
    CHECK_INT(rows[0][0], -1);
    CHECK_INT(read("?! -- \x7f_"), 0);
    CHECK_INT(read("a b c d e f"), WORDS);
    CHECK_INT(ts_text_rows(NULL, 0, WORDS, BUCKETS, rows[0]), 0);
    CHECK_INT(ts_text_rows("a\0b", 3, WORDS, BUCKETS, rows[0]), 2); /* a zero byte parts words as any other */
}

/* Any bytes: rows in range, features without a gap and 32 at most. */
static void test_any_bytes(void) {
    char text[300];
    uint32_t state = 1;
    for (int round = 0; round < 200; round++) {
        const size_t size = (size_t)(round * 7 % 300);
        for (size_t i = 0; i < size; i++) text[i] = (char)((state = state * 1664525u + 1013904223u) >> 24);
        if (round % 3 == 0) memset(text, 'q', size);
        test_row("round %d", round);
        const int found = ts_text_rows(text, size, WORDS, 7, rows[0]);
        CHECK(found >= 0 && found <= WORDS);
        for (int w = 0; w < WORDS; w++) {
            CHECK_INT(rows[w][0] >= 0, w < found);
            for (int i = 0; i < TS_TEXT_FEATURES; i++) {
                CHECK(rows[w][i] >= -1 && rows[w][i] < 7);
                if (i) CHECK(rows[w][i] < 0 || rows[w][i - 1] >= 0);
            }
        }
    }
}

int main(void) {
    RUN(test_features);
    RUN(test_words);
    RUN(test_any_bytes);
    return test_end();
}
