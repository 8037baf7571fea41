/* container.h - the .tess file: header, directory, sections with checksums. docs/FORMAT.md is the normative text.
 *
 *   header | directory (length of every section) | CRC32 of both | alpha sections | level 0 of all tiles | level 1 ...
 *
 * so that any prefix that holds the header decodes: to fewer levels, for the whole picture. A section that is damaged
 * or cut off is reported by ts_tess_section and costs nothing else. Knows nothing of what sections mean.
 */
#ifndef TS_CODEC_CONTAINER_H
#define TS_CODEC_CONTAINER_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum {
    TS_TESS_VERSION = 1,
    TS_TESS_SIDE = 65535,     /* pixels along a side at most */
    TS_TESS_PIXELS = 1 << 28, /* width * height at most: 268 million */
    TS_TESS_LEVELS = 16,
    TS_TESS_TILE = 64,      /* default side of an entropy tile, in tokens */
    TS_TESS_ALPHA_ROWS = 64 /* pixel rows of one alpha section */
};

typedef struct ts_tess_header {
    uint64_t model;                /* fingerprint of the model that made the tokens */
    int width, height;             /* pixels, 1..TS_TESS_SIDE */
    int channels;                  /* 1, 3 or 4: of the picture that went in; 4 has alpha sections */
    int token_width, token_height; /* 1..width, 1..height */
    int levels;                    /* levels stored, 0..TS_TESS_LEVELS */
    int tile; /* side of a tile in tokens: a multiple of 8, 8..2040; smaller ones at the right and bottom edge */
    uint32_t predictor; /* fingerprint of the predictors that tokens were coded with; 0: the context model alone */
} ts_tess_header;

/* Checks ranges. Errors: TOO_LARGE (over a limit, named), OPTION. */
tess_status ts_tess_header_check(const ts_tess_header *header, ts_error *err);

int ts_tess_tiles(const ts_tess_header *header);        /* tiles, numbered in rows from the top left */
int ts_tess_alpha_strips(const ts_tess_header *header); /* alpha sections: 0 unless channels is 4 */

typedef struct ts_tess_rect {
    int x, y, width, height;
} ts_tess_rect;

ts_tess_rect ts_tess_tile(const ts_tess_header *header, int tile); /* in tokens */

/* ---- writing ------------------------------------------------------------------------------------------------- */
typedef struct ts_tess_writer ts_tess_writer;

tess_status ts_tess_writer_new(ts_tess_writer **writer, const ts_tess_header *header, ts_error *err);
void ts_tess_writer_free(ts_tess_writer *writer);

/* Sets a section (copied; a later call replaces it). Sections never set are empty: 0 bytes are a good section only
 * where the coder made 0 bytes. `level` 0..levels-1 and `tile` 0..tiles-1, or level = TS_TESS_ALPHA and `tile` =
 * strip. Errors: OPTION, MEMORY. */
enum { TS_TESS_ALPHA = -1 };
tess_status ts_tess_writer_put(ts_tess_writer *writer, int level, int tile, const uint8_t *bytes, size_t size,
                               ts_error *err);

/* The bytes that the file would have now. */
size_t ts_tess_writer_size(const ts_tess_writer *writer);

/* The whole file: *bytes is owned by the writer, good until its next call. Errors: MEMORY. */
tess_status ts_tess_writer_finish(ts_tess_writer *writer, const uint8_t **bytes, size_t *size, ts_error *err);

/* ---- reading ------------------------------------------------------------------------------------------------- */
typedef struct ts_tess_file ts_tess_file;

/* Reads and checks header and directory of `size` bytes (borrowed: they must outlive the file). A file cut short
 * behind its directory opens. Errors: FORMAT (no .tess file, or cut off in its header), VERSION, CHECKSUM (header or
 * directory damaged), TOO_LARGE, MEMORY. */
tess_status ts_tess_open(ts_tess_file **file, const void *bytes, size_t size, ts_error *err);
void ts_tess_close(ts_tess_file *file);
const ts_tess_header *ts_tess_file_header(const ts_tess_file *file);
/* Bytes that the whole file should have: more than it has if it is cut off. */
size_t ts_tess_file_size(const ts_tess_file *file);

/* TESS_OK, or TESS_ERR_MODEL with a sentence that names both fingerprints. */
tess_status ts_tess_check_model(const ts_tess_file *file, uint64_t model, ts_error *err);

/* TESS_OK, or TESS_ERR_MODEL with the cure, if the file was coded with other predictors than those with fingerprint
 * `predictor` (0: there are none). */
tess_status ts_tess_check_predictor(const ts_tess_file *file, uint32_t predictor, ts_error *err);

/* One section, checksum checked: *bytes points into the file. Levels and tiles as in ts_tess_writer_put.
 * Errors: OPTION (no such section), FORMAT (the file ends before or inside it), CHECKSUM (damaged). */
tess_status ts_tess_section(const ts_tess_file *file, int level, int tile, const uint8_t **bytes, size_t *size,
                            ts_error *err);

/* The length of a section as the directory says, 0 for one that does not exist. */
size_t ts_tess_section_size(const ts_tess_file *file, int level, int tile);

#endif
