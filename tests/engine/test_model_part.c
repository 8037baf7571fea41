/* Parts of a model: what they add, what they replace, what is refused and how it is said, and allocations that fail. */
#define TS_TEST_ALLOC
#include "base/alloc.c"

#include "test.h"
#include "tiny.h"
#include "twin.h"

#include <stdlib.h>

#include "engine/engine.h"

static tess_model *model;
static char hash[17]; /* of the model */
static uint8_t *part;
static size_t part_size;

static void fingerprint(const tess_model *m, char out[17]) {
    const char *at = strstr(tess_model_info(m), "\"hash\":\"");
    memcpy(out, at + 8, 16);
    out[16] = 0;
}

static bool says(const tess_model *m, const char *word) { return strstr(tess_model_info(m), word) != NULL; }

static void check_refused(tess_model *m, const void *bytes, size_t size, tess_status status, const char *word) {
    test_row("%s", word);
    CHECK_INT(tess_model_add(m, bytes, size), status);
    if (!CHECK(strstr(tess_model_message(m), word))) printf("    message: %s\n", tess_model_message(m));
}

static void test_adds(void) {
    char after[17];
    const uint8_t *before, *saved;
    size_t before_size, saved_size;
    tess_model_save(model, -1, &before, &before_size);
    uint8_t *kept = ts_alloc(before_size);
    memcpy(kept, before, before_size);
    CHECK(!says(model, "upscale"));
    CHECK_INT(tess_model_add(model, part, part_size), TESS_OK);
    CHECK(says(model, "\"tasks\":[\"compress\",\"reconstruct\",\"inpaint\",\"upscale\"]"));
    CHECK(says(model, "\"factors\":[2,4]"));
    fingerprint(model, after);
    CHECK_TEXT(after, hash);
    CHECK(model->upscaler.halves != NULL); /* a part's weights stay F16 */
    CHECK_INT(model->config.upscaler.by4.tail, 2);
    tess_model_save(model, -1, &saved, &saved_size); /* parts are files of their own */
    if (CHECK_INT(saved_size, before_size)) CHECK_BYTES(saved, kept, saved_size);
    ts_free(kept);
}

static void test_replaces(void) {
    size_t size;
    uint8_t *other = tiny_part_file(TINY_8_CONFIG, hash, "{\"2\":{\"width\":8,\"blocks\":0,\"tail\":[8,0]}}", 9, &size);
    CHECK_INT(tess_model_add(model, other, size), TESS_OK);
    CHECK(says(model, "\"factors\":[2]"));
    CHECK_INT(model->config.upscaler.by4.width, 0);
    CHECK_INT(tess_model_add(model, part, part_size), TESS_OK);
    CHECK(says(model, "\"factors\":[2,4]"));
    ts_free(other);
}

static void test_whole(void) {
    tess_model *whole = tiny_model(TINY_WHOLE_CONFIG, 4);
    if (!CHECK(whole)) return;
    char own[17];
    const uint8_t *saved;
    size_t size;
    fingerprint(whole, own);
    CHECK(says(whole, "\"upscale\"") && says(whole, "\"factors\":[4]"));
    uint8_t *other = tiny_part_file(TINY_8_CONFIG, own, TINY_UPSCALER, 2, &size);
    check_refused(whole, other, size, TESS_ERR_MODEL, "of its own in its file");
    ts_free(other);
    CHECK_INT(tess_model_save(whole, -1, &saved, &size), TESS_OK);
    tess_model *again = tess_model_new();
    CHECK_INT(tess_model_load(again, saved, size), TESS_OK);
    CHECK(says(again, "\"factors\":[4]"));
    tess_model_free(again);
    tess_model_free(whole);
}

/* A prior is a part as well: the twin's, cut off from its model. */
static void test_prior(void) {
    twin_file twin = twin_open("prior_text");
    char json[2048], own[17];
    ts_file_tensor_source sources[64] = {0};
    size_t count = 0, size = 0;
    uint8_t *bytes = NULL;
    tess_model *whole = tess_model_new(), *plain = tess_model_new();
    const char *config = ts_safetensors_metadata(twin.file, "tesserae"), *at = strstr(config, "\"prior\":");
    CHECK_INT(tess_model_load(whole, twin.bytes, twin.size), TESS_OK);
    fingerprint(whole, own);
    for (size_t i = 0; i < ts_safetensors_count(twin.file) && count < 64; i++) {
        const ts_file_tensor *t = ts_safetensors_at(twin.file, i);
        if (strncmp(t->name, "prior.", 6) == 0) sources[count++].tensor = *t;
    }
    int depth = 0;
    const char *end = strchr(at, '{');
    do depth += *end == '{' ? 1 : *end == '}' ? -1 : 0;
    while (*end++ && depth);
    snprintf(json, sizeof json, "{\"format\":1,\"part_of\":\"%s\",%.*s}", own, (int)(end - at), at);
    const ts_metadata metadata = {"tesserae", json};
    CHECK_INT(ts_safetensors_write(&bytes, &size, sources, count, &metadata, 1, NULL), TESS_OK);
    check_refused(whole, bytes, size, TESS_ERR_MODEL, "holds a prior of its own");
    twin_file bare = twin_open("prior_plain"); /* other nets: its fingerprint is another */
    CHECK_INT(tess_model_load(plain, bare.bytes, bare.size), TESS_OK);
    check_refused(plain, bytes, size, TESS_ERR_MODEL, own);
    ts_part_free(&whole->prior); /* the model as if it came without */
    whole->config.prior.type = TS_PRIOR_NONE;
    CHECK_INT(tess_model_add(whole, bytes, size), TESS_OK);
    CHECK(says(whole, "\"generate\""));
    tess_sampler *s = tess_sampler_new(whole);
    CHECK(tess_sampler_begin(s, 4, 4, NULL));
    CHECK_INT(tess_sampler_step(s), TESS_MORE);
    tess_sampler_free(s);
    ts_free(bytes);
    tess_model_free(whole);
    tess_model_free(plain);
    twin_close(&twin);
    twin_close(&bare);
}

/* A copy of the part with `find` put over by `put` of the same length, where it first stands. */
static uint8_t *edited(const char *find, const char *put) {
    uint8_t *copy = ts_alloc(part_size);
    const size_t n = strlen(find);
    bool found = false;
    memcpy(copy, part, part_size);
    for (size_t at = 0; at + n <= part_size && !found; at++) {
        found = memcmp(copy + at, find, n) == 0;
        if (found) memcpy(copy + at, put, n);
    }
    CHECK(found && strlen(put) == n);
    return copy;
}

static void test_refusals(void) {
    static const struct {
        const char *find, *put, *word;
        tess_status status;
    } CASES[] = {
        {"\"upscaler.4.stem.weight\"", "\"upscaler.4.stem.wei9ht\"", "upscaler.4.stem.weight", TESS_ERR_MODEL},
        {"\\\"blocks\\\":2", "\\\"blocks\\\":3", "upscaler.2.body.2.conv1.weight", TESS_ERR_MODEL},
        {"\\\"width\\\":16", "\\\"width\\\":17", "upscaler.2.stem.weight", TESS_ERR_MODEL},
        {"\\\"width\\\"", "\\\"wid7h\\\"", "upscaler.2.wid7h", TESS_ERR_MODEL},
        {"[24,1]", "[ 4,1]", "upscaler.2.tail", TESS_ERR_MODEL},
        {"\\\"format\\\":1", "\\\"format\\\":2", "newer", TESS_ERR_VERSION},
        {"\\\"part_of\\\"", "\\\"trained\\\"", "no part of a model", TESS_ERR_MODEL},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        uint8_t *bad = edited(CASES[i].find, CASES[i].put);
        check_refused(model, bad, part_size, CASES[i].status, CASES[i].word);
        ts_free(bad);
    }
    size_t size;
    uint8_t *other = tiny_part_file(TINY_8_CONFIG, "0123456789abcdef", TINY_UPSCALER, 2, &size);
    check_refused(model, other, size, TESS_ERR_MODEL, "0123456789abcdef");
    check_refused(model, other, size, TESS_ERR_MODEL, hash);
    ts_free(other);
    other = tiny_model_file(TINY_8_CONFIG, 3, 1, &size);
    check_refused(model, other, size, TESS_ERR_MODEL, "loaded, not added");
    ts_free(other);
    check_refused(model, part, 100, TESS_ERR_FORMAT, "header");
    check_refused(model, NULL, 5, TESS_ERR_INPUT, "no bytes");
    CHECK(says(model, "\"factors\":[2,4]")); /* as it was */
    tess_model *empty = tess_model_new();
    check_refused(empty, part, part_size, TESS_ERR_STATE, "load one");
    CHECK_INT(tess_model_load(empty, part, part_size), TESS_ERR_MODEL);
    CHECK(strstr(tess_model_message(empty), "load that one"));
    tess_model_free(empty);
    tess_model *small = tiny_model(TINY_CONFIG, 1); /* four pixels to a latent */
    char of[17];
    fingerprint(small, of);
    other = edited(hash, of);
    check_refused(small, other, part_size, TESS_ERR_MODEL, "8 x 8 pixels");
    ts_free(other);
    tess_model_free(small);
}

static void test_every_allocation(void) {
    tess_status status = TESS_ERR_MEMORY;
    long n = 1;
    const long live = ts_test_alloc_live();
    for (; status == TESS_ERR_MEMORY && n < 500; n++) {
        test_row("allocation %ld", n);
        ts_test_alloc_fail_at(n);
        status = tess_model_add(model, part, part_size);
        ts_test_alloc_fail_at(0);
        CHECK_INT(ts_test_alloc_live(), live);
        CHECK(says(model, "\"factors\":[2,4]"));
    }
    CHECK_INT(status, TESS_OK);
    CHECK(n > 8);
}

int main(void) {
    model = tiny_model(TINY_8_CONFIG, 3);
    if (CHECK(model)) {
        fingerprint(model, hash);
        part = tiny_part_file(TINY_8_CONFIG, hash, TINY_UPSCALER, 7, &part_size);
    }
    if (CHECK(part)) {
        RUN(test_adds);
        RUN(test_replaces);
        RUN(test_whole);
        RUN(test_prior);
        RUN(test_refusals);
        RUN(test_every_allocation);
    }
    ts_free(part);
    tess_model_free(model);
    return test_end();
}
