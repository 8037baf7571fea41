/* test_model.c - model files: every fault named, the fingerprint, saving. */
#include <stdlib.h>

#include "base/alloc.h"
#include "test.h"
#include "tiny.h"

static void hash_of(const tess_model *model, char hash[17]) {
    const char *at = strstr(tess_model_info(model), "\"hash\":\"");
    memset(hash, 0, 17);
    if (CHECK(at)) memcpy(hash, at + 8, 16);
}

/* Loads bytes that are at fault; the status, and that the message names `word`. */
static void check_refused(const uint8_t *bytes, size_t size, tess_status want, const char *word) {
    tess_model *model = tess_model_new();
    CHECK_INT(tess_model_load(model, bytes, size), want);
    if (!CHECK(strstr(tess_model_message(model), word))) printf("    message: %s\n", tess_model_message(model));
    CHECK_TEXT(tess_model_info(model), "{}");
    CHECK(tess_encoder_new(model) == NULL);
    tess_model_free(model);
}

static void test_faults(void) {
    size_t size;
    static const char *const NAMES[] = {"encoder.1.weight", "decoder.5.conv2.bias", "quantizer.codebook",
                                        "quantizer.bits"};
    static const float VALUES[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        for (size_t v = 0; v < 3; v++) {
            test_row("%s %g", NAMES[i], (double)VALUES[v]);
            uint8_t *bytes = tiny_model_with(NAMES[i], VALUES[v], &size);
            check_refused(bytes, size, TESS_ERR_MODEL, NAMES[i]);
            ts_free(bytes);
        }
    /* a tensor under another name; a config that asks for another shape; no config at all */
    static const struct {
        const char *find, *put, *word;
        tess_status want;
    } EDITS[] = {
        {"\"encoder.1.bias\"", "\"encoder.1.bibs\"", "encoder.1.bias", TESS_ERR_MODEL},
        {"\\\"out\\\":8,\\\"kernel\\\":3", "\\\"out\\\":8,\\\"kernel\\\":5", "encoder.1.weight", TESS_ERR_MODEL},
        {"\\\"levels\\\":3", "\\\"levels\\\":2", "quantizer.codebook", TESS_ERR_MODEL},
        {"\\\"levels\\\":3", "\\\"levels\\\":0", "levels", TESS_ERR_MODEL},
        {"\\\"op\\\":\\\"silu\\\"", "\\\"op\\\":\\\"silk\\\"", "encoder[6].op", TESS_ERR_MODEL},
        {"\"tesserae\"", "\"tesserab\"", "Tesserae model", TESS_ERR_MODEL},
    };
    for (size_t i = 0; i < sizeof EDITS / sizeof *EDITS; i++) {
        test_row("edit %s", EDITS[i].put);
        uint8_t *bytes = tiny_model_with("", 0, &size);
        bool found = false;
        const size_t n = strlen(EDITS[i].find);
        for (size_t at = 0; at + n <= size && !found; at++) {
            found = memcmp(bytes + at, EDITS[i].find, n) == 0;
            if (found) memcpy(bytes + at, EDITS[i].put, n);
        }
        CHECK(found);
        check_refused(bytes, size, EDITS[i].want, EDITS[i].word);
        ts_free(bytes);
    }
}

static void test_cut_and_foreign(void) {
    size_t size;
    uint8_t *bytes = tiny_model_file(TINY_CONFIG, 1, 1, &size);
    tess_model *model = tess_model_new();
    for (size_t cut = 0; cut < size; cut += cut < 64 ? 1 : 61) {
        test_row("cut at %zu", cut);
        CHECK(tess_model_load(model, bytes, cut) < 0);
        CHECK(strlen(tess_model_message(model)) > 20);
    }
    test_row("%s", "whole");
    CHECK_INT(tess_model_load(model, bytes, size), TESS_OK); /* the handle takes a good file after bad ones */
    tess_model_free(model);
    check_refused((const uint8_t *)"not a model at all, only text", 29, TESS_ERR_FORMAT, "safetensors");
    ts_free(bytes);
}

static void test_hash(void) {
    char one[17], again[17], other[17], half[17];
    tess_model *a = tiny_model(TINY_CONFIG, 1), *b = tiny_model(TINY_CONFIG, 1), *c = tiny_model(TINY_CONFIG, 2);
    hash_of(a, one), hash_of(b, again), hash_of(c, other);
    CHECK_TEXT(again, one);
    CHECK(strcmp(other, one) != 0);
    /* the encoder's weights and the description do not count; the decoder's, the codebook and the range do */
    size_t size;
    static const struct {
        const char *name;
        bool counts;
    } TENSORS[] = {{"encoder.1.weight", false},
                   {"quantizer.bits", false},
                   {"decoder.0.weight", true},
                   {"quantizer.codebook", true}};
    for (size_t i = 0; i < sizeof TENSORS / sizeof *TENSORS; i++) {
        test_row("%s", TENSORS[i].name);
        uint8_t *bytes = tiny_model_with(TENSORS[i].name, 0.125F, &size);
        CHECK_INT(tess_model_load(b, bytes, size), TESS_OK);
        hash_of(b, again);
        CHECK_INT(strcmp(again, one) != 0, TENSORS[i].counts);
        ts_free(bytes);
    }
    /* saving keeps the hash at full precision; a half file reloads to its own hash, again and again */
    test_row("%s", "saved");
    const uint8_t *saved;
    CHECK_INT(tess_model_save(a, 0, &saved, &size), TESS_OK);
    CHECK_INT(tess_model_load(b, saved, size), TESS_OK);
    hash_of(b, again);
    CHECK_TEXT(again, one);
    CHECK_INT(tess_model_save(a, 1, &saved, &size), TESS_OK);
    CHECK_INT(tess_model_load(b, saved, size), TESS_OK);
    hash_of(b, half);
    CHECK(strcmp(half, one) != 0);
    CHECK_INT(tess_model_save(b, 1, &saved, &size), TESS_OK);
    CHECK_INT(tess_model_load(c, saved, size), TESS_OK);
    hash_of(c, again);
    CHECK_TEXT(again, half);
    tess_model_free(a);
    tess_model_free(b);
    tess_model_free(c);
}

static void test_info_and_codebook(void) {
    tess_model *model = tiny_model(TINY_CONFIG, 1);
    const char *info = tess_model_info(model);
    CHECK(strstr(info, "\"name\":\"tiny\"") && strstr(info, "\"factor\":4,\"reach\":") && strstr(info, "\"levels\":3"));
    CHECK(strstr(info, "\"codebook\":{\"size\":32,\"dim\":4}") && strstr(info, "\"licence\":\"MIT\""));
    int size = 0, dim = 0;
    const float *codes = tess_model_codebook(model, 1, &size, &dim);
    CHECK_INT(size, 32);
    CHECK_INT(dim, 4);
    if (CHECK(codes)) CHECK(codes[0] == 0 && codes[1] == 0 && codes[4] != 0); /* code 0 of an upper level */
    CHECK(tess_model_codebook(model, 3, NULL, NULL) == NULL);
    CHECK(tess_model_codebook(model, -1, NULL, NULL) == NULL);
    tess_model_free(model);
    tess_model_free(NULL);
}

int main(void) {
    RUN(test_faults);
    RUN(test_cut_and_foreign);
    RUN(test_hash);
    RUN(test_info_and_codebook);
    return test_end();
}
