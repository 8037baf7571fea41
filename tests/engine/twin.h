/* twin.h - reading the PyTorch twin's fixtures (tests/fixtures/twin/README.md). */
#ifndef TS_TEST_TWIN_H
#define TS_TEST_TWIN_H

#include "io/safetensors.h"

/* A fixture file in memory; `bytes` NULL if it could not be read. */
typedef struct twin_file {
    unsigned char *bytes;
    size_t size;
    ts_safetensors *file;
} twin_file;

twin_file twin_open(const char *name); /* "fsq" is tests/fixtures/twin/fsq.safetensors */
void twin_close(twin_file *f);
/* The tensor prefix + name as floats (free with free), or NULL; *count elements. */
float *twin_floats(const twin_file *f, const char *prefix, const char *name, size_t *count);
/* Largest |a - b| relative to the largest |b| (at least 1e-6). */
double twin_error(const float *a, const float *b, size_t n);
/* [n][c][h][w] -> [n][h][w][c], in a new array. */
float *twin_nhwc(const float *nchw, int n, int c, int h, int w);

#endif
