/* predictors.h - test helper: predictors of pseudo-random weights, and one that says what it is told. */
#ifndef TS_TEST_PREDICTORS_H
#define TS_TEST_PREDICTORS_H

#include "codec/predictor.h"
#include "tokens.h"

typedef struct blob {
    uint8_t *bytes; /* malloc'ed */
    size_t size, room;
} blob;

static inline void put_bytes(blob *b, uint32_t value, int count) {
    if (b->size + 4 > b->room) b->bytes = realloc(b->bytes, b->room = 2 * b->room + 64);
    for (int i = 0; i < count; i++) b->bytes[b->size++] = (uint8_t)(value >> 8 * i);
}

/* rows x columns weights of [-most, most], biases of [-4 most, 4 most], scales */
static inline void put_layer(blob *b, int rows, int columns, int most, int scale, uint32_t *seed) {
    const uint32_t range = 2 * (uint32_t)most + 1;
    for (int i = 0; i < rows * columns; i++) put_bytes(b, next_random(seed) % range - (uint32_t)most, 1);
    for (int i = 0; i < rows; i++) put_bytes(b, 4 * (next_random(seed) % range - (uint32_t)most), 4);
    for (int i = 0; i < rows && scale; i++) put_bytes(b, (uint32_t)scale + next_random(seed) % 1000, 2);
}

/* A predictor of `size` codes at `level`: vectors of 4, 10 hidden units, queries of 6; depths as the level has them. */
static inline blob random_predictor(int level, int size, uint32_t seed) {
    enum { DIM = 4, HIDDEN = 10, QUERY = 6, OWN = 40, LOW = 25 };
    static const uint8_t shifts[] = {19, 21, 23, 22, 10, 0};
    blob b = {0};
    int bits = 0;
    while (1 << bits < size) bits++;
    put_bytes(&b, 1, 1), put_bytes(&b, DIM, 1), put_bytes(&b, HIDDEN, 2), put_bytes(&b, QUERY, 2);
    for (size_t i = 0; i < sizeof shifts; i++) put_bytes(&b, shifts[i], 1);
    for (int i = 0; i < (level + 1) * (size + 1) * DIM; i++) put_bytes(&b, next_random(&seed), 1);
    put_layer(&b, HIDDEN, (OWN + (level ? LOW : 0)) * DIM, 100, 30000, &seed);
    put_layer(&b, HIDDEN, HIDDEN, 127, 30000, &seed);
    put_layer(&b, HIDDEN, HIDDEN, 127, 30000, &seed);
    put_layer(&b, QUERY, HIDDEN, 127, 20000, &seed);
    put_layer(&b, size, QUERY, 20, 0, &seed);
    for (int d = 0; d < bits + (level > 0); d++) put_bytes(&b, 2000, 2), put_bytes(&b, 1500, 2), put_bytes(&b, 100, 2);
    return b;
}

/* One whose weights are all zero but for `bias` (in 1/256 nat) of every code. */
static inline blob plain_predictor(int level, int size, const int32_t *bias, int depths) {
    blob b = {0};
    put_bytes(&b, 1, 1), put_bytes(&b, 2, 1), put_bytes(&b, 2, 2), put_bytes(&b, 2, 2);
    for (int i = 0; i < 6; i++) put_bytes(&b, i < 5, 1);
    const int columns = (40 + (level ? 25 : 0)) * 2, layers[] = {2 * columns + 12, 16, 16, 16};
    for (int i = 0; i < (level + 1) * (size + 1) * 2; i++) put_bytes(&b, 0, 1);
    for (int l = 0; l < 4; l++)
        for (int i = 0; i < layers[l]; i++) put_bytes(&b, 0, 1);
    for (int i = 0; i < size * 2; i++) put_bytes(&b, 0, 1);
    for (int i = 0; i < size; i++) put_bytes(&b, 2 * (uint32_t)bias[i], 4);
    for (int d = 0; d < depths; d++) put_bytes(&b, 0, 2), put_bytes(&b, 4096, 2), put_bytes(&b, 0, 2);
    return b;
}

#endif
