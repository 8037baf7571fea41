#include "io/image.h"

#include "base/alloc.h"
#include "base/bytes.h"

#include <string.h>

/* stb_image loses track of failed allocations. Like its own failure reason, this note is per thread. */
static _Thread_local int memory_failed;

static void *note_failure(void *block) {
    if (!block) memory_failed = 1;
    return block;
}

#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_NO_PNM /* it does not notice the end of the file; ours is below */
#define STBI_NO_GIF
#define STBI_NO_PIC
#define STBI_NO_PSD
#define STBI_NO_TGA
#define STBI_MAX_DIMENSIONS TS_IMAGE_SIDE
#define STBI_MALLOC(bytes) note_failure(ts_calloc(1, bytes)) /* it reads JPEG tables that a file left out */
#define STBI_REALLOC(block, bytes) note_failure(ts_realloc(block, bytes))
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

/* What stb_image's refusal means. */
static tess_status fail_stb(const picture *p, ts_error *err) {
    if (memory_failed) return ts_fail_memory(err, (size_t)p->width * (size_t)p->height * 4);
    return ts_fail(err, TESS_ERR_INPUT,
                   "is cut off, damaged or of a rare kind (%s): get a whole copy, as 8-bit PNG or JPEG",
                   stbi_failure_reason());
}

static tess_status fail_cut(ts_error *err) {
    return ts_fail(err, TESS_ERR_INPUT, "is cut off or damaged: get a whole copy of it");
}

/* ---- looking ------------------------------------------------------------------------------------------------ */

static int is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* A decimal number of a PNM header, after white space and comments; -1 if there is none, at least 10^5 if it is too
 * large. */
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

static uint32_t load_big(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static tess_status check_size(int64_t width, int64_t height, ts_error *err) {
    if (width < 1 || height < 1) return ts_fail(err, TESS_ERR_INPUT, "has no pixels: use another picture");
    if (width <= TS_IMAGE_SIDE && height <= TS_IMAGE_SIDE && width * height <= TS_IMAGE_PIXELS) return TESS_OK;
    return ts_fail(err, TESS_ERR_TOO_LARGE,
                   "is %lld x %lld pixels; the limits are %d along a side and %d million in all: make it smaller",
                   (long long)width, (long long)height, TS_IMAGE_SIDE, TS_IMAGE_PIXELS / 1000000);
}

/* Whether the Huffman tables of the JPEG segment at `at` (its length field) have at most 256 codes each: stb_image 2.27
 * writes past its table if not. Past the file's end it reads zeros. */
static int are_tables_sound(const picture *p, size_t at) {
    size_t end = at + 2 <= p->size ? at + ((size_t)p->bytes[at] << 8 | p->bytes[at + 1]) : p->size;
    for (at += 2; at < end && at < p->size;) {
        size_t codes = 0;
        for (size_t i = 1; i <= 16 && at + i < p->size; i++) codes += p->bytes[at + i];
        if (codes > 256) return 0;
        at += 17 + codes;
    }
    return 1;
}

/* Walks the JPEG as stb_image does, by segments up to the first scan and then by marker bytes (scans hold none):
 * its Huffman tables are sound, and its end marker is there. stb_image fills what is missing with grey. */
static int is_jpeg_whole(const picture *p) {
    int in_scan = 0;
    for (size_t at = 2; at + 1 < p->size;) {
        uint8_t marker = p->bytes[at] == 0xff ? p->bytes[at + 1] : 0xff;
        size_t length = at + 3 < p->size ? (size_t)p->bytes[at + 2] << 8 | p->bytes[at + 3] : 0;
        if (marker == 0xc4 && !are_tables_sound(p, at + 2)) return 0;
        if (marker == 0xd9) return 1;
        if (marker == 0xda) in_scan = 1;
        at += in_scan || marker == 0xff ? 1 : 2 + length;
    }
    return 0;
}

/* Walks the PNG's chunks to its end: stb_image would make room for whatever length a chunk claims. */
static int is_png_whole(const picture *p) {
    for (size_t at = 8; at + 12 <= p->size;) {
        size_t length = load_big(p->bytes + at);
        if (length > p->size - at - 12) return 0;
        if (memcmp(p->bytes + at + 4, "IEND", 4) == 0) return 1;
        at += 12 + length;
    }
    return 0;
}

/* Whether the file goes on to its end, which stb_image does not notice or not in time. */
static int is_whole(const picture *p) {
    if (p->format == BMP) return ts_load_u32(p->bytes + 2) <= p->size;
    return p->format == PNG ? is_png_whole(p) : is_jpeg_whole(p);
}

/* Size and channels as the header says, for the formats of stb_image. */
static tess_status look_stb(picture *p, ts_error *err) {
    if (p->format == PNG && p->size >= 24) {
        tess_status status = check_size(load_big(p->bytes + 16), load_big(p->bytes + 20), err);
        if (status < 0) return status;
    }
    if (!is_whole(p)) return fail_cut(err);
    memory_failed = 0;
    if (!stbi_info_from_memory(p->bytes, (int)p->size, &p->width, &p->height, &p->channels)) return fail_stb(p, err);
    if (p->height < 0 && p->height >= -TS_IMAGE_SIDE) p->height = -p->height; /* BMP, top down */
    return TESS_OK;
}

/* Fills in size and channels, and refuses what is too large for us or cannot be in so few bytes: a header of a few
 * bytes may not make us allocate a gigabyte. */
static tess_status look(picture *p, const void *bytes, size_t size, ts_error *err) {
    /* Pixels per byte at most. PNG: deflate shrinks 1032 times, 8 pixels of 1 bit a byte. JPEG: a bit per 8x8 block. */
    static const uint32_t densest[FORMATS] = {[PNG] = 8 * 1032, [JPEG] = 8 * 64, [BMP] = 8, [PNM] = 1};
    *p = (picture){.bytes = bytes, .size = size};
    tess_status status = look_format(p, err);
    if (status == TESS_OK && size > INT32_MAX)
        status = ts_fail(err, TESS_ERR_TOO_LARGE, "is over 2 GB: make it smaller");
    if (status == TESS_OK) status = p->format == PNM ? look_pnm(p, err) : look_stb(p, err);
    if (status == TESS_OK) status = check_size(p->width, p->height, err);
    if (status == TESS_OK && (uint64_t)p->width * (uint64_t)p->height > (uint64_t)size * densest[p->format])
        status = fail_cut(err);
    return status;
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
    memory_failed = 0;
    image->channels = channels;
    image->pixels = stbi_load_from_memory(p->bytes, (int)p->size, &image->width, &image->height, &stored, channels);
    return image->pixels ? TESS_OK : fail_stb(p, err);
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
