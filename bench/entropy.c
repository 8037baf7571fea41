/* entropy.c - what the entropy coder saves and how long it takes, on real files.
 *
 *     entropy MODEL.safetensors FILE.tess... [--predict] [--json]
 *
 * For each file: bits per token as coded (sections alone), and as an ideal order-0 coder would code the same tokens,
 * tile by tile and level by level, with its histogram counted (as the number of histograms there are) and without; the
 * least of coding and decoding times, in microseconds per token. The last line is over all files. With --predict the
 * tokens, whatever they were coded with, are coded with the model's predictors.
 */
#include "engine/engine.h"
#include "file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef __EMSCRIPTEN__
#include <emscripten.h>
static double now(void) { return emscripten_get_now() * 1e3; }
#else
static double now(void) { return (double)clock() * 1e6 / CLOCKS_PER_SEC; } /* microseconds of CPU time */
#endif

enum { TILE = 64, RUNS = 5 };

typedef struct result {
    double tokens, bits, histogram_bits, order0_bits, encode, decode; /* sums */
} result;

/* n H, and the bits that name one histogram of n tokens over `size` codes. */
static void order0(const ts_token_view *view, int level, int size, result *sum) {
    double *count = calloc((size_t)size, sizeof *count), n = (double)view->height * view->width, bits = 0;
    for (int y = 0; y < view->height; y++)
        for (int x = 0; x < view->width; x++)
            count[view->tokens[(size_t)level * view->level_stride + (size_t)y * view->row_stride + (size_t)x]]++;
    for (int k = 0; k < size; k++)
        if (count[k] > 0) bits -= count[k] * log2(count[k] / n);
    free(count);
    sum->order0_bits += bits;
    sum->histogram_bits += (lgamma(n + size) - lgamma(n + 1) - lgamma(size)) / log(2);
}

/* One section, coded and decoded RUNS times. */
static void section(ts_entropy_coder *coder, int level, int size, const ts_token_view *view, result *sum) {
    const uint8_t *bytes = NULL;
    size_t count = 0;
    double encode = INFINITY, decode = INFINITY;
    uint8_t *copy = NULL;
    for (int i = 0; i < RUNS; i++) {
        double start = now();
        if (ts_entropy_encode(coder, level, view, &bytes, &count, NULL) != TESS_OK) fail("tokens", "cannot be coded");
        encode = fmin(encode, now() - start);
        if (!copy) copy = malloc(count + 1);
        if (copy) memcpy(copy, bytes, count);
        start = now();
        if (ts_entropy_decode(coder, level, view, copy, count, NULL, NULL) != TESS_OK) fail("tokens", "do not decode");
        decode = fmin(decode, now() - start);
    }
    free(copy);
    sum->tokens += (double)view->height * view->width;
    sum->bits += (double)count * 8;
    sum->encode += encode;
    sum->decode += decode;
    order0(view, level, size, sum);
}

/* The tokens of a file, decoded by the library; copied, because we write them again. */
static uint16_t *tokens_of(const tess_model *model, const char *path, int *levels, int *height, int *width) {
    size_t size = 0;
    uint8_t *bytes = read_file(path, &size);
    tess_decoder *decoder = tess_decoder_new(model);
    void *place = decoder ? tess_decoder_begin(decoder, size) : NULL;
    if (!place) fail(path, decoder ? tess_decoder_message(decoder) : "out of memory");
    memcpy(place, bytes, size);
    tess_status status = TESS_MORE;
    while (status == TESS_MORE) status = tess_decoder_step(decoder);
    if (status != TESS_DONE) fail(path, tess_decoder_message(decoder));
    const uint16_t *tokens = tess_decoder_tokens(decoder, levels, height, width);
    size_t count = (size_t)*levels * (size_t)*height * (size_t)*width;
    uint16_t *copy = malloc(count * sizeof *copy + 1);
    if (!tokens || !copy) fail(path, "has no tokens");
    memcpy(copy, tokens, count * sizeof *copy);
    tess_decoder_free(decoder);
    free(bytes);
    return copy;
}

static void print_line(const char *name, const result *r, int json) {
    double n = r->tokens, with = r->order0_bits + r->histogram_bits;
    printf(json ? "{\"file\":\"%s\",\"tokens\":%.0f,\"bits\":%.4f,\"order0Table\":%.4f,\"order0\":%.4f,\"saved\":%.4f,"
                  "\"encodeUs\":%.3f,\"decodeUs\":%.3f}\n"
                : "%-28s %8.0f %8.3f %14.3f %10.3f %9.4f %8.2f %8.2f\n",
           name, n, r->bits / n, with / n, r->order0_bits / n, 1 - r->bits / with, r->encode / n, r->decode / n);
}

int main(int argc, char **argv) {
    int json = argc > 1 && strcmp(argv[argc - 1], "--json") == 0, files = argc - json;
    int predict = files > 1 && strcmp(argv[files - 1], "--predict") == 0;
    files -= predict;
    if (files < 3) {
        fprintf(stderr, "usage: entropy MODEL.safetensors FILE.tess... [--predict] [--json]\n");
        return 2;
    }
    size_t bytes = 0;
    uint8_t *file = read_file(argv[1], &bytes);
    tess_model *model = tess_model_new();
    if (!model || tess_model_load(model, file, bytes) != TESS_OK)
        fail(argv[1], model ? tess_model_message(model) : "out of memory");
    free(file);
    ts_entropy_coder *coder = NULL;
    if (ts_entropy_coder_new(&coder, model->entropy, predict, NULL) != TESS_OK) fail(argv[1], "out of memory");
    if (!json)
        printf("%-28s %8s %8s %14s %10s %9s %8s %8s\n", "file", "tokens", "bits", "order-0 + table", "order-0", "saved",
               "enc us", "dec us");
    result all = {0};
    for (int i = 2; i < files; i++) {
        int file_levels, height, width;
        uint16_t *tokens = tokens_of(model, argv[i], &file_levels, &height, &width);
        result one = {0};
        for (int l = 0; l < file_levels; l++)
            for (int y = 0; y < height; y += TILE)
                for (int x = 0; x < width; x += TILE) {
                    ts_token_view view = {tokens + (size_t)y * (size_t)width + (size_t)x, (size_t)width,
                                          (size_t)height * (size_t)width, height - y < TILE ? height - y : TILE,
                                          width - x < TILE ? width - x : TILE};
                    section(coder, l, ts_entropy_model_size(model->entropy, l), &view, &one);
                }
        const char *name = strrchr(argv[i], '/');
        print_line(name ? name + 1 : argv[i], &one, json);
        double *to = &all.tokens, *from = &one.tokens;
        for (size_t k = 0; k < sizeof one / sizeof *to; k++) to[k] += from[k];
        free(tokens);
    }
    print_line("all", &all, json);
    ts_entropy_coder_free(coder);
    tess_model_free(model);
    return 0;
}
