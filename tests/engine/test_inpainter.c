/* test_inpainter.c - parts of pictures made up by copies and by priors: what is not masked stays to the bit, what lies under the
 * mask counts for nothing, any size of picture and mask, the same picture for the same seed. The models are the PyTorch twin's: a
 * convolutional prior at factor 4, and a transformer for 16 x 16 pixels. */
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "test.h"
#include "tiny.h"
#include "twin.h"

static twin_file conv_file, text_file;
static tess_model *conv_model, *text_model, *bare_model; /* the last one without a prior */

typedef struct picture {
    int width, height, channels;
    uint8_t *pixels, *mask;
} picture;

enum { NOTHING, EVERYTHING, DISC, STROKES, EDGE, DUST };

static bool masked(int form, int y, int x, int height, int width) {
    switch (form) {
    case NOTHING: return false;
    case EVERYTHING: return true;
    case DISC: return hypot(y - height * 0.5, x - width * 0.4) < 0.25 * fmin(width, height) + 1;
    case STROKES: return (x + y) % 23 < 3;
    case EDGE: return x >= width - width / 3 || y < height / 5;
    default: return (x * 7 + y * 13) % 97 == 0;
    }
}

static picture make(int width, int height, int channels, int form) {
    const size_t pixels = (size_t)width * (size_t)height;
    picture p = {width, height, channels, malloc(pixels * (size_t)channels), malloc(pixels)};
    tiny_picture(p.pixels, width, height, channels);
    for (size_t i = 0; i < pixels; i++)
        p.mask[i] = masked(form, (int)(i / (size_t)width), (int)(i % (size_t)width), height, width) ? 200 : 0;
    return p;
}

static void drop(picture *p) {
    free(p->pixels);
    free(p->mask);
}

/* Colours under the mask are replaced: they must not count. Alpha stays. */
static void poison(picture *p, uint8_t value) {
    const size_t colours = p->channels == 1 ? 1 : 3;
    for (size_t i = 0; i < (size_t)p->width * (size_t)p->height; i++)
        if (p->mask[i]) memset(p->pixels + i * (size_t)p->channels, value, colours);
}

static tess_status finish(tess_inpainter *inpainter) {
    tess_status status = TESS_MORE;
    for (double before = 0; status == TESS_MORE; before = tess_inpainter_progress(inpainter)) {
        CHECK(tess_inpainter_pixels(inpainter, NULL, NULL) == NULL);
        status = tess_inpainter_step(inpainter);
        CHECK(tess_inpainter_progress(inpainter) >= before);
    }
    return status;
}

/* The finished picture, to be freed. */
static uint8_t *result(tess_inpainter *inpainter, const picture *p) {
    const size_t bytes = (size_t)p->width * (size_t)p->height * (size_t)p->channels;
    int width, height;
    const uint8_t *pixels = tess_inpainter_pixels(inpainter, &width, &height);
    uint8_t *copy = calloc(bytes, 1);
    if (CHECK(pixels && width == p->width && height == p->height)) memcpy(copy, pixels, bytes);
    CHECK_NEAR(tess_inpainter_progress(inpainter), 1, 0);
    return copy;
}

static uint8_t *inpaint(tess_inpainter *inpainter, const picture *p) {
    const size_t pixels = (size_t)p->width * (size_t)p->height;
    uint8_t *mask;
    uint8_t *room = tess_inpainter_begin(inpainter, p->width, p->height, p->channels, &mask);
    if (!CHECK(room)) {
        printf("%s\n", tess_inpainter_message(inpainter));
        return calloc(pixels * (size_t)p->channels, 1);
    }
    memcpy(room, p->pixels, pixels * (size_t)p->channels);
    memcpy(mask, p->mask, pixels);
    CHECK_INT(finish(inpainter), TESS_DONE);
    CHECK_INT(tess_inpainter_step(inpainter), TESS_DONE);
    return result(inpainter, p);
}

enum { AUTO = -1, COPY, PRIOR };

static tess_inpainter *inpainter_of(const tess_model *model, int method, int seed, int threads) {
    tess_inpainter *inpainter = tess_inpainter_new(model);
    CHECK_INT(tess_inpainter_set(inpainter, "method", method), TESS_OK);
    CHECK_INT(tess_inpainter_set(inpainter, "steps", 3), TESS_OK);
    CHECK_INT(tess_inpainter_set(inpainter, "seed", seed), TESS_OK);
    CHECK_INT(tess_inpainter_set(inpainter, "threads", threads), TESS_OK);
    return inpainter;
}

/* Pixels outside the mask, and all alpha, are as they were. */
static void check_kept(const picture *p, const uint8_t *got) {
    int changed = 0;
    for (size_t i = 0; i < (size_t)p->width * (size_t)p->height; i++)
        for (int c = 0; c < p->channels; c++) {
            const size_t at = i * (size_t)p->channels + (size_t)c;
            if (!p->mask[i] || c == 3) changed += got[at] != p->pixels[at];
        }
    CHECK_INT(changed, 0);
}

static void check_picture(const tess_model *model, int method, int width, int height, int channels, int form) {
    const size_t bytes = (size_t)width * (size_t)height * (size_t)channels;
    picture p = make(width, height, channels, form), other = make(width, height, channels, form);
    test_row("%d x %d x %d, mask %d, method %d", width, height, channels, form, method);
    poison(&p, 255);
    poison(&other, 13);
    tess_inpainter *a = inpainter_of(model, method, 1, 1), *b = inpainter_of(model, method, 1, 3);
    uint8_t *first = inpaint(a, &p), *again = inpaint(a, &p), *second = inpaint(b, &other);
    check_kept(&p, first);
    CHECK_BYTES(first, again, bytes);
    CHECK_BYTES(first, second, bytes);
    free(first), free(again), free(second);
    tess_inpainter_free(a);
    tess_inpainter_free(b);
    drop(&p);
    drop(&other);
}

static void test_pictures(void) {
    static const int sizes[][3] = {{1, 1, 3}, {3, 5, 1}, {2, 40, 4}, {64, 64, 3}, {97, 50, 4}, {301, 210, 1}};
    for (int i = 0; i < 6; i++)
        for (int form = 0; form <= DUST; form++)
            for (int method = AUTO; method <= PRIOR; method += 2)
                check_picture(conv_model, method, sizes[i][0], sizes[i][1], sizes[i][2], form);
    for (int form = 0; form <= DUST; form++) check_picture(text_model, AUTO, 16, 16, 3, form);
    check_picture(text_model, AUTO, 13, 15, 4, DISC);
    check_picture(text_model, COPY, 100, 80, 3, DISC);
    check_picture(bare_model, AUTO, 100, 80, 3, DISC);
    check_picture(bare_model, AUTO, 90, 101, 4, EDGE);
}

/* Only a small part of a large picture is worked on, and it may lie anywhere. */
static void test_corner(void) {
    picture p = make(2000, 1500, 3, NOTHING);
    for (int y = 1490; y < 1500; y++) memset(p.mask + y * 2000 + 1970, 1, 30);
    tess_inpainter *a = inpainter_of(conv_model, AUTO, 1, 1);
    uint8_t *got = inpaint(a, &p);
    check_kept(&p, got);
    CHECK(memcmp(got, p.pixels, 2000 * 1500 * 3) != 0);
    free(got);
    tess_inpainter_free(a);
    drop(&p);
}

/* The picture of a job that is done once more. */
static uint8_t *again(tess_inpainter *inpainter, const picture *p) {
    CHECK_INT(tess_inpainter_again(inpainter), TESS_OK);
    CHECK_INT(finish(inpainter), TESS_DONE);
    uint8_t *got = result(inpainter, p);
    check_kept(p, got);
    return got;
}

static void test_again(void) {
    picture p = make(80, 60, 3, DISC);
    const size_t bytes = 80 * 60 * 3;
    tess_inpainter *a = inpainter_of(conv_model, PRIOR, 1, 1), *b = inpainter_of(conv_model, PRIOR, 2, 1);
    uint8_t *first = inpaint(a, &p), *second = inpaint(b, &p);
    CHECK(memcmp(first, second, bytes) != 0);
    CHECK_INT(tess_inpainter_set(a, "seed", 2), TESS_OK);
    CHECK_INT(tess_inpainter_again(a), TESS_OK);
    CHECK_INT(tess_inpainter_set(a, "seed", 3), TESS_ERR_STATE);
    CHECK_INT(tess_inpainter_again(a), TESS_ERR_STATE);
    CHECK_INT(finish(a), TESS_DONE);
    uint8_t *once_more = result(a, &p);
    CHECK_BYTES(once_more, second, bytes);
    CHECK_INT(tess_inpainter_set(a, "feather", 5), TESS_OK);
    uint8_t *feathered = again(a, &p);
    CHECK(memcmp(feathered, second, bytes) != 0);
    free(first), free(second), free(once_more), free(feathered);
    tess_inpainter_free(a);
    tess_inpainter_free(b);
    drop(&p);
}

/* Copies: the first picture is of the best matches, whatever the seed; further ones are drawn. */
static void test_copies(void) {
    picture p = make(160, 120, 3, DISC);
    const size_t bytes = 160 * 120 * 3;
    tess_inpainter *a = inpainter_of(conv_model, COPY, 1, 1), *b = inpainter_of(conv_model, AUTO, 9, 2);
    CHECK_INT(tess_inpainter_set(a, "temperature", 5), TESS_OK);
    uint8_t *first = inpaint(a, &p), *same = inpaint(b, &p), *drawn = again(a, &p);
    CHECK_BYTES(first, same, bytes);
    CHECK(memcmp(first, drawn, bytes) != 0);
    CHECK_INT(tess_inpainter_set(a, "seed", 2), TESS_OK);
    uint8_t *other = again(a, &p);
    CHECK(memcmp(other, drawn, bytes) != 0);
    CHECK_INT(tess_inpainter_set(a, "temperature", 0), TESS_OK);
    uint8_t *best = again(a, &p);
    CHECK_BYTES(first, best, bytes);
    free(first), free(same), free(drawn), free(other), free(best);
    tess_inpainter_free(a);
    tess_inpainter_free(b);
    drop(&p);
}

/* A job left half done hinders nothing. */
static void test_left(void) {
    picture p = make(160, 120, 3, DISC);
    for (int method = COPY; method <= PRIOR; method++) {
        tess_inpainter *a = inpainter_of(conv_model, method, 1, 1);
        uint8_t *want = inpaint(a, &p), *mask;
        for (int steps = 1; steps < 5; steps++) {
            uint8_t *room = tess_inpainter_begin(a, 160, 120, 3, &mask);
            if (!CHECK(room)) break;
            memcpy(room, p.pixels, 160 * 120 * 3);
            memcpy(mask, p.mask, 160 * 120);
            for (int i = 0; i < steps; i++) CHECK(tess_inpainter_step(a) >= 0);
            CHECK(tess_inpainter_begin(a, 8, 8, 3, &mask));
            CHECK_INT(tess_inpainter_set(a, "seed", 1), TESS_OK);
        }
        uint8_t *got = inpaint(a, &p);
        CHECK_BYTES(got, want, 160 * 120 * 3);
        free(want), free(got);
        tess_inpainter_free(a);
    }
    drop(&p);
}

/* A flat picture: whatever is decoded, its colours meet the surroundings at the mask's edge. */
static void test_blend(void) {
    picture p = make(60, 60, 3, DISC);
    for (int feather = 0; feather <= 4; feather += 4) {
        memset(p.pixels, 180, 60 * 60 * 3);
        tess_inpainter *a = inpainter_of(conv_model, AUTO, 1, 1);
        CHECK_INT(tess_inpainter_set(a, "feather", feather), TESS_OK);
        uint8_t *got = inpaint(a, &p);
        /* The mean over the edge, inside: gradients of the decoded picture remain, its level does not. */
        double sum = 0, count = 0;
        for (int i = 61; i < 60 * 59; i++)
            if (p.mask[i] && (!p.mask[i - 1] || !p.mask[i + 1] || !p.mask[i - 60] || !p.mask[i + 60]))
                for (int c = 0; c < 3; c++) sum += got[i * 3 + c], count++;
        CHECK_NEAR(sum / count, 180, 12);
        free(got);
        tess_inpainter_free(a);
    }
    drop(&p);
}

static void test_options(void) {
    static const struct {
        const char *name;
        double good, bad;
    } rows[] = {{"method", 1, 2}, {"seed", 7, -1},   {"steps", 2, 0},    {"temperature", 0.5, -1}, {"top_k", 3, 0.5},
                {"top_p", 1, 2},  {"levels", 1, 17}, {"feather", 9, -1}, {"threads", 2, 0},        {"feather", 0, NAN}};
    tess_inpainter *a = tess_inpainter_new(conv_model);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        test_row("%s", rows[i].name);
        CHECK_INT(tess_inpainter_set(a, rows[i].name, rows[i].good), TESS_OK);
        CHECK_INT(tess_inpainter_set(a, rows[i].name, rows[i].bad), TESS_ERR_OPTION);
        CHECK(strstr(tess_inpainter_message(a), rows[i].name));
    }
    CHECK_INT(tess_inpainter_set(a, "class", 1), TESS_ERR_OPTION);
    CHECK(strstr(tess_inpainter_message(a), "feather"));
    CHECK_INT(tess_inpainter_set(a, NULL, 1), TESS_ERR_STATE);
    CHECK_INT(tess_inpainter_set(NULL, "seed", 1), TESS_ERR_STATE);
    tess_inpainter_free(a);
}

static void test_refusals(void) {
    tess_inpainter *a = tess_inpainter_new(conv_model), *b = tess_inpainter_new(text_model),
                   *c = tess_inpainter_new(bare_model);
    uint8_t *mask;
    CHECK(!tess_inpainter_new(NULL));
    CHECK_INT(tess_inpainter_step(a), TESS_ERR_STATE);
    CHECK_INT(tess_inpainter_again(a), TESS_ERR_STATE);
    CHECK(!tess_inpainter_begin(a, 0, 4, 3, &mask) && !tess_inpainter_begin(a, 4, 4, 2, &mask));
    CHECK(!tess_inpainter_begin(a, 65536, 1, 3, &mask));
    CHECK(strstr(tess_inpainter_message(a), "too large"));
    CHECK(!tess_inpainter_begin(b, 20, 16, 3, &mask));
    CHECK(strstr(tess_inpainter_message(b), "16 x 16 pixels, not 20 x 16"));
    CHECK(tess_inpainter_begin(c, 16, 16, 3, &mask));
    memset(mask, 1, 256); /* nothing to copy */
    tess_status status = TESS_MORE;
    while (status == TESS_MORE) status = tess_inpainter_step(c);
    CHECK_INT(status, TESS_ERR_INPUT);
    CHECK(strstr(tess_inpainter_message(c), "Too little"));
    CHECK_INT(tess_inpainter_step(c), TESS_ERR_STATE);
    CHECK_INT(tess_inpainter_set(c, "method", PRIOR), TESS_OK);
    CHECK(!tess_inpainter_begin(c, 16, 16, 3, &mask));
    CHECK(strstr(tess_inpainter_message(c), "has no prior"));
    CHECK_INT(tess_inpainter_step(NULL), TESS_ERR_STATE);
    CHECK(tess_inpainter_pixels(NULL, NULL, NULL) == NULL && tess_inpainter_progress(NULL) == 0);
    tess_inpainter_free(NULL);
    tess_inpainter_free(a);
    tess_inpainter_free(b);
    tess_inpainter_free(c);
}

int main(void) {
    conv_file = twin_open("prior_conv");
    text_file = twin_open("prior_text");
    conv_model = tess_model_new();
    text_model = tess_model_new();
    bare_model = tiny_model(TINY_CONFIG, 1);
    if (CHECK(conv_file.bytes && text_file.bytes &&
              tess_model_load(conv_model, conv_file.bytes, conv_file.size) == TESS_OK &&
              tess_model_load(text_model, text_file.bytes, text_file.size) == TESS_OK)) {
        RUN(test_pictures);
        RUN(test_corner);
        RUN(test_again);
        RUN(test_copies);
        RUN(test_left);
        RUN(test_blend);
        RUN(test_options);
        RUN(test_refusals);
    }
    tess_model_free(conv_model);
    tess_model_free(text_model);
    tess_model_free(bare_model);
    twin_close(&conv_file);
    twin_close(&text_file);
    return test_end();
}
