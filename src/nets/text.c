#include "nets/text.h"

#define FNV_START 0x811c9dc5U
#define FNV_PRIME 0x01000193U

static uint32_t fnv(uint32_t hash, uint8_t byte) { return (hash ^ byte) * FNV_PRIME; }

static uint8_t lower(char c) {
    const uint8_t byte = (uint8_t)c;
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;
}

/* Lower-case bytes. */
static int in_word(uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte >= 0x80;
}

/* Byte i of "<word>". */
static uint8_t framed(const char *word, size_t length, size_t i) {
    return i == 0 ? '<' : i <= length ? lower(word[i - 1]) : '>';
}

static void word_rows(const char *word, size_t length, uint32_t buckets, int32_t rows[TS_TEXT_FEATURES]) {
    uint32_t hash = fnv(FNV_START, 'w');
    for (size_t i = 0; i < length; i++) hash = fnv(hash, lower(word[i]));
    rows[0] = (int32_t)(hash % buckets);
    for (size_t i = 0; i < TS_TEXT_FEATURES - 1; i++) {
        rows[1 + i] = -1;
        if (i >= length) continue;
        hash = fnv(FNV_START, 'g');
        for (size_t k = i; k < i + 3; k++) hash = fnv(hash, framed(word, length, k));
        rows[1 + i] = (int32_t)(hash % buckets);
    }
}

int ts_text_rows(const char *text, size_t size, int words, int buckets, int32_t *rows) {
    int found = 0;
    for (size_t at = 0; at < size && found < words;) {
        size_t end = at;
        while (end < size && in_word(lower(text[end]))) end++;
        if (end > at) word_rows(text + at, end - at, (uint32_t)buckets, rows + (size_t)found++ * TS_TEXT_FEATURES);
        at = end + 1;
    }
    for (size_t i = (size_t)found * TS_TEXT_FEATURES; i < (size_t)words * TS_TEXT_FEATURES; i++) rows[i] = -1;
    return found;
}
