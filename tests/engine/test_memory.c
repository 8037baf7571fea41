/* test_memory.c - allocation n fails, for every n of every call: ERR_MEMORY, nothing leaks, the handle goes on. */
#define TS_TEST_ALLOC
#include "base/alloc.c"

#include <stdlib.h>

#include "test.h"
#include "tiny.h"

static uint8_t *model_bytes, *pixels, *file;
static size_t model_size, file_size;
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

static tess_status encode_rule(const char *rule, double value, int threads) {
    tess_encoder *encoder = tess_encoder_new(shared);
    if (!encoder) return TESS_ERR_MEMORY;
    tess_encoder_set(encoder, rule, value);
    tess_encoder_set(encoder, "threads", threads);
    uint8_t *room = tess_encoder_begin(encoder, WIDTH, HEIGHT, 4);
    tess_status status = room ? TESS_MORE : TESS_ERR_MEMORY;
    if (room) memcpy(room, pixels, WIDTH * HEIGHT * 4);
    while (status == TESS_MORE) status = tess_encoder_step(encoder);
    if (status < 0) CHECK(strlen(tess_encoder_message(encoder)) > 10);
    tess_encoder_free(encoder);
    return status == TESS_DONE ? TESS_OK : status;
}

static tess_status encode_quality(void) { return encode_rule("quality", 60, 1); }
static tess_status encode_size(void) { return encode_rule("size", (double)file_size, 2); }

static tess_status decode_file(const uint8_t *bytes) {
    tess_decoder *decoder = tess_decoder_new(shared);
    if (!decoder) return TESS_ERR_MEMORY;
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
    } CALLS[] = {{"load and save", load_model, 10},
                 {"encode to quality", encode_quality, 10},
                 {"encode to size", encode_size, 10},
                 {"decode", decode_good, 6},
                 {"decode damage", decode_damaged, 6},
                 {"decode tokens", decode_tokens, 5},
                 {"encode latents", encode_latents, 5},
                 {"decode latents", decode_latents, 5},
                 {"compare", compare, 1},
                 {"file info", info, 1}};
    for (size_t i = 0; i < sizeof CALLS / sizeof *CALLS; i++) {
        const long live = ts_test_alloc_live();
        ts_test_alloc_fail_at(0);
        test_row("%s", CALLS[i].name);
        CHECK_INT(CALLS[i].call(), TESS_OK);
        const long count = ts_test_alloc_count();
        CHECK(count >= CALLS[i].least);
        CHECK_INT(ts_test_alloc_live(), live);
        for (long n = 1; n <= count; n++) {
            test_row("%s, allocation %ld of %ld", CALLS[i].name, n, count);
            ts_test_alloc_fail_at(n);
            const tess_status status = CALLS[i].call();
            ts_test_alloc_fail_at(0);
            CHECK_INT(status, TESS_ERR_MEMORY);
            CHECK_INT(ts_test_alloc_live(), live);
        }
    }
}

int main(void) {
    model_bytes = tiny_model_file(TINY_CONFIG, 1, 1, &model_size);
    shared = tiny_model(TINY_CONFIG, 1);
    pixels = malloc(WIDTH * HEIGHT * 4);
    tiny_picture(pixels, WIDTH, HEIGHT, 4);
    tess_encoder *encoder = tess_encoder_new(shared);
    if (CHECK(encoder && tiny_encode(encoder, pixels, WIDTH, HEIGHT, 4))) {
        const uint8_t *bytes = tess_encoder_bytes(encoder, &file_size);
        file = malloc(file_size);
        memcpy(file, bytes, file_size);
        tess_encoder_free(encoder);
        RUN(test_every_allocation);
    }
    tess_model_free(shared);
    ts_free(model_bytes);
    free(pixels);
    free(file);
    return test_end();
}
