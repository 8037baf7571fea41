/* test_memory.c - allocation n fails, for every n of every call: ERR_MEMORY, nothing leaks, the handle goes on. */
#define TS_TEST_ALLOC
#include "base/alloc.c"

#include <stdlib.h>

#include "field.h"
#include "test.h"
#include "tiny.h"

static uint8_t *model_bytes, *pixels, *file, *halves[2]; /* halves: encoder and decoder of a foreign checkpoint */
static size_t model_size, file_size, half_sizes[2];
static tess_model *shared; /* loaded without failures */

enum { WIDTH = 72, HEIGHT = 40 };

/* Each returns the status that the caller of the API sees. */
static tess_status load_model(void) {
    tess_model *model = tess_model_new();
    if (!model) return TESS_ERR_MEMORY;
    const uint8_t *saved;
    size_t size;
    tess_status status = tess_model_load(model, model_bytes, model_size);
    if (!status) status = tess_model_save(model, 1, &saved, &size);
    tess_model_free(model);
    return status;
}

static tess_status load_pair(void) {
    tess_model *model = tess_model_new();
    if (!model) return TESS_ERR_MEMORY;
    const tess_status status = tess_model_load_pair(model, halves[0], half_sizes[0], halves[1], half_sizes[1]);
    if (status) CHECK(strlen(tess_model_message(model)) > 10);
    tess_model_free(model);
    return status;
}

/* Both count tiles; a status < 0 is the answer when memory is out. */
static tess_status find_tiles(void) {
    int rect[4];
    const int tiles = tess_model_tile(shared, 0, WIDTH, HEIGHT, 0, rect);
    const int windows = tiles < 0 ? tiles : tess_model_window(shared, WIDTH, HEIGHT, 0, rect);
    return windows < 0 ? (tess_status)windows : TESS_OK;
}

static tess_status take_bytes(void) {
    void *bytes = tess_alloc(100);
    tess_free(bytes);
    return bytes ? TESS_OK : TESS_ERR_MEMORY;
}

/* Of the tokens that the last job ended with: FNV-1a. */
static uint64_t tokens_mark;

static void mark_tokens(const tess_encoder *encoder) {
    int levels, height, width;
    const uint16_t *tokens = tess_encoder_tokens(encoder, &levels, &height, &width);
    tokens_mark = 0xcbf29ce484222325U;
    for (int i = 0; i < levels * height * width; i++) tokens_mark = (tokens_mark ^ tokens[i]) * 0x100000001b3U;
}

/* The rest of a job whose room is filled. */
static tess_status finish(tess_encoder *encoder, bool begun) {
    tess_status status = begun ? TESS_MORE : TESS_ERR_MEMORY;
    while (status == TESS_MORE) status = tess_encoder_step(encoder);
    if (status < 0) CHECK(strlen(tess_encoder_message(encoder)) > 10);
    mark_tokens(encoder);
    tess_encoder_free(encoder);
    return status == TESS_DONE ? TESS_OK : status;
}

static tess_status encode_rule(const char *rule, double value, int threads) {
    tess_encoder *encoder = tess_encoder_new(shared);
    if (!encoder) return TESS_ERR_MEMORY;
    tess_encoder_set(encoder, rule, value);
    tess_encoder_set(encoder, "threads", threads);
    uint8_t *room = tess_encoder_begin(encoder, WIDTH, HEIGHT, 4);
    if (room) memcpy(room, pixels, WIDTH * HEIGHT * 4);
    return finish(encoder, room != NULL);
}

/* Tokens of a region of given latents, which are all zero. */
static tess_status encode_grid_of_latents(void) {
    tess_encoder *encoder = tess_encoder_new(shared);
    if (!encoder) return TESS_ERR_MEMORY;
    tess_encoder_set(encoder, "tokens_only", 1);
    tess_encoder_set(encoder, "quality", 60);
    tess_encoder_set(encoder, "width", WIDTH / 2);
    return finish(encoder, tess_encoder_begin_latents(encoder, HEIGHT / 4, WIDTH / 4, 4, HEIGHT, WIDTH) != NULL);
}

static tess_status encode_grid_of_tokens(void) {
    tess_encoder *encoder = tess_encoder_new(shared);
    if (!encoder) return TESS_ERR_MEMORY;
    return finish(encoder, tess_encoder_begin_tokens(encoder, HEIGHT / 4, WIDTH / 4, HEIGHT, WIDTH) != NULL);
}

static tess_status encode_quality(void) { return encode_rule("quality", 60, 1); }
static tess_status encode_size(void) { return encode_rule("size", (double)file_size, 2); }

static tess_status decode_file(const uint8_t *bytes) {
    tess_decoder *decoder = tess_decoder_new(shared);
    if (!decoder) return TESS_ERR_MEMORY;
    tess_decoder_set(decoder, "bits", 1);
    uint8_t *room = tess_decoder_begin(decoder, file_size);
    tess_status status = room ? TESS_MORE : TESS_ERR_MEMORY;
    if (room) memcpy(room, bytes, file_size);
    while (status == TESS_MORE) status = tess_decoder_step(decoder);
    if (status == TESS_DONE)
        CHECK_INT(tess_decoder_damaged(decoder), bytes != file); /* a failure is never taken for damage */
    tess_decoder_free(decoder);
    return status == TESS_DONE ? TESS_OK : status;
}

static tess_status decode_good(void) { return decode_file(file); }

static tess_status decode_damaged(void) {
    static uint8_t copy[1 << 16];
    memcpy(copy, file, file_size);
    copy[file_size - 3] ^= 1;
    return decode_file(copy);
}

static tess_status decode_tokens(void) {
    tess_decoder *decoder = tess_decoder_new(shared);
    if (!decoder) return TESS_ERR_MEMORY;
    uint16_t *room = tess_decoder_begin_tokens(decoder, 2, HEIGHT / 4, WIDTH / 4, HEIGHT, WIDTH);
    tess_status status = room ? TESS_MORE : TESS_ERR_MEMORY;
    while (status == TESS_MORE) status = tess_decoder_step(decoder);
    tess_decoder_free(decoder);
    return status == TESS_DONE ? TESS_OK : status;
}

static tess_status encode_latents(void) { return encode_rule("latents", 1, 1); }
static tess_status encode_tokens(void) { return encode_rule("tokens_only", 1, 1); }

static tess_status decode_latents(void) {
    tess_decoder *decoder = tess_decoder_new(shared);
    if (!decoder) return TESS_ERR_MEMORY;
    float *room = tess_decoder_begin_latents(decoder, HEIGHT / 4, WIDTH / 4, 4, HEIGHT, WIDTH);
    tess_status status = room ? TESS_MORE : TESS_ERR_MEMORY;
    while (status == TESS_MORE) status = tess_decoder_step(decoder);
    tess_decoder_free(decoder);
    return status == TESS_DONE ? TESS_OK : status;
}

static tess_status compare(void) {
    double out[4];
    return tess_compare(pixels, pixels, WIDTH, HEIGHT, 4, out);
}

static tess_status info(void) {
    char json[4096];
    return tess_file_info(file, file_size, json, sizeof json);
}

static void test_every_allocation(void) {
    static const struct {
        const char *name;
        tess_status (*call)(void);
        long least; /* allocations that it surely makes */
        long spare; /* the last ones, without which the result is the same: decisions that no section is made of */
    } CALLS[] = {{"alloc", take_bytes, 1, 0},
                 {"load and save", load_model, 10, 0},
                 {"load a pair", load_pair, 20, 0},
                 {"tiles and windows", find_tiles, 4, 0},
                 {"encode to quality", encode_quality, 10, 0},
                 {"encode to size", encode_size, 10, 0},
                 {"encode tokens", encode_tokens, 5, 1},
                 {"encode given latents", encode_grid_of_latents, 5, 1},
                 {"encode given tokens", encode_grid_of_tokens, 5, 0},
                 {"decode", decode_good, 6, 0},
                 {"decode damage", decode_damaged, 6, 0},
                 {"decode tokens", decode_tokens, 5, 0},
                 {"encode latents", encode_latents, 5, 0},
                 {"decode latents", decode_latents, 5, 0},
                 {"compare", compare, 1, 0},
                 {"file info", info, 1, 0}};
    for (size_t i = 0; i < sizeof CALLS / sizeof *CALLS; i++) {
        const long live = ts_test_alloc_live();
        ts_test_alloc_fail_at(0);
        test_row("%s", CALLS[i].name);
        CHECK_INT(CALLS[i].call(), TESS_OK);
        const long count = ts_test_alloc_count();
        const uint64_t mark = tokens_mark;
        CHECK(count >= CALLS[i].least);
        CHECK_INT(ts_test_alloc_live(), live);
        for (long n = 1; n <= count; n++) {
            test_row("%s, allocation %ld of %ld", CALLS[i].name, n, count);
            ts_test_alloc_fail_at(n);
            const tess_status status = CALLS[i].call();
            ts_test_alloc_fail_at(0);
            if (n <= count - CALLS[i].spare) CHECK_INT(status, TESS_ERR_MEMORY);
            else CHECK(status == TESS_OK && tokens_mark == mark);
            CHECK_INT(ts_test_alloc_live(), live);
        }
    }
}

/* The halves of TAESD's kind, as safetensors and as PyTorch's archive. */
static bool make_halves(void) {
    field_list list = field_read("tiny_pool", 0);
    field_list encoder = field_part(&list, "encoder."), decoder = field_part(&list, "decoder.");
    halves[0] = field_safetensors(&encoder, &half_sizes[0]);
    halves[1] = field_torch(&decoder, &half_sizes[1]);
    field_free(&encoder);
    field_free(&decoder);
    field_free(&list);
    return halves[0] && halves[1];
}

int main(void) {
    model_bytes = tiny_model_file(TINY_CONFIG, 1, 1, &model_size);
    shared = tiny_model(TINY_CONFIG, 1);
    pixels = malloc(WIDTH * HEIGHT * 4);
    tiny_picture(pixels, WIDTH, HEIGHT, 4);
    tess_encoder *encoder = tess_encoder_new(shared);
    if (CHECK(make_halves() && encoder && tiny_encode(encoder, pixels, WIDTH, HEIGHT, 4))) {
        const uint8_t *bytes = tess_encoder_bytes(encoder, &file_size);
        file = malloc(file_size);
        memcpy(file, bytes, file_size);
        tess_encoder_free(encoder);
        RUN(test_every_allocation);
    }
    tess_model_free(shared);
    ts_free(model_bytes);
    ts_free(halves[0]);
    ts_free(halves[1]);
    free(pixels);
    free(file);
    return test_end();
}
