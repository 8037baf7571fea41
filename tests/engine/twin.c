#include "twin.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

twin_file twin_open(const char *name) {
    twin_file f = {0};
    char path[256];
    snprintf(path, sizeof path, "tests/fixtures/twin/%s.safetensors", name);
    FILE *in = fopen(path, "rb");
    if (!in) return f;
    fseek(in, 0, SEEK_END);
    long size = ftell(in);
    rewind(in);
    f.size = size > 0 ? (size_t)size : 0;
    f.bytes = malloc(f.size + 1);
    bool whole = f.bytes && fread(f.bytes, 1, f.size, in) == f.size;
    fclose(in);
    if (whole && ts_safetensors_open(&f.file, f.bytes, f.size, NULL) >= 0) return f;
    free(f.bytes);
    return (twin_file){0};
}

void twin_close(twin_file *f) {
    ts_safetensors_close(f->file);
    free(f->bytes);
}

float *twin_floats(const twin_file *f, const char *prefix, const char *name, size_t *count) {
    char full[128];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    const ts_file_tensor *t = ts_safetensors_find(f->file, full);
    if (!t) return NULL;
    float *out = malloc((t->count + 1) * sizeof *out);
    ts_file_tensor_floats(t, out);
    *count = t->count;
    return out;
}

double twin_error(const float *a, const float *b, size_t n) {
    double largest = 1e-6, worst = 0;
    for (size_t i = 0; i < n; i++) {
        double off = fabs((double)a[i] - (double)b[i]);
        if (fabs((double)b[i]) > largest) largest = fabs((double)b[i]);
        if (!(off <= worst)) worst = off; /* NaN too */
    }
    return worst / largest;
}

float *twin_nhwc(const float *nchw, int n, int c, int h, int w) {
    float *out = malloc((size_t)n * (size_t)c * (size_t)h * (size_t)w * sizeof *out);
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < c; k++) {
            for (int p = 0; p < h * w; p++)
                out[((size_t)i * (size_t)(h * w) + (size_t)p) * (size_t)c + (size_t)k] =
                    nchw[((size_t)i * (size_t)c + (size_t)k) * (size_t)(h * w) + (size_t)p];
        }
    }
    return out;
}
