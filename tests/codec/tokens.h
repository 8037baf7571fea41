/* tokens.h - test helper: token grids that look like a picture's, and what they cost without a context model. */
#ifndef TS_TEST_TOKENS_H
#define TS_TEST_TOKENS_H

#include "codec/entropy.h"

#include <math.h>
#include <stdlib.h>

typedef struct grid {
    uint16_t *tokens; /* [levels][height][width]; malloc'ed */
    int levels, height, width;
} grid;

static inline uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static inline grid new_grid(int levels, int height, int width) {
    return (grid){calloc((size_t)levels * (size_t)height * (size_t)width, sizeof(uint16_t)), levels, height, width};
}

static inline ts_token_view view_of(const grid *g) {
    return (ts_token_view){g->tokens, (size_t)g->width, (size_t)g->width * (size_t)g->height, g->height, g->width};
}

/* Level 0: smooth regions of slowly changing clusters with noise in the low bits and repeats of the left and upper
 * token. Higher levels: mostly 0, else noise whose high bits follow the level below. */
static inline void fill_like_picture(grid *g, const int *sizes, uint32_t seed) {
    for (int l = 0; l < g->levels; l++)
        for (int y = 0; y < g->height; y++)
            for (int x = 0; x < g->width; x++) {
                uint16_t *t = g->tokens + ((size_t)l * (size_t)g->height + (size_t)y) * (size_t)g->width + x;
                uint32_t r = next_random(&seed), size = (uint32_t)sizes[l];
                uint32_t cluster = (uint32_t)((x / 7 * 3 + y / 5 * 5) % 8) * size / 8;
                if (l > 0) cluster = t[-(g->height * g->width)] % 4 * size / 4;
                uint32_t value = (cluster + r % (size / 8 + 1)) % size;
                if (l == 0 && x > 0 && r % 7 == 0) value = t[-1];
                if (l == 0 && y > 0 && r % 7 == 1) value = t[-g->width];
                if (l > 0 && next_random(&seed) % 5 < 3 + (uint32_t)l) value = 0;
                *t = (uint16_t)value;
            }
}

static inline void fill_random(grid *g, const int *sizes, uint32_t seed) {
    int count = g->height * g->width;
    for (int i = 0; i < g->levels * count; i++)
        g->tokens[i] = (uint16_t)(next_random(&seed) % (uint32_t)sizes[i / count]);
}

/* Bits that an ideal static order-0 coder needs for one level of a view, the histogram included: n H + log2 of the
 * number of histograms of n tokens over `size` codes (the least that naming one of them can cost on average). */
static inline double order0_bits(const ts_token_view *view, int level, int size) {
    double *count = calloc((size_t)size, sizeof *count), bits = 0, n = (double)view->height * view->width;
    for (int y = 0; y < view->height; y++)
        for (int x = 0; x < view->width; x++)
            count[view->tokens[(size_t)level * view->level_stride + (size_t)y * view->row_stride + (size_t)x]]++;
    for (int k = 0; k < size; k++)
        if (count[k] > 0) bits -= count[k] * log2(count[k] / n);
    free(count);
    return bits + (lgamma(n + size) - lgamma(n + 1) - lgamma(size)) / log(2);
}

#endif
