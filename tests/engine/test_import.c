/* Import: checkpoints of every family, made from names and shapes, become models that compute what PyTorch computed
 * (tests/fixtures/import, made by tools/make_import_fixtures.py in double precision). */
#define TS_TEST_ALLOC
#include "base/alloc.c"

#include "../io/files.h"
#include "base/json.h"
#include "field.h"
#include "io/checkpoint.h"
#include "test.h"
#include "tiny.h"

#include <stdlib.h>

/* What PyTorch got: a picture, its tokens or latents, and what these decode to. */
typedef struct expected {
    uint8_t *bytes;
    ts_safetensors *file;
    const ts_file_tensor *image, *tokens, *latents, *output;
} expected;

static expected expected_open(const char *name) {
    expected e = {0};
    char path[128];
    size_t size = 0;
    snprintf(path, sizeof path, "tests/fixtures/import/%s.safetensors", name);
    e.bytes = read_file(path, &size);
    if (!CHECK(e.bytes != NULL) || !CHECK_INT(ts_safetensors_open(&e.file, e.bytes, size, NULL), TESS_OK)) return e;
    e.image = ts_safetensors_find(e.file, "image");
    e.tokens = ts_safetensors_find(e.file, "tokens");
    e.latents = ts_safetensors_find(e.file, "latents");
    e.output = ts_safetensors_find(e.file, "output");
    return e;
}

static void expected_close(expected *e) {
    ts_safetensors_close(e->file);
    free(e->bytes);
}

/* ---- running a model -------------------------------------------------------------------------------------------------- */

static void check_tokens(tess_encoder *encoder, const expected *e) {
    int levels, height, width;
    tess_encoder_set(encoder, "tokens_only", 1);
    if (!CHECK(tiny_encode(encoder, e->image->data, (int)e->image->shape[1], (int)e->image->shape[0], 3))) return;
    const uint16_t *tokens = tess_encoder_tokens(encoder, &levels, &height, &width);
    if (!CHECK(tokens != NULL) || !CHECK_INT(levels, 1) || !CHECK_INT(height, e->tokens->shape[0])) return;
    for (size_t i = 0; i < e->tokens->count; i++) {
        int32_t want;
        memcpy(&want, e->tokens->data + 4 * i, sizeof want);
        CHECK_INT(tokens[i], want);
    }
}

static void check_latents(tess_encoder *encoder, const expected *e) {
    int height, width, dim;
    double worst = 0;
    float *want = malloc(e->latents->count * sizeof *want);
    ts_file_tensor_floats(e->latents, want);
    tess_encoder_set(encoder, "latents", 1);
    CHECK(tiny_encode(encoder, e->image->data, (int)e->image->shape[1], (int)e->image->shape[0], 3));
    const float *got = tess_encoder_latents(encoder, &height, &width, &dim);
    if (CHECK(got != NULL) && CHECK_INT((size_t)height * (size_t)width * (size_t)dim, e->latents->count))
        for (size_t i = 0; i < e->latents->count; i++) worst = fmax(worst, fabs((double)got[i] - (double)want[i]));
    CHECK_NEAR(worst, 0, 1e-3);
    free(want);
}

static bool begin(tess_decoder *decoder, const expected *e) {
    const int height_px = (int)e->output->shape[0], width_px = (int)e->output->shape[1];
    if (e->latents) {
        float *room = tess_decoder_begin_latents(decoder, (int)e->latents->shape[0], (int)e->latents->shape[1],
                                                 (int)e->latents->shape[2], height_px, width_px);
        if (room) ts_file_tensor_floats(e->latents, room);
        return room != NULL;
    }
    uint16_t *room = tess_decoder_begin_tokens(decoder, 1, (int)e->tokens->shape[0], (int)e->tokens->shape[1],
                                               height_px, width_px);
    for (size_t i = 0; room && i < e->tokens->count; i++) {
        int32_t token;
        memcpy(&token, e->tokens->data + 4 * i, sizeof token);
        room[i] = (uint16_t)token;
    }
    return room != NULL;
}

/* Bytes may round to the neighbour, seldom. */
static void check_output(tess_decoder *decoder, const expected *e) {
    int width, height, channels, worst = 0;
    size_t off = 0;
    if (!CHECK(begin(decoder, e))) return;
    while (tess_decoder_step(decoder) == TESS_MORE) continue;
    const uint8_t *pixels = tess_decoder_pixels(decoder, &width, &height, &channels);
    if (!CHECK(pixels != NULL) || !CHECK_INT((size_t)width * (size_t)height * (size_t)channels, e->output->count))
        return;
    for (size_t i = 0; i < e->output->count; i++) {
        const int d = abs(pixels[i] - e->output->data[i]);
        if (d > worst) worst = d;
        off += d > 0;
    }
    CHECK(worst <= 1);
    CHECK(off <= e->output->count / 100);
}

static void check_model(const tess_model *model, const char *name) {
    expected e = expected_open(name);
    tess_encoder *encoder = tess_encoder_new(model);
    tess_decoder *decoder = tess_decoder_new(model);
    if (CHECK(e.image && e.output && (e.tokens || e.latents)) && CHECK(encoder && decoder)) {
        if (e.tokens) check_tokens(encoder, &e);
        else check_latents(encoder, &e);
        check_output(decoder, &e);
        if (tess_encoder_message(encoder)[0]) printf("%s: %s\n", name, tess_encoder_message(encoder));
        if (tess_decoder_message(decoder)[0]) printf("%s: %s\n", name, tess_decoder_message(decoder));
    }
    tess_encoder_free(encoder);
    tess_decoder_free(decoder);
    expected_close(&e);
}

/* Loads a list in one container; NULL (and a failed check) if that does not work. */
static tess_model *load_list(const field_list *list, bool torch) {
    size_t size = 0;
    uint8_t *bytes = torch ? field_torch(list, &size) : field_safetensors(list, &size);
    tess_model *model = tess_model_new();
    if (!CHECK(bytes && model) || !CHECK_INT(tess_model_load(model, bytes, size), TESS_OK)) {
        printf("%s\n", tess_model_message(model));
        tess_model_free(model);
        model = NULL;
    }
    ts_free(bytes);
    return model;
}

/* A text member of the model's info, or "". */
static const char *info(const tess_model *model, const char *key, char text[64]) {
    ts_json doc;
    text[0] = 0;
    if (ts_json_parse(&doc, tess_model_info(model), strlen(tess_model_info(model)), NULL)) return text;
    ts_json_string(&doc, ts_json_get(&doc, 0, key), text, 64);
    ts_json_free(&doc);
    return text;
}

static int info_number(const tess_model *model, const char *key) {
    ts_json doc;
    if (ts_json_parse(&doc, tess_model_info(model), strlen(tess_model_info(model)), NULL)) return -1;
    const int number = (int)ts_json_number(&doc, ts_json_get(&doc, 0, key), -1);
    ts_json_free(&doc);
    return number;
}

/* ---- families ------------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *list, *name;
    int factor;
} cases[] = {{"taming", "vqgan-f4-64", 4},
             {"ldm_f4", "vqgan-f4-64", 4},
             {"ldm_noattn", "vqgan-f2-64", 2},
             {"llamagen", "llamagen-f4-64", 4},
             {"diffusers", "diffusers-vq-f4-64", 4},
             {"diffusers_old", "diffusers-vq-f2-64", 2},
             {"tiny", "taesd", 8},
             {"tiny_diffusers", "taesd", 8},
             {"tiny_pool", "taesd", 8}};

static void test_families(void) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[64];
        field_list list = field_read(cases[i].list, 0);
        test_row("%s", cases[i].list);
        tess_model *model = load_list(&list, false);
        if (model) {
            CHECK_TEXT(info(model, "name", text), cases[i].name);
            CHECK_INT(info_number(model, "factor"), cases[i].factor);
            check_model(model, cases[i].list);
        }
        tess_model_free(model);
        field_free(&list);
    }
}

/* The container changes nothing; a model imported, saved and loaded again is the same, in the width it came in. */
static void test_containers(void) {
    const char *const names[] = {"taming", "ldm_f4", "tiny_pool"};
    for (int i = 0; i < 3; i++) {
        char hash[64], again_hash[64];
        const uint8_t *bytes = NULL;
        size_t size = 0;
        field_list list = field_read(names[i], 0);
        test_row("%s", names[i]);
        tess_model *plain = load_list(&list, false), *torch = load_list(&list, true), *again = tess_model_new();
        if (plain && torch && again) {
            CHECK_TEXT(info(torch, "hash", hash), info(plain, "hash", again_hash));
            CHECK_INT(tess_model_save(torch, -1, &bytes, &size), TESS_OK);
            CHECK_INT(tess_model_load(again, bytes, size), TESS_OK);
            CHECK_TEXT(info(again, "hash", again_hash), hash);
            ts_safetensors *file = NULL;
            CHECK_INT(ts_safetensors_open(&file, bytes, size, NULL), TESS_OK);
            if (file) CHECK_INT(ts_safetensors_find(file, "decoder.1.weight")->dtype, list.dtype);
            ts_safetensors_close(file);
        }
        tess_model_free(plain);
        tess_model_free(torch);
        tess_model_free(again);
        field_free(&list);
    }
}

/* TAESD's halves as two files, in either order. */
static void test_pair(void) {
    field_list list = field_read("tiny_pool", 0);
    field_list encoder = field_part(&list, "encoder."), decoder = field_part(&list, "decoder.");
    size_t sizes[2] = {0, 0}, whole_size = 0;
    uint8_t *files[2] = {field_safetensors(&encoder, &sizes[0]), field_torch(&decoder, &sizes[1])};
    tess_model *whole = load_list(&list, false), *model = tess_model_new();
    char hash[64], want[64];
    if (CHECK(files[0] && files[1] && whole && model)) {
        for (int first = 0; first < 2; first++) {
            test_row("first %d", first);
            CHECK_INT(tess_model_load_pair(model, files[first], sizes[first], files[!first], sizes[!first]), TESS_OK);
            CHECK_TEXT(info(model, "hash", hash), info(whole, "hash", want));
        }
        check_model(model, "tiny_pool");
        for (int half = 0; half < 2; half++) {
            test_row("half %d", half);
            CHECK_INT(tess_model_load(model, files[half], sizes[half]), TESS_ERR_MODEL);
            CHECK(strstr(tess_model_message(model), half ? "only the decoder" : "only the encoder") != NULL);
            CHECK_INT(tess_model_load_pair(model, files[half], sizes[half], files[half], sizes[half]), TESS_ERR_MODEL);
        }
        const uint8_t *bytes = NULL;
        CHECK_INT(tess_model_save(whole, 0, &bytes, &whole_size), TESS_OK);
        CHECK_INT(tess_model_load_pair(model, bytes, whole_size, files[0], sizes[0]), TESS_ERR_MODEL);
        CHECK(strstr(tess_model_message(model), "needs no second") != NULL);
    }
    ts_free(files[0]);
    ts_free(files[1]);
    tess_model_free(whole);
    tess_model_free(model);
    field_free(&encoder);
    field_free(&decoder);
    field_free(&list);
}

/* ---- full size ----------------------------------------------------------------------------------------------------------- */

/* All 343 names of each scheme. The taming weights run on a picture; the others' config and parameters must come out. */
static void test_full_size(void) {
    static const struct {
        const char *name;
        int params;
    } rows[] = {{"vqgan-f16-1024", 72141699}, {"diffusers-vq-f16-1024", 72141699}, {"llamagen-f16-16384", 71883403}};
    for (int column = 0; column < 3; column++) {
        char text[64];
        field_list list = field_read("keys", column);
        list.dtype = TS_F16;
        test_row("%s", rows[column].name);
        CHECK_INT(list.count, 343);
        tess_model *model = load_list(&list, false);
        if (model) {
            CHECK_TEXT(info(model, "name", text), rows[column].name);
            CHECK_INT(info_number(model, "params"), rows[column].params);
            CHECK_INT(info_number(model, "factor"), 16);
            if (column == 0) check_model(model, "taming_f16");
        }
        tess_model_free(model);
        field_free(&list);
    }
}

/* ---- what does not fit ---------------------------------------------------------------------------------------------------- */

static void check_refused(const field_list *list, const char *says) {
    size_t size = 0;
    uint8_t *bytes = field_safetensors(list, &size);
    tess_model *model = tess_model_new();
    if (CHECK(bytes && model)) {
        CHECK_INT(tess_model_load(model, bytes, size), TESS_ERR_MODEL);
        if (!CHECK(strstr(tess_model_message(model), says) != NULL)) printf("%s\n", tess_model_message(model));
    }
    tess_model_free(model);
    ts_free(bytes);
}

static void test_misfits(void) {
    static const struct {
        const char *list, *tensor, *alias; /* `alias` NULL: the tensor is lengthened instead */
        const char *says;
    } rows[] = {
        {"taming", "encoder.down.1.block.0.nin_shortcut.weight", "encoder.down.1.block.0.conv_shortcut.weight",
         "encoder.down.1.block.0.nin_shortcut.weight is missing"},
        {"taming", "decoder.mid.attn_1.k.weight", NULL, "decoder.mid.attn_1.k.weight has shape"},
        {"taming", "encoder.norm_out.bias", NULL, "encoder.norm_out.bias has shape"},
        {"taming", "quantize.embedding.weight", "quantize.embed.weight", "quantize.embedding is missing"},
        {"taming", "loss.logvar", "decoder.extra.weight", "decoder.extra.weight has no place"},
        {"taming", "encoder.down.0.block.0.conv1.weight", "encoder.stem.weight", "neither a Tesserae model"},
        {"llamagen", "decoder.conv_blocks.0.upsample.conv.bias", NULL,
         "decoder.conv_blocks.0.upsample.conv.bias has shape"},
        {"diffusers", "encoder.mid_block.attentions.0.to_q.weight", "encoder.mid_block.attentions.0.to_x.weight",
         "attentions.0.to_q.weight is missing"},
        {"tiny", "decoder.7.weight", "decoder.7.norm.weight", "decoder.7.weight is missing"},
        {"tiny", "encoder.3.conv.2.bias", "encoder.3.conv.2.offset", "encoder.3.conv.2 has no bias"},
        {"tiny_pool", "encoder.11.pool.1.weight", NULL, "encoder.11.pool.1.weight has shape"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        field_list list = field_read(rows[i].list, 0);
        field_tensor *t = field_find(&list, rows[i].tensor);
        test_row("%s %s", rows[i].list, rows[i].tensor);
        if (CHECK(t != NULL)) {
            if (rows[i].alias) snprintf(t->alias, sizeof t->alias, "%s", rows[i].alias);
            else t->shape[t->rank > 1]++, t->count = t->count / (t->shape[t->rank > 1] - 1) * t->shape[t->rank > 1];
            check_refused(&list, rows[i].says);
        }
        field_free(&list);
    }
}

static void test_memory_out(void) {
    field_list list = field_read("tiny", 0);
    size_t size = 0;
    uint8_t *bytes = field_torch(&list, &size);
    tess_model *model = tess_model_new();
    field_free(&list);
    const long live = ts_test_alloc_live();
    tess_status status = CHECK(bytes && model) ? TESS_ERR_MEMORY : TESS_OK;
    long n = 1;
    for (; status == TESS_ERR_MEMORY && n < 10000; n++) {
        ts_test_alloc_fail_at(n);
        status = tess_model_load(model, bytes, size);
        ts_test_alloc_fail_at(0);
        test_row("allocation %ld", n);
        if (status == TESS_ERR_MEMORY) CHECK_INT(ts_test_alloc_live(), live);
    }
    CHECK_INT(status, TESS_OK);
    CHECK(n > 10);
    tess_model_free(model);
    ts_free(bytes);
}

int main(void) {
    RUN(test_families);
    RUN(test_containers);
    RUN(test_pair);
    RUN(test_full_size);
    RUN(test_misfits);
    RUN(test_memory_out);
    return test_end();
}
