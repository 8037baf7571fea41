/* image.h - pictures in memory: PNG, JPEG, BMP and PPM/PGM in (stb_image), upright by EXIF; PNG and PPM out.
 *
 * Pixels are 8-bit, interleaved, rows top to bottom without padding. For the native and Node command line; the
 * browser's page uses the platform's decoders, so nothing in the library proper calls this file.
 */
#ifndef TS_IO_IMAGE_H
#define TS_IO_IMAGE_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum {
    TS_IMAGE_SIDE = 65535,    /* pixels along a side at most */
    TS_IMAGE_PIXELS = 1 << 28 /* width * height at most */
};

typedef struct ts_image {
    uint8_t *pixels; /* [height][width][channels]; owned: ts_image_free */
    int width, height;
    int channels; /* 1 grey, 3 RGB, 4 RGBA */
} ts_image;

void ts_image_free(ts_image *image); /* NULL and zeroed images are fine; leaves a zeroed image */

/* Decodes a picture and turns it upright (EXIF orientation of JPEG and PNG). channels: 0 = as stored (grey with alpha
 * becomes RGBA), or 1, 3, 4 to convert. 16-bit channels keep their high 8 bits. *image is untouched on failure.
 * Errors: INPUT (empty, no picture, cut off: the sentence, which starts with a verb to follow the file's name, says
 * what to do), TOO_LARGE, MEMORY, OPTION. */
tess_status ts_image_decode(ts_image *image, const void *bytes, size_t size, int channels, ts_error *err);

/* The size of a picture, upright, without decoding it. Errors as above. */
tess_status ts_image_size(const void *bytes, size_t size, int *width, int *height, int *channels, ts_error *err);

/* EXIF orientation, 1..8, of a JPEG or PNG; 1 if it has none. Never fails. */
int ts_exif_orientation(const void *bytes, size_t size);

/* Turns an image by EXIF orientation 1..8 into upright. Errors: MEMORY, OPTION. */
tess_status ts_image_orient(ts_image *image, int orientation, ts_error *err);

/* Encodes as PNG: *bytes (free with ts_free) and *size. Errors: OPTION (size or channels out of range), MEMORY. */
tess_status ts_image_encode_png(const ts_image *image, uint8_t **bytes, size_t *size, ts_error *err);

/* Encodes as binary PGM (1 channel) or PPM (3; 4 loses its alpha). As above. */
tess_status ts_image_encode_ppm(const ts_image *image, uint8_t **bytes, size_t *size, ts_error *err);

#endif
