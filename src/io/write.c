/* write.c - pictures out: PNG and PPM.
 *
 * stb_image_write is not used: it holds the picture three times over, counts in int and does not check its
 * reallocations. This writer filters and compresses row by row, so that its memory is the file's, not the picture's.
 */
#include "base/alloc.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "io/deflate.h"
#include "io/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILTERS = 5, PREDICT_PAETH = 4 };

static tess_status check_image(const ts_image *image, ts_error *err) {
    int c = image->channels;
    if (image->width < 1 || image->height < 1 || image->width > TS_IMAGE_SIDE || image->height > TS_IMAGE_SIDE ||
        (c != 1 && c != 3 && c != 4))
        return ts_fail(err, TESS_ERR_OPTION, "A picture of %d x %d pixels and %d channels cannot be written.",
                       image->width, image->height, c);
    return TESS_OK;
}

static void write_big(ts_writer *out, uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) ts_write_u8(out, (uint8_t)(value >> shift));
}

/* Starts a chunk and returns where: its length is patched by end_chunk. */
static size_t begin_chunk(ts_writer *out, const char *type) {
    size_t start = out->size;
    write_big(out, 0);
    ts_write_bytes(out, type, 4);
    return start;
}

static void end_chunk(ts_writer *out, size_t start) {
    if (out->failed) return;
    uint32_t length = (uint32_t)(out->size - start - 8);
    for (int i = 0; i < 4; i++) out->data[start + (size_t)i] = (uint8_t)(length >> (24 - 8 * i));
    write_big(out, ts_crc32(0, out->data + start + 4, out->size - start - 4));
}

static int paeth(int a, int b, int c) {
    int pa = abs(b - c), pb = abs(a - c), pc = abs(a + b - 2 * c);
    return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

/* Filters one row into out[1 + bytes], type first (PNG, 9.2); returns the sum of absolute residuals. */
static uint64_t filter_row(uint8_t *out, const uint8_t *row, const uint8_t *above, size_t bytes, size_t channels,
                           int type) {
    uint64_t sum = 0;
    out[0] = (uint8_t)type;
    for (size_t i = 0; i < bytes; i++) {
        int a = i >= channels ? row[i - channels] : 0, b = above ? above[i] : 0;
        int c = i >= channels && above ? above[i - channels] : 0;
        int predictions[FILTERS] = {0, a, b, (a + b) / 2, type == PREDICT_PAETH ? paeth(a, b, c) : 0};
        out[1 + i] = (uint8_t)(row[i] - predictions[type]);
        sum += (uint64_t)abs((int8_t)out[1 + i]);
    }
    return sum;
}

/* All rows, each by the filter that leaves the least. rows: two buffers of 1 + bytes. */
static void write_rows(ts_deflate *z, const ts_image *image, uint8_t *rows[2]) {
    size_t channels = (size_t)image->channels, bytes = (size_t)image->width * channels;
    for (int y = 0; y < image->height; y++) {
        const uint8_t *row = image->pixels + (size_t)y * bytes, *above = y > 0 ? row - bytes : NULL;
        uint64_t least = UINT64_MAX;
        int best = 0;
        for (int type = 0; type < FILTERS; type++) {
            uint64_t sum = filter_row(rows[!best], row, above, bytes, channels, type);
            if (sum < least) {
                least = sum;
                best = !best;
            }
        }
        ts_deflate_put(z, rows[best], bytes + 1);
    }
}

static tess_status write_png(ts_writer *out, const ts_image *image, ts_error *err) {
    static const uint8_t colour_type[5] = {[1] = 0, [3] = 2, [4] = 6};
    size_t row = (size_t)image->width * (size_t)image->channels + 1;
    ts_deflate *z = ts_alloc(sizeof *z + 2 * row);
    if (!z) return ts_fail_memory(err, sizeof *z + 2 * row);
    ts_write_bytes(out, "\x89PNG\r\n\x1a\n", 8);
    size_t chunk = begin_chunk(out, "IHDR");
    write_big(out, (uint32_t)image->width);
    write_big(out, (uint32_t)image->height);
    const uint8_t kind[5] = {8, colour_type[image->channels], 0, 0, 0};
    ts_write_bytes(out, kind, sizeof kind);
    end_chunk(out, chunk);
    chunk = begin_chunk(out, "sRGB"); /* perceptual */
    ts_write_u8(out, 0);
    end_chunk(out, chunk);
    chunk = begin_chunk(out, "IDAT");
    ts_deflate_begin(z, out);
    uint8_t *first = (uint8_t *)(z + 1);
    write_rows(z, image, (uint8_t *[2]){first, first + row});
    ts_deflate_end(z);
    end_chunk(out, chunk);
    end_chunk(out, begin_chunk(out, "IEND"));
    ts_free(z);
    return TESS_OK;
}

/* Gives the writer's memory to the caller, or frees it. */
static tess_status hand_over(ts_writer *out, tess_status status, uint8_t **bytes, size_t *size, ts_error *err) {
    if (status == TESS_OK && out->failed) status = ts_fail_memory(err, out->size);
    if (status == TESS_OK) {
        *bytes = out->data;
        *size = out->size;
    } else ts_writer_free(out);
    return status;
}

tess_status ts_image_encode_png(const ts_image *image, uint8_t **bytes, size_t *size, ts_error *err) {
    tess_status status = check_image(image, err);
    if (status < 0) return status;
    ts_writer out;
    ts_writer_init(&out);
    return hand_over(&out, write_png(&out, image, err), bytes, size, err);
}

tess_status ts_image_encode_ppm(const ts_image *image, uint8_t **bytes, size_t *size, ts_error *err) {
    tess_status status = check_image(image, err);
    if (status < 0) return status;
    size_t pixels = (size_t)image->width * (size_t)image->height, channels = (size_t)image->channels;
    size_t kept = channels == 1 ? 1 : 3;
    char header[40];
    int length = snprintf(header, sizeof header, "P%d\n%d %d\n255\n", kept == 1 ? 5 : 6, image->width, image->height);
    ts_writer out;
    ts_writer_init(&out);
    ts_writer_reserve(&out, (size_t)length + pixels * kept);
    ts_write_bytes(&out, header, (size_t)length);
    for (size_t i = 0; i < pixels && !out.failed; i++) ts_write_bytes(&out, image->pixels + i * channels, kept);
    return hand_over(&out, TESS_OK, bytes, size, err);
}
