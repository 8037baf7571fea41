/* test_codec.c - pixels to .tess and back: sizes, alpha, tiles, threads, levels, regions, rate rules. */
#include <stdlib.h>

#include "base/alloc.h"
#include "test.h"
#include "tiny.h"

static tess_model *model;

typedef struct job {
    tess_encoder *encoder;
    tess_decoder *decoder;
    uint8_t *pixels;
    int width, height, channels;
} job;

static job job_new(int width, int height, int channels) {
    job j = {tess_encoder_new(model),
             tess_decoder_new(model),
             malloc((size_t)width * (size_t)height * (size_t)channels),
             width,
             height,
             channels};
    tiny_picture(j.pixels, width, height, channels);
    return j;
}

static void job_free(job *j) {
    tess_encoder_free(j->encoder);
    tess_decoder_free(j->decoder);
    free(j->pixels);
}

static bool encode(job *j) { return CHECK(tiny_encode(j->encoder, j->pixels, j->width, j->height, j->channels)); }

static bool decode(job *j) {
    size_t size;
    const uint8_t *bytes = tess_encoder_bytes(j->encoder, &size);
    return CHECK(bytes && size > 0) && CHECK(tiny_decode(j->decoder, bytes, size));
}

/* The decoder's tokens are the encoder's. */
static void check_tokens(const job *j) {
    int levels, height, width, levels2, height2, width2;
    const uint16_t *a = tess_encoder_tokens(j->encoder, &levels, &height, &width);
    const uint16_t *b = tess_decoder_tokens(j->decoder, &levels2, &height2, &width2);
    CHECK_INT(levels, levels2);
    CHECK_INT(height, (j->height + 3) / 4);
    CHECK_INT(width, (j->width + 3) / 4);
    CHECK_INT(height, height2);
    CHECK_INT(width, width2);
    if (CHECK(a && b)) CHECK_BYTES(a, b, (size_t)levels * (size_t)height * (size_t)width * sizeof *a);
}

static void test_round_trips(void) {
    static const int SIZES[][3] = {{1, 1, 3},    {1, 1, 4},   {7, 513, 3},  {513, 7, 1},
                                   {100, 37, 4}, {64, 64, 3}, {300, 290, 3}};
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        test_row("%d x %d x %d", SIZES[i][0], SIZES[i][1], SIZES[i][2]);
        job j = job_new(SIZES[i][0], SIZES[i][1], SIZES[i][2]);
        int width, height, channels;
        if (encode(&j) && decode(&j)) {
            check_tokens(&j);
            const uint8_t *out = tess_decoder_pixels(j.decoder, &width, &height, &channels);
            CHECK_INT(width, j.width);
            CHECK_INT(height, j.height);
            CHECK_INT(tess_decoder_damaged(j.decoder), 0);
            bool transparent = false, same = true, grey = true;
            for (size_t p = 0; p < (size_t)width * (size_t)height; p++) {
                if (j.channels == 4) transparent |= j.pixels[4 * p + 3] != 255;
                if (channels == 4) same &= out[4 * p + 3] == j.pixels[4 * p + 3];
                grey &= out[(size_t)channels * p] == out[(size_t)channels * p + 1] &&
                        out[(size_t)channels * p] == out[(size_t)channels * p + 2];
            }
            CHECK_INT(channels, transparent ? 4 : 3);
            CHECK(same);
            if (j.channels == 1) CHECK(grey);
        }
        job_free(&j);
    }
}

/* Whatever the work tiles, the same file and the same pixels. */
static void test_tiles_change_nothing(void) {
    const int width = 333, height = 270;
    job whole = job_new(width, height, 3);
    tess_encoder_set(whole.encoder, "tile", 10000);
    tess_decoder_set(whole.decoder, "tile", 10000);
    if (encode(&whole) && decode(&whole)) {
        size_t size, size2;
        int w, h, c;
        const uint8_t *bytes = tess_encoder_bytes(whole.encoder, &size);
        const uint8_t *pixels = tess_decoder_pixels(whole.decoder, &w, &h, &c);
        static const int TILES[] = {0, 1, 5, 16, 33, 64};
        for (size_t i = 0; i < sizeof TILES / sizeof *TILES; i++) {
            test_row("tile %d", TILES[i]);
            job j = job_new(width, height, 3);
            tess_encoder_set(j.encoder, "tile", TILES[i] < 5 && TILES[i] ? 5 : TILES[i]);
            tess_decoder_set(j.decoder, "tile", TILES[i] < 5 && TILES[i] ? 7 : TILES[i]);
            tess_decoder_set(j.decoder, "threads", 1 + (int)i % 3);
            tess_encoder_set(j.encoder, "threads", 1 + (int)i % 3);
            if (encode(&j) && decode(&j)) {
                const uint8_t *bytes2 = tess_encoder_bytes(j.encoder, &size2);
                CHECK_INT(size2, size);
                if (size == size2) CHECK_BYTES(bytes, bytes2, size);
                CHECK_BYTES(pixels, tess_decoder_pixels(j.decoder, &w, &h, &c), (size_t)width * height * 3);
            }
            job_free(&j);
        }
    }
    job_free(&whole);
}

/* The tiles of any picture cover it once, and neither lie nor reach outside of it. */
static void test_tile_rects(void) {
    static const int SIZES[][2] = {{1, 1}, {700, 33}, {2048, 1536}, {4001, 3000}};
    for (size_t s = 0; s < sizeof SIZES / sizeof *SIZES; s++)
        for (int encode = 0; encode < 2; encode++) {
            int rect[4] = {0}, width = SIZES[s][0], height = SIZES[s][1];
            const int count = tess_model_tile(model, encode, width, height, -1, rect);
            double area = 0;
            test_row("%d x %d, %d tiles", width, height, count);
            CHECK(count > 0);
            for (int i = 0; i < count; i++) {
                CHECK_INT(tess_model_tile(model, encode, width, height, i, rect), count);
                CHECK(rect[0] >= 0 && rect[1] >= 0 && rect[2] > 0 && rect[3] > 0);
                CHECK(rect[0] + rect[2] <= width && rect[1] + rect[3] <= height);
                area += (double)rect[2] * rect[3];
            }
            CHECK(area == (double)width * height);
        }
    CHECK(tess_model_tile(model, 0, 0, 5, 0, NULL) < 0);
    CHECK(tess_model_tile(NULL, 0, 5, 5, 0, NULL) < 0);
}

/* A region has the whole picture's pixels, and the painted rectangles of its steps cover it once. */
static void test_regions(void) {
    static const int REGIONS[][4] = {
        {0, 0, 5, 5}, {100, 90, 64, 33}, {299, 259, 1, 1}, {250, 200, 500, 500}, {17, 0, 0, 1}};
    job j = job_new(300, 260, 4);
    tess_decoder_set(j.decoder, "tile", 8);
    if (encode(&j) && decode(&j)) {
        size_t size;
        int w, h, c;
        const uint8_t *bytes = tess_encoder_bytes(j.encoder, &size);
        const uint8_t *whole = tess_decoder_pixels(j.decoder, &w, &h, &c);
        for (size_t i = 0; i < sizeof REGIONS / sizeof *REGIONS; i++) {
            const int *r = REGIONS[i];
            test_row("region %d,%d %d x %d", r[0], r[1], r[2], r[3]);
            tess_decoder *part = tess_decoder_new(model);
            tess_decoder_set(part, "x", r[0]), tess_decoder_set(part, "y", r[1]);
            tess_decoder_set(part, "width", r[2]), tess_decoder_set(part, "height", r[3]);
            tess_decoder_set(part, "tile", 8);
            uint8_t *room = tess_decoder_begin(part, size);
            memcpy(room, bytes, size);
            long painted = 0;
            tess_status status;
            do {
                int rect[4];
                status = tess_decoder_step(part);
                tess_decoder_painted(part, rect);
                painted += (long)rect[2] * rect[3];
            } while (status == TESS_MORE);
            CHECK_INT(status, TESS_DONE);
            int pw, ph, pc;
            const uint8_t *pixels = tess_decoder_pixels(part, &pw, &ph, &pc);
            CHECK_INT(pw, r[2] && r[2] < 300 - r[0] ? r[2] : 300 - r[0]);
            CHECK_INT(ph, r[3] && r[3] < 260 - r[1] ? r[3] : 260 - r[1]);
            CHECK_INT(painted, (long)pw * ph);
            for (int y = 0; y < ph; y++)
                CHECK_BYTES(pixels + (size_t)y * pw * pc, whole + ((size_t)(r[1] + y) * w + r[0]) * c, (size_t)pw * pc);
            tess_decoder_free(part);
        }
    }
    job_free(&j);
}

/* Fewer levels: the same picture as a file cut after them, and never nearer to the original than all levels. */
static void test_levels_and_prefixes(void) {
    job j = job_new(256, 256, 3);
    tess_encoder_set(j.encoder, "quality", 100);
    if (encode(&j) && decode(&j)) {
        size_t size;
        int w, h, c, levels;
        const uint8_t *bytes = tess_encoder_bytes(j.encoder, &size);
        tess_decoder_tokens(j.decoder, &levels, &h, &w);
        CHECK_INT(levels, 3);
        char info[4096];
        CHECK_INT(tess_file_info(bytes, size, info, sizeof info), TESS_OK);
        const char *at = strstr(info, "\"levelBytes\":[");
        size_t level_bytes[3] = {0};
        if (CHECK(at)) {
            at += strlen("\"levelBytes\":[");
            for (int i = 0; i < 3; i++) level_bytes[i] = strtoul(at, (char **)&at, 10), at++;
        }
        CHECK(level_bytes[0] > 0 && level_bytes[1] > 0 && level_bytes[2] > 0);
        for (int keep = 1; keep < 3; keep++) {
            test_row("%d levels", keep);
            size_t cut = size;
            for (int i = keep; i < 3; i++) cut -= level_bytes[i];
            tess_decoder *fewer = tess_decoder_new(model), *prefix = tess_decoder_new(model);
            tess_decoder_set(fewer, "levels", keep);
            CHECK(tiny_decode(fewer, bytes, size));
            CHECK(tiny_decode(prefix, bytes, cut));
            CHECK_INT(tess_decoder_damaged(prefix), 0);
            const uint8_t *a = tess_decoder_pixels(fewer, &w, &h, &c), *b = tess_decoder_pixels(prefix, &w, &h, &c);
            CHECK_BYTES(a, b, (size_t)w * h * c);
            CHECK(memcmp(a, tess_decoder_pixels(j.decoder, &w, &h, &c), (size_t)w * h * c) != 0);
            tess_decoder_free(fewer);
            tess_decoder_set(prefix, "strict", 1);
            CHECK(!tiny_decode(prefix, bytes, cut));
            tess_decoder_free(prefix);
        }
    }
    job_free(&j);
}

static void test_rates(void) {
    job j = job_new(400, 300, 3);
    size_t last = SIZE_MAX, size = 0, most = 0, least = 0;
    for (int q = 100; q >= 0; q -= 25) {
        test_row("quality %d", q);
        tess_encoder_set(j.encoder, "quality", q);
        if (!encode(&j)) continue;
        tess_encoder_bytes(j.encoder, &size);
        CHECK(size / 11 <= last / 10); /* the choice is greedy: small steps up happen */
        if (q == 100) most = size;
        if (q == 0) least = size;
        last = size;
    }
    CHECK(least * 3 < most);
    for (int i = 1; i < 8; i++) {
        const size_t target = least + (most - least) * (size_t)i / 8;
        test_row("size %zu", target);
        tess_encoder_set(j.encoder, "size", (double)target);
        if (!encode(&j)) continue;
        tess_encoder_bytes(j.encoder, &size);
        CHECK(size <= target);
        /* the tiny model's code lengths are all alike, and its sizes jump: real models come within 3 % */
        if (!CHECK(size >= target * 60 / 100)) printf("    size %zu of %zu\n", size, target);
        if (decode(&j)) check_tokens(&j);
        tess_encoder_set(j.encoder, "bpp", (double)target * 8 / (400 * 300));
        if (!encode(&j)) continue;
        tess_encoder_bytes(j.encoder, &size);
        CHECK(size <= target);
    }
    test_row("%s", "too small");
    tess_encoder_set(j.encoder, "size", 8);
    CHECK(!tiny_encode(j.encoder, j.pixels, j.width, j.height, j.channels));
    CHECK(strstr(tess_encoder_message(j.encoder), "8 bytes"));
    job_free(&j);
}

/* Higher efforts spend no more bits for the same lambda-cost; every effort decodes. */
static void test_efforts(void) {
    for (int effort = 0; effort <= 9; effort++) {
        test_row("effort %d", effort);
        job j = job_new(120, 90, 3);
        CHECK_INT(tess_encoder_set(j.encoder, "effort", effort), TESS_OK);
        if (encode(&j) && decode(&j)) check_tokens(&j);
        job_free(&j);
    }
}

/* Tokens alone, and pixels from them: as through a file. */
static void test_tokens(void) {
    job j = job_new(90, 61, 3);
    int levels, height, width, w, h, c;
    tess_encoder_set(j.encoder, "tokens_only", 1);
    CHECK(tiny_encode(j.encoder, j.pixels, 90, 61, 3));
    const uint16_t *tokens = tess_encoder_tokens(j.encoder, &levels, &height, &width);
    size_t size;
    CHECK(tess_encoder_bytes(j.encoder, &size) == NULL);
    CHECK_INT(levels, 3);
    CHECK(!tess_decoder_begin_tokens(j.decoder, levels, height, width + 1, 61, 90));
    CHECK(!tess_decoder_begin_tokens(j.decoder, 4, height, width, 61, 90));
    uint16_t *room = tess_decoder_begin_tokens(j.decoder, levels, height, width, 61, 90);
    if (CHECK(room && tokens)) {
        memcpy(room, tokens, (size_t)levels * height * width * sizeof *room);
        tess_status status;
        while ((status = tess_decoder_step(j.decoder)) == TESS_MORE) continue;
        CHECK_INT(status, TESS_DONE);
    }
    job full = job_new(90, 61, 3);
    tess_encoder_set(full.encoder, "quality", 100);
    tess_encoder_set(full.encoder, "effort", 0);
    if (encode(&full) && decode(&full)) {
        const uint8_t *a = tess_decoder_pixels(j.decoder, &w, &h, &c);
        if (CHECK(a && w == 90 && h == 61)) CHECK_BYTES(a, tess_decoder_pixels(full.decoder, &w, &h, &c), 90 * 61 * 3);
    }
    room = tess_decoder_begin_tokens(j.decoder, 1, height, width, 61, 90);
    room[3] = 32; /* one past the last code */
    CHECK_INT(tess_decoder_step(j.decoder), TESS_ERR_INPUT);
    CHECK(strstr(tess_decoder_message(j.decoder), "32"));
    job_free(&full);
    job_free(&j);
}

/* Quantizers without a codebook: one code per latent, from .tess and back. */
static void test_grids(void) {
    const char *const grids[] = {TINY_FSQ_CONFIG, TINY_LFQ_CONFIG};
    tess_model *vq = model;
    for (int i = 0; i < 2; i++) {
        test_row("grid %d", i);
        model = tiny_model(grids[i], 3);
        if (CHECK(model)) {
            job j = job_new(75, 50, 3);
            if (encode(&j) && decode(&j)) check_tokens(&j);
            job_free(&j);
        }
        tess_model_free(model);
    }
    model = vq;
}

int main(void) {
    model = tiny_model(TINY_CONFIG, 1);
    if (!CHECK(model)) return test_end();
    RUN(test_round_trips);
    RUN(test_tiles_change_nothing);
    RUN(test_tile_rects);
    RUN(test_regions);
    RUN(test_levels_and_prefixes);
    RUN(test_rates);
    RUN(test_efforts);
    RUN(test_tokens);
    RUN(test_grids);
    tess_model_free(model);
    return test_end();
}
