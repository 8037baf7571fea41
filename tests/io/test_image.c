/* Pictures: every format read, every orientation, what is written is read back, and nothing that lies is believed. */
#define TS_TEST_ALLOC
#include "base/alloc.c"

#include "base/hash.h"
#include "files.h"
#include "io/image.h"
#include "test.h"

#define CORPUS "tests/fuzz/corpus/image/"

static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* What the seeds hold: red = 10 x, green = 15 y, blue = 6 (x + y), 24 x 16 unless stated; grey by 299 587 114. */
static void test_formats(void) {
    static const struct {
        const char *name;
        int width, height, channels, tolerance;
    } rows[] = {
        {"rgb.png", 24, 16, 3, 0},           {"rgb.bmp", 24, 16, 3, 0},   {"rgba.png", 24, 16, 4, 0},
        {"exif6.jpg", 16, 24, 3, 12},        {"grey.jpg", 24, 16, 1, 12}, {"la.png", 24, 16, 4, 1},
        {"palette.png", 24, 16, 3, 60},      {"bit.png", 24, 16, 1, 255}, {"grey16.png", 24, 16, 1, 255},
        {"progressive.jpg", 40, 24, 3, 255}, {"cmyk.jpg", 24, 16, 3, 40}, {"palette.bmp", 24, 16, 3, 60},
        {"rgb.ppm", 5, 3, 3, 255},           {"grey.pgm", 7, 2, 1, 255},  {"exif3.png", 6, 5, 3, 255},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        test_row("%s", rows[i].name);
        char path[128];
        snprintf(path, sizeof path, CORPUS "%s", rows[i].name);
        size_t size = 0;
        uint8_t *bytes = read_file(path, &size);
        ts_image image = {0};
        ts_error err = {{0}};
        int width, height, channels;
        if (!CHECK(bytes != NULL)) continue;
        CHECK_INT(ts_image_size(bytes, size, &width, &height, &channels, &err), TESS_OK);
        CHECK_INT(width, rows[i].width);
        CHECK_INT(height, rows[i].height);
        CHECK_INT(channels, rows[i].channels);
        if (!CHECK_INT(ts_image_decode(&image, bytes, size, 0, &err), TESS_OK)) printf("  it says: %s\n", err.text);
        CHECK_INT(image.width, rows[i].width);
        CHECK_INT(image.height, rows[i].height);
        CHECK_INT(image.channels, rows[i].channels);
        int worst = 0;
        for (int y = 0; y < 16 && rows[i].tolerance < 255; y++)
            for (int x = 0; x < 24; x++) {
                int turned = image.width == 16; /* orientation 6: shown turned to the right */
                const uint8_t *p = image.pixels + (turned ? x * 16 + 15 - y : y * 24 + x) * image.channels;
                int red = x * 10, green = y * 15, blue = (x + y) * 6,
                    grey = (red * 299 + green * 587 + blue * 114) / 1000;
                int colour = strncmp(rows[i].name, "la", 2) != 0 && image.channels > 1;
                int d = abs(p[0] - (colour ? red : grey));
                if (image.channels > 1 && abs(p[1] - (colour ? green : grey)) > d)
                    d = abs(p[1] - (colour ? green : grey));
                if (image.channels == 4 && p[3] != x * 10) d = 256;
                if (d > worst) worst = d;
            }
        if (!CHECK(worst <= rows[i].tolerance)) printf("  worst difference %d\n", worst);
        ts_image_free(&image);
        free(bytes);
    }
}

/* Corner pixels of a 3 x 2 picture, whose stored pixels are 0..5, as EXIF 2.32 (4.6.4) says they are seen. */
static void test_orientations(void) {
    static const uint8_t seen[8][6] = {{0, 1, 2, 3, 4, 5}, {2, 1, 0, 5, 4, 3}, {5, 4, 3, 2, 1, 0}, {3, 4, 5, 0, 1, 2},
                                       {0, 3, 1, 4, 2, 5}, {3, 0, 4, 1, 5, 2}, {5, 2, 4, 1, 3, 0}, {2, 5, 1, 4, 0, 3}};
    for (int o = 1; o <= 8; o++)
        for (int channels = 1; channels <= 4; channels += channels == 1 ? 2 : 1) {
            test_row("orientation %d, %d channels", o, channels);
            ts_image image = {ts_alloc(6 * (size_t)channels), 3, 2, channels};
            for (int i = 0; i < 6 * channels; i++) image.pixels[i] = (uint8_t)(i / channels);
            CHECK_INT(ts_image_orient(&image, o, NULL), TESS_OK);
            CHECK_INT(image.width, o >= 5 ? 2 : 3);
            CHECK_INT(image.height, o >= 5 ? 3 : 2);
            for (int i = 0; i < 6 * channels; i++) CHECK_INT(image.pixels[i], seen[o - 1][i / channels]);
            ts_image_free(&image);
        }
    ts_image none = {0};
    CHECK_INT(ts_image_orient(&none, 0, NULL), TESS_ERR_OPTION);
    CHECK_INT(ts_image_orient(&none, 9, NULL), TESS_ERR_OPTION);
}

static void test_exif(void) {
    size_t size = 0;
    uint8_t *bytes = read_file(CORPUS "exif6.jpg", &size);
    if (!CHECK(bytes != NULL)) return;
    CHECK_INT(ts_exif_orientation(bytes, size), 6);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *part = copy_bytes(bytes, cut);
        int orientation = ts_exif_orientation(part, cut);
        CHECK(orientation == 1 || orientation == 6);
        free(part);
    }
    free(bytes);
    bytes = read_file(CORPUS "exif3.png", &size);
    CHECK_INT(ts_exif_orientation(bytes, size), 3);
    free(bytes);
    /* big endian, orientation 8 */
    static const uint8_t motorola[] = "\xff\xd8\xff\xe1\0\x22"
                                      "Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0";
    CHECK_INT(ts_exif_orientation(motorola, sizeof motorola - 1), 8);
}

static void test_png_round_trip(void) {
    static const int sizes[][2] = {{1, 1}, {1, 300}, {300, 1}, {17, 31}, {256, 256}, {500, 301}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int channels = 1; channels <= 4; channels += channels == 1 ? 2 : 1)
            for (int kind = 0; kind < 4; kind++) { /* noise, flat, gradient, texture that repeats */
                test_row("%d x %d x %d, kind %d", sizes[i][0], sizes[i][1], channels, kind);
                size_t count = (size_t)(sizes[i][0] * sizes[i][1] * channels), size = 0;
                ts_image image = {ts_alloc(count), sizes[i][0], sizes[i][1], channels}, back = {0};
                uint32_t seed = 1;
                for (size_t p = 0; p < count; p++)
                    image.pixels[p] = (uint8_t)(kind == 0   ? next_random(&seed)
                                                : kind == 1 ? 77
                                                : kind == 2 ? p / 7
                                                            : (p % 40000) * (p % 40000) >> 9);
                uint8_t *bytes = NULL;
                ts_error err = {{0}};
                CHECK_INT(ts_image_encode_png(&image, &bytes, &size, &err), TESS_OK);
                uint8_t *exact = copy_bytes(bytes, size);
                if (!CHECK_INT(ts_image_decode(&back, exact, size, 0, &err), TESS_OK))
                    printf("  it says: %s\n", err.text);
                CHECK(back.width == image.width && back.height == image.height && back.channels == channels);
                if (back.pixels) CHECK_BYTES(back.pixels, image.pixels, count);
                if (kind == 0) CHECK(size < (count + (size_t)image.height) * 257 / 256 + 400); /* noise hardly grows */
                if (kind == 1) CHECK(size < count / 20 + 150);
                for (size_t at = 8; at + 12 <= size;) { /* stb_image does not look at checksums */
                    size_t length = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 | (size_t)bytes[at + 2] << 8 |
                                    bytes[at + 3];
                    const uint8_t *crc = bytes + at + 8 + length;
                    CHECK_INT((uint32_t)crc[0] << 24 | (uint32_t)crc[1] << 16 | (uint32_t)crc[2] << 8 | crc[3],
                              ts_crc32(0, bytes + at + 4, length + 4));
                    at += 12 + length;
                }
                free(exact);
                ts_free(bytes);
                ts_image_free(&back);
                ts_image_free(&image);
            }
    ts_image bad = {(uint8_t *)"x", 1, 1, 2};
    uint8_t *bytes = NULL;
    size_t size;
    CHECK_INT(ts_image_encode_png(&bad, &bytes, &size, NULL), TESS_ERR_OPTION);
    bad = (ts_image){(uint8_t *)"x", 0, 1, 1};
    CHECK_INT(ts_image_encode_ppm(&bad, &bytes, &size, NULL), TESS_ERR_OPTION);
}

static void test_ppm_round_trip(void) {
    uint8_t pixels[24];
    for (int i = 0; i < 24; i++) pixels[i] = (uint8_t)(i * 11);
    for (int channels = 1; channels <= 4; channels += channels == 1 ? 2 : 1) {
        ts_image image = {pixels, 3, 2, channels}, back = {0};
        uint8_t *bytes = NULL;
        size_t size = 0;
        CHECK_INT(ts_image_encode_ppm(&image, &bytes, &size, NULL), TESS_OK);
        CHECK_INT(ts_image_decode(&back, bytes, size, 0, NULL), TESS_OK);
        CHECK_INT(back.channels, channels == 1 ? 1 : 3);
        for (int i = 0; i < 6; i++)
            for (int c = 0; c < back.channels; c++)
                CHECK_INT(back.pixels[i * back.channels + c], pixels[i * channels + c]);
        CHECK(ts_image_decode(&back, bytes, size - 1, 0, NULL) == TESS_ERR_INPUT);
        ts_image_free(&back);
        ts_free(bytes);
    }
}

static void test_channels(void) {
    size_t size = 0;
    for (int from = 0; from < 4; from++) {
        static const char *const names[] = {"grey.jpg", "rgb.png", "rgba.png", "rgb.ppm"};
        char path[128];
        snprintf(path, sizeof path, CORPUS "%s", names[from]);
        uint8_t *bytes = read_file(path, &size);
        for (int to = 1; to <= 4; to++) {
            test_row("%s to %d", names[from], to);
            ts_image image = {0};
            if (to == 2) CHECK_INT(ts_image_decode(&image, bytes, size, to, NULL), TESS_ERR_OPTION);
            else {
                CHECK_INT(ts_image_decode(&image, bytes, size, to, NULL), TESS_OK);
                CHECK_INT(image.channels, to);
                if (to == 4 && from != 2) CHECK_INT(image.pixels[3], 255);
                if (to == 3 && from == 0)
                    CHECK(image.pixels[0] == image.pixels[1] && image.pixels[1] == image.pixels[2]);
            }
            ts_image_free(&image);
        }
        free(bytes);
    }
}

/* Each row: bytes, and a word of the sentence. */
static void test_refusals(void) {
    static const struct {
        const char *bytes;
        size_t size;
        tess_status status;
        const char *word;
    } rows[] = {
        {"", 0, TESS_ERR_INPUT, "empty"},
        {"GIF89a......", 12, TESS_ERR_INPUT, "use PNG or JPEG"},
        {"<svg></svg>", 11, TESS_ERR_INPUT, "use PNG or JPEG"},
        {"\x89PNG\r\n\x1a\n", 8, TESS_ERR_INPUT, "get a whole copy"},
        {"\xff\xd8\xff\xe0", 4, TESS_ERR_INPUT, "cut off"},
        {"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\x01\x11\x70\0\x01\x11\x70\x08\x02\0\0\0\x16\xce\x1c\x0b", 33,
         TESS_ERR_TOO_LARGE, "70000 x 70000"},
        {"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\xff\x00\0\0\xff\x00\x08\x00\0\0\0\x16\xce\x1c\x0b\0\0\0\0IDAT1234", 45,
         TESS_ERR_TOO_LARGE, "million"},
        {"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x10\x00\0\0\x10\x00\x08\x00\0\0\0\x16\xce\x1c\x0b\0\0\0\0IDAT1234", 45,
         TESS_ERR_INPUT, "cut off"},
        {"P6 70000 70000 255\n", 19, TESS_ERR_TOO_LARGE, "70000 x 70000"},
        {"P6 99999999999 1 255\n", 21, TESS_ERR_INPUT, "PPM"},
        {"P6 2 2 65535\n............", 25, TESS_ERR_INPUT, "8-bit"},
        {"P6 2 2 255\n...........", 22, TESS_ERR_INPUT, "cut off"},
        {"P6 0 2 255\n...........", 22, TESS_ERR_INPUT, "no pixels"},
        {"P6 2", 4, TESS_ERR_INPUT, "PPM"},
        {"P5#", 3, TESS_ERR_INPUT, "PPM"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        test_row("row %d", (int)i);
        uint8_t *bytes = copy_bytes(rows[i].bytes, rows[i].size);
        ts_image image = {0};
        ts_error err = {{0}};
        ts_test_alloc_fail_at(0);
        tess_status status = ts_image_decode(&image, bytes, rows[i].size, 0, &err);
        CHECK_INT(status, rows[i].status);
        CHECK(image.pixels == NULL && ts_test_alloc_count() < 10);
        if (!CHECK(strstr(err.text, rows[i].word) != NULL)) printf("  it says: %s\n", err.text);
        free(bytes);
    }
}

/* Decodes a seed cut at every byte and with every bit flipped: a status, a sentence, no leak, and never a cut picture
 * taken for whole. */
static void damage(const char *name) {
    char path[128];
    snprintf(path, sizeof path, CORPUS "%s", name);
    size_t size = 0;
    uint8_t *bytes = read_file(path, &size);
    if (!CHECK(bytes != NULL)) return;
    long live = ts_test_alloc_live();
    for (size_t i = 0; i < size * 9; i++) {
        int cutting = i < size;
        size_t bit = i - size, part_size = cutting ? i : size;
        test_row("%s %s %d", name, cutting ? "cut to" : "bit", (int)(cutting ? i : bit));
        uint8_t *part = copy_bytes(bytes, part_size);
        if (!cutting) part[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ts_image image = {0};
        ts_error err = {{0}};
        tess_status status = ts_image_decode(&image, part, part_size, 0, &err);
        CHECK(status == TESS_OK ? image.pixels != NULL : image.pixels == NULL && err.text[0] != 0);
        if (cutting) CHECK(status < 0);
        ts_image_free(&image);
        free(part);
    }
    CHECK_INT(ts_test_alloc_live(), live);
    free(bytes);
}

static void test_damage(void) {
    damage("rgb.bmp");
    damage("grey.jpg");
    damage("progressive.jpg");
    damage("exif6.jpg");
    damage("rgba.png");
    damage("palette.png");
    damage("rgb.ppm");
}

static void test_no_memory(void) {
    static const char *const names[] = {"rgb.bmp", "progressive.jpg", "exif6.jpg", "palette.png", "rgb.ppm"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        snprintf(path, sizeof path, CORPUS "%s", names[i]);
        size_t size = 0, png_size;
        uint8_t *bytes = read_file(path, &size), *png = NULL;
        if (!CHECK(bytes != NULL)) continue;
        tess_status status = TESS_ERR_MEMORY;
        long live = ts_test_alloc_live();
        for (long n = 1; status != TESS_OK && n < 1000; n++) {
            test_row("%s, allocation %ld", names[i], n);
            ts_image image = {0};
            ts_test_alloc_fail_at(n);
            status = ts_image_decode(&image, bytes, size, 0, NULL);
            if (status == TESS_OK) status = ts_image_encode_png(&image, &png, &png_size, NULL);
            ts_test_alloc_fail_at(0);
            CHECK(status == TESS_OK || status == TESS_ERR_MEMORY);
            if (status == TESS_OK) ts_free(png);
            ts_image_free(&image);
            CHECK_INT(ts_test_alloc_live(), live);
        }
        CHECK_INT(status, TESS_OK);
        free(bytes);
    }
}

int main(void) {
    RUN(test_formats);
    RUN(test_orientations);
    RUN(test_exif);
    RUN(test_png_round_trip);
    RUN(test_ppm_round_trip);
    RUN(test_channels);
    RUN(test_refusals);
    RUN(test_damage);
    RUN(test_no_memory);
    return test_end();
}
