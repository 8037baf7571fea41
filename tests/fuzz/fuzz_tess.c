/* fuzz_tess.c - .tess files, and what their sections hold.
 *
 * An input that starts with "TESS" is opened as a file and every section is decoded. Checksums keep random bytes from
 * getting that far, so any other input is a section: kind, height, width and level in its first bytes, then the coded
 * bytes. One that starts with "PRED" is a predictor of level 1, at work on a section of its own last bytes.
 */
#include "codec/alpha.h"
#include "codec/container.h"
#include "codec/entropy.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_TOKENS = 1 << 14, MOST_PIXELS = 1 << 16 };
static const int sizes[TS_TESS_LEVELS] = {256, 100, 64, 5, 1, 2, 3, 37, 16, 16, 16, 16, 16, 16, 16, 16};

/* Made once, for speed. */
static ts_entropy_model *model;
static ts_entropy_coder *coder;
static ts_alpha_coder *alpha_coder;

static void require(int condition) {
    if (!condition) abort();
}

/* Decodes one section and checks that every token is in its codebook. */
static void decode_tokens(int level, const ts_token_view *view, const uint8_t *bytes, size_t size) {
    ts_entropy_decode(coder, level, view, bytes, size, NULL, NULL);
    for (int y = 0; y < view->height; y++)
        for (int x = 0; x < view->width; x++)
            require(view->tokens[(size_t)level * view->level_stride + (size_t)y * view->row_stride + (size_t)x] <
                    sizes[level]);
}

static void decode_alpha(int height, int width, const uint8_t *bytes, size_t size) {
    uint8_t *alpha = malloc((size_t)height * (size_t)width + 1);
    ts_alpha_decode(alpha_coder, alpha, (size_t)width, 1, height, width, bytes, size, NULL);
    free(alpha);
}

static void decode_section(const uint8_t *data, size_t size) {
    if (size < 4) return;
    int height = data[1] % 32 + 1, width = data[2] % 32 + 1, level = data[3] % 4;
    if (data[0] & 1) decode_alpha(height, width, data + 4, size - 4);
    else {
        uint16_t *tokens = calloc((size_t)(height * width) * 4, sizeof *tokens);
        ts_token_view view = {tokens, (size_t)width, (size_t)(height * width), height, width};
        decode_tokens(level, &view, data + 4, size - 4);
        free(tokens);
    }
}

static void decode_predicted(const uint8_t *data, size_t size) {
    const size_t tail = size < 64 ? size : 64;
    uint16_t tokens[2 * 8 * 8] = {0};
    const ts_token_view view = {tokens, 8, 64, 8, 8};
    ts_entropy_model *predicted = NULL;
    ts_entropy_coder *reader = NULL;
    require(ts_entropy_model_new(&predicted, 2, (const int[2]){37, 37}, NULL, NULL, NULL) == TESS_OK);
    if (ts_entropy_model_add(predicted, 1, data, size, NULL) == TESS_OK) {
        require(ts_entropy_coder_new(&reader, predicted, true, NULL) == TESS_OK);
        ts_entropy_decode(reader, 1, &view, data + size - tail, tail, NULL, NULL);
        for (int i = 0; i < 64; i++) require(tokens[64 + i] < 37);
    }
    ts_entropy_coder_free(reader);
    ts_entropy_model_free(predicted);
}

static void decode_file(const ts_tess_file *file) {
    const ts_tess_header *h = ts_tess_file_header(file);
    size_t count = (size_t)h->token_height * (size_t)h->token_width;
    uint16_t *tokens = count * (size_t)h->levels <= MOST_TOKENS ? calloc(count * (size_t)h->levels + 1, sizeof *tokens)
                                                                : NULL;
    const uint8_t *bytes;
    size_t size;
    for (int level = 0; level < h->levels; level++)
        for (int tile = 0; tile < ts_tess_tiles(h); tile++) {
            ts_tess_rect r = ts_tess_tile(h, tile);
            require(r.width > 0 && r.height > 0 && r.x + r.width <= h->token_width &&
                    r.y + r.height <= h->token_height);
            if (ts_tess_section(file, level, tile, &bytes, &size, NULL) != TESS_OK || !tokens) continue;
            ts_token_view view = {tokens + (size_t)r.y * (size_t)h->token_width + (size_t)r.x, (size_t)h->token_width,
                                  count, r.height, r.width};
            decode_tokens(level, &view, bytes, size);
        }
    free(tokens);
    for (int strip = 0; strip < ts_tess_alpha_strips(h); strip++)
        if (ts_tess_section(file, TS_TESS_ALPHA, strip, &bytes, &size, NULL) == TESS_OK &&
            h->width <= MOST_PIXELS / TS_TESS_ALPHA_ROWS) {
            int rows = h->height - strip * TS_TESS_ALPHA_ROWS;
            decode_alpha(rows < TS_TESS_ALPHA_ROWS ? rows : TS_TESS_ALPHA_ROWS, h->width, bytes, size);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ts_tess_file *file = NULL;
    if (!model) {
        require(ts_entropy_model_new(&model, TS_TESS_LEVELS, sizes, NULL, NULL, NULL) == TESS_OK);
        require(ts_entropy_coder_new(&coder, model, false, NULL) == TESS_OK);
        require(ts_alpha_coder_new(&alpha_coder, NULL) == TESS_OK);
    }
    if (size > 4 && memcmp(data, "PRED", 4) == 0) decode_predicted(data + 4, size - 4);
    else if (size < 4 || memcmp(data, "TESS", 4) != 0) decode_section(data, size);
    else if (ts_tess_open(&file, data, size, NULL) == TESS_OK) decode_file(file);
    ts_tess_close(file);
    return 0;
}
