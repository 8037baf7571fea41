#include "io/image.h"

#include "base/alloc.h"
#include "base/bytes.h"

#include <string.h>

#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_NO_PNM /* it does not notice the end of the file; ours is below */
#define STBI_NO_GIF
#define STBI_NO_PIC
#define STBI_NO_PSD
#define STBI_NO_TGA
#define STBI_MAX_DIMENSIONS TS_IMAGE_SIDE
#define STBI_MALLOC(bytes) ts_alloc(bytes)
#define STBI_REALLOC(block, bytes) ts_realloc(block, bytes)
#define STBI_FREE(block) ts_free(block)
#define STBI_ASSERT(condition) ((void)0)
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#if defined(__GNUC__) /* it declares what it does not define */
#pragma GCC diagnostic ignored "-Wunused-function"
#endif
#include <stb_image.h>

/* What a picture is, before decoding. */
typedef struct picture {
    const uint8_t *bytes;
    size_t size;
    enum { PNG, JPEG, BMP, PNM, FORMATS } format;
    int width, height; /* as stored, before orientation */
    int channels;      /* as stored: 1..4 */
    size_t data;       /* PNM: where the pixels start */
} picture;

void ts_image_free(ts_image *image) {
    if (!image) return;
    ts_free(image->pixels);
    *image = (ts_image){0};
}

static tess_status fail_cut(ts_error *err) {
    return ts_fail(err, TESS_ERR_INPUT, "is cut off or damaged: get a whole copy of it");
}

/* ---- looking ------------------------------------------------------------------------------------------------ */

static int is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* A decimal number of a PNM header, after white space and comments; -1 if there is none, at least 10^5 if it is too large. */
static int pnm_number(const uint8_t *bytes, size_t size, size_t *at) {
    for (int comment = 0; *at < size && (comment || is_space(bytes[*at]) || bytes[*at] == '#'); ++*at)
        comment = bytes[*at] == '#' || (comment && bytes[*at] != '\n');
    int value = -1;
    for (; *at < size && bytes[*at] >= '0' && bytes[*at] <= '9' && value < 100000; ++*at)
        value = (value < 0 ? 0 : value * 10) + bytes[*at] - '0';
    return value;
}

/* Binary PGM and PPM with a maximum of 255: "P5 width height 255" and one white space, then the pixels. */
static tess_status look_pnm(picture *p, ts_error *err) {
    p->channels = p->bytes[1] == '5' ? 1 : 3;
    size_t at = 2;
    p->width = pnm_number(p->bytes, p->size, &at);
    p->height = pnm_number(p->bytes, p->size, &at);
    int maximum = pnm_number(p->bytes, p->size, &at);
    p->data = at + 1;
    if (p->width < 0 || p->height < 0 || maximum != 255)
        return ts_fail(err, TESS_ERR_INPUT, "has a PPM header that cannot be read: use 8-bit PPM, PNG or JPEG");
    return TESS_OK;
}

/* The file's first bytes tell its format. */
static tess_status look_format(picture *p, ts_error *err) {
    if (p->size == 0) return ts_fail(err, TESS_ERR_INPUT, "is empty: use a PNG or JPEG picture");
    if (p->size >= 8 && memcmp(p->bytes, "\x89PNG\r\n\x1a\n", 8) == 0) p->format = PNG;
    else if (p->size >= 3 && memcmp(p->bytes, "\xff\xd8\xff", 3) == 0) p->format = JPEG;
    else if (p->size >= 6 && memcmp(p->bytes, "BM", 2) == 0) p->format = BMP;
    else if (p->size >= 3 && p->bytes[0] == 'P' && (p->bytes[1] == '5' || p->bytes[1] == '6')) p->format = PNM;
    else return ts_fail(err, TESS_ERR_INPUT, "is not a picture that can be read: use PNG or JPEG");
    return TESS_OK;
}

/* Fills in size and channels, and refuses what is too large for us or cannot be in so few bytes: a header of a few bytes
 * may not make us allocate a gigabyte. */
static tess_status look(picture *p, const void *bytes, size_t size, ts_error *err) {
    /* Pixels per byte at most. PNG: deflate shrinks 1032 times, 8 pixels of 1 bit a byte. JPEG: a bit per 8x8 block. */
    static const uint32_t densest[FORMATS] = {[PNG] = 8 * 1032, [JPEG] = 8 * 64, [BMP] = 8, [PNM] = 1};
    *p = (picture){.bytes = bytes, .size = size};
    tess_status status = look_format(p, err);
    if (status < 0) return status;
    if (size > INT32_MAX) return ts_fail(err, TESS_ERR_TOO_LARGE, "is over 2 GB: make it smaller first");
    if (p->format == PNM) status = look_pnm(p, err);
    else if (!stbi_info_from_memory(bytes, (int)size, &p->width, &p->height, &p->channels))
        status = ts_fail(err, TESS_ERR_INPUT,
                         "is cut off, damaged or of a kind that cannot be read: use 8-bit PNG or JPEG");
    if (status < 0) return status;
    if (p->height < 0 && p->height >= -TS_IMAGE_SIDE) p->height = -p->height; /* BMP, top down */
    if (p->width > TS_IMAGE_SIDE || p->height > TS_IMAGE_SIDE ||
        (uint64_t)p->width * (uint64_t)p->height > TS_IMAGE_PIXELS)
        return ts_fail(err, TESS_ERR_TOO_LARGE,
                       "is %d x %d pixels; the limits are %d along a side and %d million in all: make it smaller first",
                       p->width, p->height, TS_IMAGE_SIDE, TS_IMAGE_PIXELS / 1000000);
    if (p->width < 1 || p->height < 1) return ts_fail(err, TESS_ERR_INPUT, "has no pixels: use another picture");
    if ((uint64_t)p->width * (uint64_t)p->height > (uint64_t)size * densest[p->format]) return fail_cut(err);
    return TESS_OK;
}

/* Whether the end of the data is there. stb_image fills what is missing from a JPEG or BMP with grey. */
static int is_whole(const picture *p) {
    if (p->format == BMP) return ts_load_u32(p->bytes + 2) <= p->size;
    if (p->format != JPEG) return 1;
    for (size_t at = p->size; at >= 4; at--)
        if (p->bytes[at - 2] == 0xff && p->bytes[at - 1] == 0xd9) return 1;
    return 0;
}

/* ---- decoding ----------------------------------------------------------------------------------------------- */

static void convert_pixel(uint8_t *out, int to, const uint8_t *in, int from) {
    if (to == 1) out[0] = from == 1 ? in[0] : (uint8_t)((in[0] * 77 + in[1] * 150 + in[2] * 29) >> 8);
    else {
        out[0] = in[0];
        out[1] = in[from == 1 ? 0 : 1];
        out[2] = in[from == 1 ? 0 : 2];
        if (to == 4) out[3] = 255;
    }
}

static tess_status decode_pnm(ts_image *image, const picture *p, int channels, ts_error *err) {
    size_t pixels = (size_t)p->width * (size_t)p->height, from = (size_t)p->channels;
    if (p->data > p->size || p->size - p->data < pixels * from) return fail_cut(err);
    *image = (ts_image){ts_alloc(pixels * (size_t)channels), p->width, p->height, channels};
    if (!image->pixels) return ts_fail_memory(err, pixels * (size_t)channels);
    for (size_t i = 0; i < pixels; i++)
        convert_pixel(image->pixels + i * (size_t)channels, channels, p->bytes + p->data + i * from, p->channels);
    return TESS_OK;
}

static tess_status decode_stb(ts_image *image, const picture *p, int channels, ts_error *err) {
    int stored;
    if (!is_whole(p)) return fail_cut(err);
    image->channels = channels;
    image->pixels = stbi_load_from_memory(p->bytes, (int)p->size, &image->width, &image->height, &stored, channels);
    if (image->pixels) return TESS_OK;
    if (strcmp(stbi_failure_reason(), "outofmem") == 0)
        return ts_fail_memory(err, (size_t)p->width * (size_t)p->height * (size_t)channels);
    return ts_fail(err, TESS_ERR_INPUT, "is cut off or damaged (%s): get a whole copy of it", stbi_failure_reason());
}

tess_status ts_image_decode(ts_image *image, const void *bytes, size_t size, int channels, ts_error *err) {
    if (channels != 0 && channels != 1 && channels != 3 && channels != 4)
        return ts_fail(err, TESS_ERR_OPTION, "Pictures have 1, 3 or 4 channels, not %d.", channels);
    picture p;
    ts_image decoded = {0};
    tess_status status = look(&p, bytes, size, err);
    if (status < 0) return status;
    if (channels == 0) channels = p.channels == 2 ? 4 : p.channels;
    status = p.format == PNM ? decode_pnm(&decoded, &p, channels, err) : decode_stb(&decoded, &p, channels, err);
    if (status == TESS_OK) status = ts_image_orient(&decoded, ts_exif_orientation(bytes, size), err);
    if (status == TESS_OK) *image = decoded;
    else ts_image_free(&decoded);
    return status;
}

tess_status ts_image_size(const void *bytes, size_t size, int *width, int *height, int *channels, ts_error *err) {
    picture p;
    tess_status status = look(&p, bytes, size, err);
    if (status < 0) return status;
    int turned = ts_exif_orientation(bytes, size) >= 5;
    *width = turned ? p.height : p.width;
    *height = turned ? p.width : p.height;
    *channels = p.channels == 2 ? 4 : p.channels;
    return TESS_OK;
}
