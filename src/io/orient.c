/* orient.c - EXIF orientation: where JPEG and PNG keep it (TIFF tag 0x0112), and turning a picture by it. */
#include "base/alloc.h"
#include "io/image.h"

#include <string.h>

enum { TIFF_ORIENTATION = 0x0112, TIFF_SHORT = 3 };

/* A TIFF block: every read is checked, and gives 0 past the end. */
typedef struct tiff {
    const uint8_t *bytes;
    size_t size;
    int big_endian;
} tiff;

static uint32_t tiff_get(const tiff *t, size_t at, int width) {
    if (at > t->size || (size_t)width > t->size - at) return 0;
    uint32_t value = 0;
    for (int i = 0; i < width; i++) value |= (uint32_t)t->bytes[at + i] << 8 * (t->big_endian ? width - 1 - i : i);
    return value;
}

/* The orientation in the first image directory of a TIFF block, or 1. */
static int tiff_orientation(const uint8_t *bytes, size_t size) {
    tiff t = {bytes, size, size > 0 && bytes[0] == 'M'};
    if (tiff_get(&t, 2, 2) != 42) return 1;
    size_t directory = tiff_get(&t, 4, 4), entries = tiff_get(&t, directory, 2);
    for (size_t i = 0; i < entries; i++) {
        size_t entry = directory + 2 + i * 12;
        if (tiff_get(&t, entry, 2) != TIFF_ORIENTATION || tiff_get(&t, entry + 2, 2) != TIFF_SHORT) continue;
        uint32_t value = tiff_get(&t, entry + 8, 2);
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

static uint32_t load_big(const uint8_t *p, int width) {
    uint32_t value = 0;
    for (int i = 0; i < width; i++) value = value << 8 | p[i];
    return value;
}

/* JPEG: marker segments until the scan; EXIF is in an APP1 that starts with "Exif\0\0". */
static int jpeg_orientation(const uint8_t *bytes, size_t size) {
    for (size_t at = 2; at + 4 <= size && bytes[at] == 0xff;) {
        if (bytes[at + 1] == 0xff) { /* a fill byte */
            at++;
            continue;
        }
        size_t length = load_big(bytes + at + 2, 2);
        if (bytes[at + 1] == 0xda || length < 2 || length > size - at - 2) break;
        if (bytes[at + 1] == 0xe1 && length >= 8 && memcmp(bytes + at + 4, "Exif\0\0", 6) == 0)
            return tiff_orientation(bytes + at + 10, length - 8);
        at += 2 + length;
    }
    return 1;
}

/* PNG: chunks of length, type, data, CRC; EXIF is the chunk eXIf. */
static int png_orientation(const uint8_t *bytes, size_t size) {
    for (size_t at = 8; at + 12 <= size;) {
        size_t length = load_big(bytes + at, 4);
        if (length > size - at - 12) break;
        if (memcmp(bytes + at + 4, "eXIf", 4) == 0) return tiff_orientation(bytes + at + 8, length);
        at += 12 + length;
    }
    return 1;
}

int ts_exif_orientation(const void *data, size_t size) {
    const uint8_t *bytes = data;
    if (size >= 4 && memcmp(bytes, "\xff\xd8\xff", 3) == 0) return jpeg_orientation(bytes, size);
    if (size >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0) return png_orientation(bytes, size);
    return 1;
}

/* Orientation 1..8 as three flips, applied to the upright picture's coordinates in this order: transpose, then mirror
 * x and y of the stored picture (EXIF 2.32, 4.6.4 A). */
static void orient_copy(uint8_t *out, const ts_image *in, int orientation) {
    int transpose = orientation >= 5;
    int mirror_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    int mirror_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    int width = transpose ? in->height : in->width, height = transpose ? in->width : in->height;
    size_t channels = (size_t)in->channels;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            size_t from_x = (size_t)(transpose ? y : x), from_y = (size_t)(transpose ? x : y);
            if (mirror_x) from_x = (size_t)in->width - 1 - from_x;
            if (mirror_y) from_y = (size_t)in->height - 1 - from_y;
            memcpy(out, in->pixels + (from_y * (size_t)in->width + from_x) * channels, channels);
            out += channels;
        }
}

tess_status ts_image_orient(ts_image *image, int orientation, ts_error *err) {
    if (orientation < 1 || orientation > 8)
        return ts_fail(err, TESS_ERR_OPTION, "Orientation %d is not one of 1 to 8.", orientation);
    if (orientation == 1) return TESS_OK;
    size_t bytes = (size_t)image->width * (size_t)image->height * (size_t)image->channels;
    uint8_t *turned = ts_alloc(bytes);
    if (!turned) return ts_fail_memory(err, bytes);
    orient_copy(turned, image, orientation);
    ts_free(image->pixels);
    image->pixels = turned;
    if (orientation >= 5) {
        int width = image->width;
        image->width = image->height;
        image->height = width;
    }
    return TESS_OK;
}
