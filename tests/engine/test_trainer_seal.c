/* Sealing: with the encoder frozen a later model decodes the files of the one that was sealed, to other pixels. */
#include "test.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "engine/engine.h"
#include "engine/trainer.h"
#include "tiny.h"
#include "training.h"

#define FROM 20
enum { WIDTH = 44, HEIGHT = 36 };

/* A copy of what a call handed out. */
typedef struct bytes {
    uint8_t *data;
    size_t size;
} bytes;

static bytes copy_of(const uint8_t *data, size_t size) {
    bytes b = {malloc(size), size};
    memcpy(b.data, data, size);
    return b;
}

static bytes model_of(tess_trainer *t, int half) {
    const uint8_t *data = NULL;
    size_t size = 0;
    if (!CHECK(tess_trainer_model(t, half, &data, &size) == TESS_OK)) printf("%s\n", tess_trainer_message(t));
    return copy_of(data, size);
}

static bytes checkpoint_of(tess_trainer *t) {
    const uint8_t *data = NULL;
    size_t size = 0;
    CHECK_INT(tess_trainer_checkpoint(t, &data, &size), TESS_OK);
    return copy_of(data, size);
}

/* Config k, frozen from step `from` on. */
static tess_trainer *frozen_trainer(int k, int from) {
    char adversarial[128];
    snprintf(adversarial, sizeof adversarial, "{\"discriminator\":{\"layers\":2},\"from\":%d,\"freeze\":true}", from);
    return training_against(k, adversarial);
}

static bytes encode(bytes model) {
    static uint8_t picture[WIDTH * HEIGHT * 3];
    size_t size = 0;
    tess_model *m = tess_model_new();
    tiny_picture(picture, WIDTH, HEIGHT, 3);
    CHECK_INT(tess_model_load(m, model.data, model.size), TESS_OK);
    tess_encoder *e = tess_encoder_new(m);
    CHECK(tiny_encode(e, picture, WIDTH, HEIGHT, 3));
    const uint8_t *data = tess_encoder_bytes(e, &size);
    bytes file = copy_of(data, size);
    tess_encoder_free(e);
    tess_model_free(m);
    return file;
}

typedef struct decoded {
    uint8_t pixels[WIDTH * HEIGHT * 3];
    uint16_t tokens[2 * (WIDTH / 4) * (HEIGHT / 4)];
    char message[256];
} decoded;

static bool decode(bytes model, bytes file, decoded *out) {
    int levels, height, width, channels;
    tess_model *m = tess_model_new();
    if (!CHECK(tess_model_load(m, model.data, model.size) == TESS_OK)) printf("%s\n", tess_model_message(m));
    tess_decoder *d = tess_decoder_new(m);
    const bool ok = tiny_decode(d, file.data, file.size);
    memset(out, 0, sizeof *out);
    snprintf(out->message, sizeof out->message, "%s", tess_decoder_message(d));
    if (ok) {
        const uint16_t *tokens = tess_decoder_tokens(d, &levels, &height, &width);
        memcpy(out->tokens, tokens, (size_t)levels * (size_t)height * (size_t)width * sizeof *tokens);
        memcpy(out->pixels, tess_decoder_pixels(d, &width, &height, &channels), sizeof out->pixels);
    }
    tess_decoder_free(d);
    tess_model_free(m);
    return ok;
}

static uint64_t hash_of(bytes model) {
    tess_model *m = tess_model_new();
    CHECK_INT(tess_model_load(m, model.data, model.size), TESS_OK);
    const uint64_t hash = m->hash;
    tess_model_free(m);
    return hash;
}

/* The file of `before` reads the same in `after`, and both make the same file's tokens of a picture. */
static void check_reads(bytes before, bytes after) {
    static decoded one, two;
    bytes file = encode(before), later = encode(after);
    CHECK(decode(before, file, &one) && decode(after, file, &two));
    CHECK_BYTES(one.tokens, two.tokens, sizeof one.tokens);
    CHECK(memcmp(one.pixels, two.pixels, sizeof one.pixels) != 0);
    if (CHECK_INT(file.size, later.size)) /* all but the fingerprint and the header's checksum */
        CHECK(decode(after, later, &two) && memcmp(one.tokens, two.tokens, sizeof one.tokens) == 0);
    CHECK(hash_of(before) != hash_of(after));
    CHECK(!decode(before, later, &two)); /* the way back is closed */
    char name[17];
    snprintf(name, sizeof name, "%016llx", (unsigned long long)hash_of(after));
    CHECK(strstr(two.message, name) != NULL);
    snprintf(name, sizeof name, "%016llx", (unsigned long long)hash_of(before));
    CHECK(strstr(two.message, name) != NULL);
    free(file.data);
    free(later.data);
}

static void test_later_models_read_sealed_files(void) {
    for (int k = 0; k < TRAINING_CONFIGS; k++) {
        if (strstr(training_configs[k], "\"none\"")) continue; /* no codes, no files */
        for (int half = 0; half < 2; half++) {
            test_row("config %d, half %d", k, half);
            tess_trainer *t = frozen_trainer(k, FROM);
            training_steps(t, FROM);
            bytes before = model_of(t, half);
            training_steps(t, 1);
            CHECK(t->sealed);
            CHECK_INT(t->adam_steps, 1);
            training_steps(t, 15);
            bytes after = model_of(t, half);
            check_reads(before, after);
            free(before.data);
            free(after.data);
            tess_trainer_free(t);
        }
    }
}

static int decoder_of(const tess_trainer *t) {
    int i = 0;
    while (strncmp(ts_params_at(t->params, i)->name, "decoder.", 8) != 0) i++;
    return i;
}

/* Not a bit of encoder, codes or code lengths moves, with weight decay or without; usage is still counted. */
static void test_frozen_parts_stand_still(void) {
    for (int k = 0; k < TRAINING_CONFIGS; k++) {
        test_row("config %d", k);
        tess_trainer *t = frozen_trainer(k, FROM);
        t->config.train.weight_decay = 0.1f;
        training_steps(t, FROM + 1);
        const size_t first = ts_params_at(t->params, decoder_of(t))->offset, floats = ts_params_floats(t->params),
                     count = (t->codebook < 0 ? floats : ts_params_at(t->params, t->codebook)->offset) - first;
        const size_t codes = (size_t)t->config.quantizer.size * 2;
        bytes values = copy_of((uint8_t *)t->values, floats * sizeof(float)),
              ema = copy_of((uint8_t *)t->ema, floats * sizeof(float));
        bytes bits = copy_of((uint8_t *)ts_quantizer_bits(t->quantizer), codes / 2 * sizeof(float));
        training_steps(t, 10);
        CHECK(first > 0 && first + count <= floats);
        CHECK_BYTES(values.data, t->values, first * sizeof(float));
        CHECK_BYTES(ema.data, t->ema, first * sizeof(float));
        CHECK(memcmp(values.data + first * sizeof(float), t->values + first, count * sizeof(float)) != 0);
        CHECK(memcmp(ema.data + first * sizeof(float), t->ema + first, count * sizeof(float)) != 0);
        CHECK_BYTES(values.data + (first + count) * sizeof(float), t->values + first + count,
                    (floats - first - count) * sizeof(float));
        CHECK_BYTES(bits.data, ts_quantizer_bits(t->quantizer), bits.size);
        CHECK(isnan(tess_trainer_stat(t, "commitment")));
        if (codes) CHECK(tess_trainer_stat(t, "used") > 1);
        if (codes) CHECK_INT(ts_learner_filled(t->learner)[0], 11 * 4 * 16);
        free(values.data);
        free(ema.data);
        free(bits.data);
        tess_trainer_free(t);
    }
}

/* The moving average becomes the weights, and Adam knows nothing. */
static void test_optimizers_start_anew(void) {
    for (int k = 0; k < TRAINING_CONFIGS; k++) {
        test_row("config %d", k);
        tess_trainer *t = frozen_trainer(k, FROM);
        const size_t floats = ts_params_floats(t->params);
        training_steps(t, FROM);
        CHECK(memcmp(t->values, t->ema, floats * sizeof(float)) != 0);
        CHECK_INT(ts_seal(t), TESS_OK);
        CHECK_BYTES(t->values, t->ema, floats * sizeof(float));
        CHECK_INT(t->adam_steps, 0);
        for (size_t i = 0; i < floats; i++) CHECK(t->first[i] == 0 && t->second[i] == 0);
        tess_trainer_free(t);
    }
}

/* A checkpoint before, at and after the seal goes on as if nothing had been, to the same model file. */
static void test_resume_across_the_seal(void) {
    static const int cuts[] = {FROM - 1, FROM, FROM + 1, FROM + 9};
    for (int k = 0; k < TRAINING_CONFIGS; k++) {
        tess_trainer *whole = frozen_trainer(k, FROM);
        training_steps(whole, FROM + 12);
        bytes wanted = checkpoint_of(whole), model = model_of(whole, 1);
        for (int c = 0; c < 4; c++) {
            test_row("config %d, after %d steps", k, cuts[c]);
            tess_trainer *t = frozen_trainer(k, FROM), *r = tess_trainer_new();
            training_steps(t, cuts[c]);
            bytes cut = checkpoint_of(t);
            training_pictures(r, 0, 5);
            if (!CHECK(tess_trainer_resume(r, cut.data, cut.size) == TESS_OK)) printf("%s\n", tess_trainer_message(r));
            training_steps(r, FROM + 12 - cuts[c]);
            bytes got = checkpoint_of(r), other = model_of(r, 1);
            if (CHECK_INT(got.size, wanted.size)) CHECK(memcmp(got.data, wanted.data, got.size) == 0);
            if (CHECK_INT(other.size, model.size)) CHECK(memcmp(other.data, model.data, other.size) == 0);
            free(cut.data);
            free(got.data);
            free(other.data);
            tess_trainer_free(t);
            tess_trainer_free(r);
        }
        free(wanted.data);
        free(model.data);
        tess_trainer_free(whole);
    }
}

/* init and freeze from 0: codes, tables and order are the file's; and a second seal reads the files of both before. */
static void test_init_frozen(void) {
    tess_trainer *a = training_new(training_configs[0]), *b = frozen_trainer(0, 0), *c = frozen_trainer(0, 0);
    training_steps(a, 30);
    bytes first = model_of(a, 1);
    CHECK_INT(tess_trainer_init(b, first.data, first.size), TESS_OK);
    CHECK(b->sealed);
    training_steps(b, 15);
    bytes second = model_of(b, 0);
    check_reads(first, second);
    CHECK_INT(tess_trainer_init(c, second.data, second.size), TESS_OK);
    training_steps(c, 15);
    bytes third = model_of(c, 0);
    check_reads(first, third);
    check_reads(second, third);
    CHECK(c->config.reads_count >= 2);
    /* a foreign model still reads neither */
    static decoded out;
    size_t size;
    uint8_t *foreign = tiny_model_file(TINY_CONFIG, 9, 0, &size);
    bytes file = encode(third);
    CHECK(!decode((bytes){foreign, size}, file, &out));
    ts_free(foreign);
    bytes theirs[] = {first, second, third, file};
    for (int i = 0; i < 4; i++) free(theirs[i].data);
    tess_trainer_free(a);
    tess_trainer_free(b);
    tess_trainer_free(c);
}

static void test_nothing_to_freeze(void) {
    tess_trainer *t = frozen_trainer(0, 0), *early = frozen_trainer(0, 3), *plain = training_new(training_configs[0]);
    char json[4096];
    CHECK_INT(tess_trainer_step(t), TESS_ERR_STATE);
    CHECK(strstr(tess_trainer_message(t), "init") != NULL);
    training_steps(early, 3);
    CHECK_INT(tess_trainer_step(early), TESS_ERR_STATE); /* codes are fitted at step 6 */
    /* "reads" of a config that begins anew are no longer true */
    snprintf(json, sizeof json, "{\"reads\":[\"0123456789abcdef\"],%s", training_configs[0] + 1);
    CHECK_INT(tess_trainer_config(plain, json, strlen(json)), TESS_OK);
    CHECK_INT(plain->config.reads_count, 0);
    CHECK(strstr(plain->json, "reads") == NULL);
    snprintf(json, sizeof json, "{\"reads\":[\"0123456789abcdeg\"],%s", training_configs[0] + 1);
    CHECK_INT(tess_trainer_config(plain, json, strlen(json)), TESS_ERR_INPUT);
    CHECK(strstr(tess_trainer_message(plain), "reads") != NULL);
    tess_trainer_free(t);
    tess_trainer_free(early);
    tess_trainer_free(plain);
}

int main(void) {
    RUN(test_later_models_read_sealed_files);
    RUN(test_frozen_parts_stand_still);
    RUN(test_optimizers_start_anew);
    RUN(test_resume_across_the_seal);
    RUN(test_init_frozen);
    RUN(test_nothing_to_freeze);
    return test_end();
}
