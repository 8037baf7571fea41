/* fuzz_text.c - the words of any prompt: rows in range, and features without a gap. */
#include <stdlib.h>

#include "nets/text.h"

enum { WORDS = 5 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int32_t rows[WORDS * TS_TEXT_FEATURES];
    const int buckets = size ? 1 + data[0] * 257 : 1;
    const int found = ts_text_rows((const char *)data, size, WORDS, buckets, rows);
    for (int i = 0; i < WORDS * TS_TEXT_FEATURES; i++) {
        if (rows[i] < -1 || rows[i] >= buckets) abort();
        if (i % TS_TEXT_FEATURES == 0 && (rows[i] >= 0) != (i / TS_TEXT_FEATURES < found)) abort();
        if (i % TS_TEXT_FEATURES && rows[i] >= 0 && rows[i - 1] < 0) abort();
    }
    return 0;
}
