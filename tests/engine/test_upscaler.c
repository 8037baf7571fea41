/* Upscaling: the twin's values, tiles against the whole, threads, channels, odd sizes, wrong calls, allocations that fail. */
#define TS_TEST_ALLOC
#include "base/alloc.c"

#include "test.h"
#include "tiny.h"
#include "twin.h"

#include <stdlib.h>

#include "engine/engine.h"

static tess_model *model; /* nets of 8 pixels to a latent, and a part that upscales 2 and 4 times */

typedef struct picture {
    uint8_t *data;
    int width, height, channels;
} picture;

static picture made(int width, int height, int channels) {
    picture p = {ts_alloc((size_t)width * (size_t)height * (size_t)channels), width, height, channels};
    tiny_picture(p.data, width, height, channels);
    return p;
}

static size_t bytes_of(const picture *p) { return (size_t)p->width * (size_t)p->height * (size_t)p->channels; }

/* A job to its end; *out is a copy, to be freed. */
static tess_status run(tess_upscaler *u, const picture *in, picture *out) {
    uint8_t *room = tess_upscaler_begin(u, in->width, in->height, in->channels);
    if (!room) return TESS_ERR_MEMORY;
    memcpy(room, in->data, bytes_of(in));
    tess_status status = TESS_MORE;
    double before = 0;
    while (status == TESS_MORE) {
        status = tess_upscaler_step(u);
        CHECK(tess_upscaler_progress(u) >= before || status < 0);
        before = tess_upscaler_progress(u);
    }
    if (status < 0) return status;
    CHECK_NEAR(before, 1, 0);
    const uint8_t *pixels = tess_upscaler_pixels(u, &out->width, &out->height, &out->channels);
    out->data = malloc(bytes_of(out));
    memcpy(out->data, pixels, bytes_of(out));
    return TESS_OK;
}

static tess_upscaler *with(const tess_model *m, int factor, double sharpness, int threads, int tile) {
    tess_upscaler *u = tess_upscaler_new(m);
    CHECK_INT(tess_upscaler_set(u, "factor", factor), TESS_OK);
    CHECK_INT(tess_upscaler_set(u, "sharpness", sharpness), TESS_OK);
    CHECK_INT(tess_upscaler_set(u, "threads", threads), TESS_OK);
    CHECK_INT(tess_upscaler_set(u, "tile", tile), TESS_OK);
    return u;
}

static picture upscaled(const tess_model *m, const picture *in, int factor, double sharpness, int threads, int tile) {
    tess_upscaler *u = with(m, factor, sharpness, threads, tile);
    picture out = {0};
    if (!CHECK_INT(run(u, in, &out), TESS_OK)) printf("    %s\n", tess_upscaler_message(u));
    tess_upscaler_free(u);
    return out;
}

/* ---- the twin ---------------------------------------------------------------------------------------------------- */

/* [-1, 1] as a byte. */
static int byte_of(double v) {
    v = (v + 1) * 127.5;
    return v < 0 ? 0 : v > 255 ? 255 : (int)(v + 0.5);
}

/* Most that pixels differ from the twin's mixture of its answers, [3][h][w] each. */
static int worst(const picture *p, const float *smooth, const float *sharp, double sharpness) {
    const size_t plane = (size_t)p->width * (size_t)p->height;
    int most = 0;
    for (size_t i = 0; i < plane; i++)
        for (size_t c = 0; c < 3; c++) {
            const double a = (double)smooth[c * plane + i], b = (double)sharp[c * plane + i];
            const int off = abs(byte_of(a + sharpness * (b - a)) - p->data[i * 3 + c]);
            if (off > most) most = off;
        }
    return most;
}

static void test_twin(void) {
    static const char *const names[] = {"2.even.", "2.odd.", "4.even.", "4.odd."};
    twin_file nets = twin_open("upscaler"), values = twin_open("upscaler_values");
    tess_model *m = tess_model_new();
    if (!CHECK(nets.file && values.file) || !CHECK_INT(tess_model_load(m, nets.bytes, nets.size), TESS_OK)) return;
    for (int i = 0; i < 4; i++) {
        char name[32];
        size_t count;
        snprintf(name, sizeof name, "%sx", names[i]);
        const ts_file_tensor *x = ts_safetensors_find(values.file, name);
        float *smooth = twin_floats(&values, names[i], "smooth", &count);
        float *sharp = twin_floats(&values, names[i], "sharp", &count);
        if (!CHECK(x && smooth && sharp)) return;
        const picture in = {(uint8_t *)x->data, (int)x->shape[2], (int)x->shape[1], 3};
        for (int s = 0; s <= 4; s++) {
            test_row("%s sharpness %g", names[i], s / 4.0);
            picture out = upscaled(m, &in, names[i][0] - '0', s / 4.0, 1, 0);
            CHECK_INT(count, out.width * out.height * 3);
            CHECK(worst(&out, smooth, sharp, s / 4.0) <= 1);
            free(out.data);
        }
        free(smooth);
        free(sharp);
    }
    tess_model_free(m);
    twin_close(&nets);
    twin_close(&values);
}

/* ---- tiles and threads ------------------------------------------------------------------------------------------- */

/* The share of bytes that differ by more than one. */
static double apart(const picture *a, const picture *b) {
    size_t count = 0;
    for (size_t i = 0; i < bytes_of(a); i++) count += abs(a->data[i] - b->data[i]) > 1;
    return (double)count / (double)bytes_of(a);
}

static void test_tiles(void) {
    const picture in = made(61, 47, 3);
    for (int factor = 2; factor <= 4; factor += 2)
        for (int s = 0; s <= 2; s++) {
            picture whole = upscaled(model, &in, factor, s / 2.0, 1, 1000);
            CHECK_INT(whole.width, 61 * factor);
            CHECK_INT(whole.height, 47 * factor);
            CHECK_INT(whole.channels, 3);
            for (int tile = 3; tile < 12; tile += 4) {
                test_row("factor %d, sharpness %g, tiles of %d", factor, s / 2.0, tile);
                picture cut = upscaled(model, &in, factor, s / 2.0, 1, tile);
                CHECK_NEAR(apart(&whole, &cut), 0, s ? 0.01 : 0); /* a code at its border may fall the other way */
                free(cut.data);
            }
            free(whole.data);
        }
    ts_free(in.data);
}

static void test_threads(void) {
    const picture in = made(61, 47, 4);
    for (int factor = 2; factor <= 4; factor += 2) {
        picture one = upscaled(model, &in, factor, 0.6, 1, 8), three = upscaled(model, &in, factor, 0.6, 3, 8);
        CHECK_BYTES(one.data, three.data, bytes_of(&one));
        free(one.data);
        free(three.data);
    }
    ts_free(in.data);
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

static void test_sharpness(void) {
    const picture in = made(20, 30, 3);
    picture all[3];
    for (int s = 0; s < 3; s++) all[s] = upscaled(model, &in, 4, s / 2.0, 1, 0);
    CHECK(apart(&all[0], &all[2]) > 0.1); /* there is something between */
    int clipped = 0;
    for (size_t i = 0; i < bytes_of(&all[0]); i++) {
        const int a = all[0].data[i], b = all[2].data[i];
        if (a % 255 == 0 || b % 255 == 0) clipped++;
        else CHECK_NEAR(all[1].data[i], (a + b) / 2.0, 1.01);
    }
    CHECK(clipped < (int)bytes_of(&all[0]) / 2);
    for (int s = 0; s < 3; s++) free(all[s].data);
    ts_free(in.data);
}

static void test_grey(void) {
    const picture in = made(12, 9, 1);
    picture out = upscaled(model, &in, 2, 0.5, 1, 0);
    CHECK_INT(out.channels, 3);
    for (size_t i = 0; i < bytes_of(&out); i += 3)
        CHECK(out.data[i] == out.data[i + 1] && out.data[i] == out.data[i + 2]);
    free(out.data);
    ts_free(in.data);
}

static void test_alpha(void) {
    picture in = made(24, 20, 4), plain = {ts_alloc(24 * 20 * 3), 24, 20, 3};
    for (int s = 0; s <= 1; s++) {
        picture out = upscaled(model, &in, 4, s, 1, 4);
        CHECK_INT(out.channels, 4);
        CHECK_INT(out.data[3], 0);                        /* a corner of the disc */
        CHECK_INT(out.data[(40 * 96 + 48) * 4 + 3], 255); /* its middle */
        for (int i = 0; i < 24 * 20; i++)                 /* hidden colours are of no consequence */
            if (in.data[i * 4 + 3] == 0) in.data[i * 4] ^= 255;
        picture again = upscaled(model, &in, 4, s, 1, 4);
        CHECK_BYTES(out.data, again.data, bytes_of(&out));
        free(out.data);
        free(again.data);
    }
    for (int i = 0; i < 24 * 20; i++) {
        in.data[i * 4 + 3] = 255;
        memcpy(plain.data + i * 3, in.data + i * 4, 3);
    }
    picture opaque = upscaled(model, &in, 2, 1, 1, 0), colours = upscaled(model, &plain, 2, 1, 1, 0);
    for (size_t i = 0; i < bytes_of(&opaque) / 4; i++) {
        CHECK_INT(opaque.data[i * 4 + 3], 255);
        CHECK_BYTES(opaque.data + i * 4, colours.data + i * 3, 3);
    }
    free(opaque.data);
    free(colours.data);
    ts_free(in.data);
    ts_free(plain.data);
}

static void test_sizes(void) {
    static const int sizes[][2] = {{1, 1}, {1, 37}, {50, 1}, {2, 3}, {8, 8}, {17, 5}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int factor = 2; factor <= 4; factor += 2) {
            test_row("%d x %d, factor %d", sizes[i][0], sizes[i][1], factor);
            const picture in = made(sizes[i][0], sizes[i][1], 4);
            picture out = upscaled(model, &in, factor, 0.3, 1, 0);
            CHECK(out.width == in.width * factor && out.height == in.height * factor && out.channels == 4);
            free(out.data);
            ts_free(in.data);
        }
}

/* ---- wrong calls ------------------------------------------------------------------------------------------------- */

static void check_option(tess_upscaler *u, const char *option, double value, const char *word) {
    test_row("%s %g", option, value);
    CHECK_INT(tess_upscaler_set(u, option, value), TESS_ERR_OPTION);
    CHECK(strstr(tess_upscaler_message(u), word));
}

static void test_options(void) {
    tess_upscaler *u = tess_upscaler_new(model);
    check_option(u, "factor", 3, "2 or 4");
    check_option(u, "factor", 8, "2 or 4");
    check_option(u, "sharpness", 1.5, "from 0 to 1");
    check_option(u, "sharpness", NAN, "from 0 to 1");
    check_option(u, "threads", 0, "from 1");
    check_option(u, "threads", 1.5, "whole number");
    check_option(u, "sharpnes", 1, "factor, sharpness, threads and tile");
    tess_upscaler_free(u);
    tess_upscaler_free(NULL);
    CHECK_INT(tess_upscaler_set(NULL, "factor", 2), TESS_ERR_STATE);
    CHECK_INT(tess_upscaler_step(NULL), TESS_ERR_STATE);
    CHECK(!tess_upscaler_begin(NULL, 1, 1, 3));
    CHECK(strstr(tess_upscaler_message(NULL), "no upscaler"));
}

static void test_states(void) {
    tess_upscaler *u = with(model, 2, 1, 1, 3);
    int width = 1;
    CHECK_INT(tess_upscaler_step(u), TESS_ERR_STATE);
    CHECK(!tess_upscaler_begin(u, 0, 5, 3));
    CHECK(!tess_upscaler_begin(u, 5, 5, 2));
    CHECK(strstr(tess_upscaler_message(u), "1, 3 or 4 channels"));
    CHECK(!tess_upscaler_begin(u, 70000, 5, 3));
    CHECK(strstr(tess_upscaler_message(u), "too large"));
    CHECK(tess_upscaler_begin(u, 33000, 1, 1)); /* large enough by itself, but not twice as large */
    CHECK_INT(tess_upscaler_step(u), TESS_ERR_TOO_LARGE);
    CHECK(strstr(tess_upscaler_message(u), "2 times as large"));
    uint8_t *room = tess_upscaler_begin(u, 30, 30, 1);
    memset(room, 90, 900);
    CHECK_INT(tess_upscaler_step(u), TESS_MORE);
    CHECK_INT(tess_upscaler_set(u, "factor", 4), TESS_ERR_STATE);
    CHECK(!tess_upscaler_pixels(u, &width, NULL, NULL));
    CHECK_INT(width, 0);
    while (tess_upscaler_step(u) == TESS_MORE) continue;
    CHECK_INT(tess_upscaler_step(u), TESS_DONE);
    CHECK(tess_upscaler_pixels(u, &width, NULL, NULL));
    CHECK_INT(width, 60);
    tess_upscaler_free(u);
}

static void check_model(const tess_model *m, int factor, const char *word) {
    tess_upscaler *u = with(m, factor, 1, 1, 0);
    const picture in = made(4, 4, 3);
    picture out = {0};
    CHECK_INT(run(u, &in, &out), TESS_ERR_MODEL);
    if (!CHECK(strstr(tess_upscaler_message(u), word))) printf("    %s\n", tess_upscaler_message(u));
    tess_upscaler_free(u);
    ts_free(in.data);
}

static void test_models(void) {
    tess_model *none = tiny_model(TINY_8_CONFIG, 3), *by4 = tiny_model(TINY_WHOLE_CONFIG, 3), *empty = tess_model_new();
    check_model(none, 4, "NAME.upscaler.safetensors");
    check_model(by4, 2, "try factor 4");
    const picture in = made(9, 9, 3);
    picture out = upscaled(by4, &in, 4, 1, 1, 0);
    CHECK_INT(out.width, 36);
    CHECK(!tess_upscaler_new(empty));
    free(out.data);
    ts_free(in.data);
    tess_model_free(none);
    tess_model_free(by4);
    tess_model_free(empty);
}

static void test_every_allocation(void) {
    const picture in = made(20, 17, 4);
    picture out = {0};
    tess_status status = TESS_ERR_MEMORY;
    long n = 1;
    const long live = ts_test_alloc_live();
    for (; status == TESS_ERR_MEMORY && n < 2000; n++) {
        test_row("allocation %ld", n);
        ts_test_alloc_fail_at(n);
        tess_upscaler *u = tess_upscaler_new(model);
        status = u ? tess_upscaler_set(u, "sharpness", 0.5) : TESS_ERR_MEMORY;
        if (!status) tess_upscaler_set(u, "tile", 6), tess_upscaler_set(u, "threads", 2);
        if (!status) status = run(u, &in, &out);
        ts_test_alloc_fail_at(0);
        if (status && u) {
            CHECK(strlen(tess_upscaler_message(u)) > 10);
            CHECK_INT(run(u, &in, &out), TESS_OK); /* memory is back: the same handle works */
        }
        free(out.data);
        out.data = NULL;
        tess_upscaler_free(u);
        CHECK_INT(ts_test_alloc_live(), live);
    }
    CHECK_INT(status, TESS_OK);
    CHECK(n > 30);
    ts_free(in.data);
}

int main(void) {
    size_t size;
    model = tiny_model(TINY_8_CONFIG, 3);
    char hash[17] = "";
    if (CHECK(model)) memcpy(hash, strstr(tess_model_info(model), "\"hash\":\"") + 8, 16);
    uint8_t *part = tiny_part_file(TINY_8_CONFIG, hash, TINY_UPSCALER, 7, &size);
    if (CHECK(part && tess_model_add(model, part, size) == TESS_OK)) {
        RUN(test_twin);
        RUN(test_tiles);
        RUN(test_threads);
        RUN(test_sharpness);
        RUN(test_grey);
        RUN(test_alpha);
        RUN(test_sizes);
        RUN(test_options);
        RUN(test_states);
        RUN(test_models);
        RUN(test_every_allocation);
    }
    ts_free(part);
    tess_model_free(model);
    return test_end();
}
