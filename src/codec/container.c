#include "codec/container.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/size.h"

#include <string.h>

enum {
    CHECKSUM = 4,   /* bytes of a CRC32 */
    FLAG_ALPHA = 1, /* header flags */
    FLAG_GREY = 2,
    FLAG_PREDICTOR = 4,
    TILE_UNIT = 8, /* tile sides are stored in units of 8 tokens */
    TILE_MOST = 255 * TILE_UNIT
};
static const uint8_t magic[4] = {'T', 'E', 'S', 'S'};

/* ---- header ------------------------------------------------------------------------------------------------- */

tess_status ts_tess_header_check(const ts_tess_header *h, ts_error *err) {
    if (h->width < 1 || h->height < 1 || h->token_width < 1 || h->token_height < 1 || h->token_width > h->width ||
        h->token_height > h->height)
        return ts_fail(err, TESS_ERR_OPTION, "A picture of %d x %d pixels cannot have %d x %d tokens.", h->width,
                       h->height, h->token_width, h->token_height);
    if (h->width > TS_TESS_SIDE || h->height > TS_TESS_SIDE || (int64_t)h->width * h->height > TS_TESS_PIXELS)
        return ts_fail(
            err, TESS_ERR_TOO_LARGE,
            "A picture of %d x %d pixels is too large; the limits are %d along a side and %d million in all.", h->width,
            h->height, TS_TESS_SIDE, TS_TESS_PIXELS / 1000000);
    if (h->levels < 0 || h->levels > TS_TESS_LEVELS)
        return ts_fail(err, TESS_ERR_TOO_LARGE, "%d levels are too many; the limit is %d.", h->levels, TS_TESS_LEVELS);
    if (h->channels != 1 && h->channels != 3 && h->channels != 4)
        return ts_fail(err, TESS_ERR_OPTION, "Pictures have 1, 3 or 4 channels, not %d.", h->channels);
    if (h->tile < TILE_UNIT || h->tile > TILE_MOST || h->tile % TILE_UNIT != 0)
        return ts_fail(err, TESS_ERR_OPTION, "A tile's side must be a multiple of %d up to %d, not %d.", TILE_UNIT,
                       TILE_MOST, h->tile);
    return TESS_OK;
}

static int tiles_along(int tokens, int tile) { return (tokens + tile - 1) / tile; }

int ts_tess_tiles(const ts_tess_header *h) {
    return tiles_along(h->token_width, h->tile) * tiles_along(h->token_height, h->tile);
}

int ts_tess_alpha_strips(const ts_tess_header *h) {
    return h->channels == 4 ? (h->height + TS_TESS_ALPHA_ROWS - 1) / TS_TESS_ALPHA_ROWS : 0;
}

ts_tess_rect ts_tess_tile(const ts_tess_header *h, int tile) {
    int across = tiles_along(h->token_width, h->tile);
    ts_tess_rect rect = {tile % across * h->tile, tile / across * h->tile, h->tile, h->tile};
    if (rect.width > h->token_width - rect.x) rect.width = h->token_width - rect.x;
    if (rect.height > h->token_height - rect.y) rect.height = h->token_height - rect.y;
    return rect;
}

/* Sections in file order: alpha strips, then all tiles of level 0, of level 1 ... */
static size_t section_count(const ts_tess_header *h) {
    return (size_t)ts_tess_alpha_strips(h) + (size_t)h->levels * (size_t)ts_tess_tiles(h);
}

/* The number of a section in file order, or SIZE_MAX if there is none. */
static size_t section_index(const ts_tess_header *h, int level, int tile) {
    int strips = ts_tess_alpha_strips(h), tiles = ts_tess_tiles(h);
    if (level == TS_TESS_ALPHA) return tile >= 0 && tile < strips ? (size_t)tile : SIZE_MAX;
    if (level < 0 || level >= h->levels || tile < 0 || tile >= tiles) return SIZE_MAX;
    return (size_t)strips + (size_t)level * (size_t)tiles + (size_t)tile;
}

/* What a section takes in the file: empty ones have no checksum. */
static size_t stored_size(size_t size) { return size ? size + CHECKSUM : 0; }

static void write_header(ts_writer *out, const ts_tess_header *h) {
    ts_write_bytes(out, magic, sizeof magic);
    ts_write_u8(out, TS_TESS_VERSION);
    ts_write_u8(out, (uint8_t)((h->channels == 4 ? FLAG_ALPHA : 0) | (h->channels == 1 ? FLAG_GREY : 0) |
                               (h->predictor ? FLAG_PREDICTOR : 0)));
    ts_write_u64(out, h->model);
    if (h->predictor) ts_write_u32(out, h->predictor);
    ts_write_varint(out, (uint32_t)h->width);
    ts_write_varint(out, (uint32_t)h->height);
    ts_write_varint(out, (uint32_t)h->token_width);
    ts_write_varint(out, (uint32_t)h->token_height);
    ts_write_u8(out, (uint8_t)h->levels);
    ts_write_u8(out, (uint8_t)(h->tile / TILE_UNIT));
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

typedef struct section {
    uint8_t *bytes; /* owned */
    size_t size;
} section;

struct ts_tess_writer {
    ts_tess_header header;
    section *sections;
    size_t count;
    ts_writer out; /* the finished file */
};

tess_status ts_tess_writer_new(ts_tess_writer **out, const ts_tess_header *header, ts_error *err) {
    tess_status status = ts_tess_header_check(header, err);
    if (status < 0) return status;
    ts_tess_writer *writer = ts_calloc(1, sizeof *writer);
    if (!writer) return ts_fail_memory(err, sizeof *writer);
    writer->header = *header;
    writer->count = section_count(header);
    ts_writer_init(&writer->out);
    writer->sections = ts_calloc(writer->count, sizeof *writer->sections);
    if (!writer->sections) {
        size_t bytes = writer->count * sizeof *writer->sections;
        ts_free(writer);
        return ts_fail_memory(err, bytes);
    }
    *out = writer;
    return TESS_OK;
}

void ts_tess_writer_free(ts_tess_writer *writer) {
    if (!writer) return;
    for (size_t i = 0; i < writer->count; i++) ts_free(writer->sections[i].bytes);
    ts_free(writer->sections);
    ts_writer_free(&writer->out);
    ts_free(writer);
}

tess_status ts_tess_writer_put(ts_tess_writer *writer, int level, int tile, const uint8_t *bytes, size_t size,
                               ts_error *err) {
    size_t index = section_index(&writer->header, level, tile);
    if (index == SIZE_MAX)
        return ts_fail(err, TESS_ERR_OPTION, "There is no section of level %d and tile %d.", level, tile);
    if (size > INT32_MAX) return ts_fail(err, TESS_ERR_TOO_LARGE, "A section over 2 GB cannot be stored.");
    uint8_t *copy = NULL;
    if (size > 0) {
        copy = ts_alloc(size);
        if (!copy) return ts_fail_memory(err, size);
        memcpy(copy, bytes, size);
    }
    ts_free(writer->sections[index].bytes);
    writer->sections[index] = (section){copy, size};
    return TESS_OK;
}

static size_t varint_size(size_t value) {
    size_t bytes = 1;
    while (value >>= 7) bytes++;
    return bytes;
}

size_t ts_tess_writer_size(const ts_tess_writer *writer) {
    const ts_tess_header *h = &writer->header;
    size_t size = sizeof magic + 2 + 8 + (h->predictor ? 4 : 0) + varint_size((size_t)h->width) +
                  varint_size((size_t)h->height) + varint_size((size_t)h->token_width) +
                  varint_size((size_t)h->token_height) + 2 + CHECKSUM;
    for (size_t i = 0; i < writer->count; i++)
        size += varint_size(writer->sections[i].size) + stored_size(writer->sections[i].size);
    return size;
}

tess_status ts_tess_writer_finish(ts_tess_writer *writer, const uint8_t **bytes, size_t *size, ts_error *err) {
    ts_writer *out = &writer->out;
    size_t need = ts_tess_writer_size(writer);
    ts_writer_clear(out);
    if (!ts_writer_reserve(out, need)) return ts_fail_memory(err, need);
    write_header(out, &writer->header);
    for (size_t i = 0; i < writer->count; i++) ts_write_varint(out, (uint32_t)writer->sections[i].size);
    ts_write_u32(out, ts_crc32(0, out->data, out->size));
    for (size_t i = 0; i < writer->count; i++) {
        const section *s = &writer->sections[i];
        if (s->size == 0) continue;
        ts_write_bytes(out, s->bytes, s->size);
        ts_write_u32(out, ts_crc32(0, s->bytes, s->size));
    }
    if (out->failed) return ts_fail_memory(err, need);
    *bytes = out->data;
    *size = out->size;
    return TESS_OK;
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

struct ts_tess_file {
    ts_tess_header header;
    const uint8_t *bytes; /* borrowed */
    size_t size;          /* that there are */
    uint64_t *place;      /* where each section starts, and the end of the last one */
    uint32_t *length;     /* of each section, without its checksum */
    size_t count;
};

static tess_status fail_header(ts_error *err) {
    return ts_fail(err, TESS_ERR_FORMAT, "The file's header is cut off or damaged: get a whole copy of it.");
}

/* A varint that fits an int, or -1. */
static int read_int(ts_reader *in) {
    uint32_t value = ts_read_varint(in);
    return value <= INT32_MAX ? (int)value : -1;
}

static tess_status read_header(ts_tess_header *h, ts_reader *in, ts_error *err) {
    const uint8_t *start = ts_read_bytes(in, sizeof magic);
    if (!start || memcmp(start, magic, sizeof magic) != 0)
        return ts_fail(err, TESS_ERR_FORMAT, in->size == 0 ? "The file is empty." : "This is not a .tess file.");
    int version = ts_read_u8(in);
    if (in->failed) return fail_header(err);
    if (version != TS_TESS_VERSION)
        return ts_fail(err, TESS_ERR_VERSION,
                       "The file is of .tess version %d; this program reads version %d: update it.", version,
                       TS_TESS_VERSION);
    int flags = ts_read_u8(in);
    h->model = ts_read_u64(in);
    h->predictor = flags & FLAG_PREDICTOR ? ts_read_u32(in) : 0;
    h->width = read_int(in);
    h->height = read_int(in);
    h->token_width = read_int(in);
    h->token_height = read_int(in);
    h->levels = ts_read_u8(in);
    h->tile = ts_read_u8(in) * TILE_UNIT;
    h->channels = flags & FLAG_ALPHA ? 4 : flags & FLAG_GREY ? 1 : 3;
    const int picture = flags & ~FLAG_PREDICTOR;
    if (in->failed || picture > FLAG_GREY || (picture != flags && !h->predictor)) return fail_header(err);
    tess_status status = ts_tess_header_check(h, err);
    return status == TESS_ERR_OPTION ? TESS_ERR_FORMAT : status;
}

/* Reads the directory: each entry takes a byte at least, so that the file's size bounds what we allocate. */
static tess_status read_directory(ts_tess_file *file, ts_reader *in, ts_error *err) {
    file->count = section_count(&file->header);
    if (file->count > ts_reader_left(in)) return fail_header(err);
    file->place = ts_alloc((file->count + 1) * sizeof *file->place);
    file->length = ts_alloc((file->count + 1) * sizeof *file->length);
    if (!file->place || !file->length) return ts_fail_memory(err, (file->count + 1) * sizeof *file->place);
    uint64_t total = 0;
    for (size_t i = 0; i < file->count; i++) {
        file->length[i] = ts_read_varint(in);
        file->place[i] = total;
        total += stored_size(file->length[i]);
    }
    file->place[file->count] = total;
    size_t end = in->pos;
    uint32_t checksum = ts_read_u32(in);
    if (in->failed) return fail_header(err);
    if (checksum != ts_crc32(0, file->bytes, end))
        return ts_fail(err, TESS_ERR_CHECKSUM, "The file's header is damaged (checksum): get a whole copy of it.");
    for (size_t i = 0; i <= file->count; i++) file->place[i] += in->pos;
    return TESS_OK;
}

tess_status ts_tess_open(ts_tess_file **out, const void *bytes, size_t size, ts_error *err) {
    ts_tess_file *file = ts_calloc(1, sizeof *file);
    if (!file) return ts_fail_memory(err, sizeof *file);
    file->bytes = bytes;
    file->size = size;
    ts_reader in = ts_reader_new(bytes, size);
    tess_status status = read_header(&file->header, &in, err);
    if (status == TESS_OK) status = read_directory(file, &in, err);
    if (status < 0) ts_tess_close(file);
    else *out = file;
    return status;
}

void ts_tess_close(ts_tess_file *file) {
    if (!file) return;
    ts_free(file->place);
    ts_free(file->length);
    ts_free(file);
}

const ts_tess_header *ts_tess_file_header(const ts_tess_file *file) { return &file->header; }

size_t ts_tess_file_size(const ts_tess_file *file) {
    uint64_t end = file->place[file->count];
    return end > SIZE_MAX ? SIZE_MAX : (size_t)end;
}

tess_status ts_tess_check_model(const ts_tess_file *file, uint64_t model, ts_error *err) {
    if (file->header.model == model) return TESS_OK;
    return ts_fail(err, TESS_ERR_MODEL,
                   "The file was made with model %016llx, but model %016llx is loaded: load the model it names.",
                   (unsigned long long)file->header.model, (unsigned long long)model);
}

tess_status ts_tess_check_predictor(const ts_tess_file *file, uint32_t predictor, ts_error *err) {
    if (!file->header.predictor || file->header.predictor == predictor) return TESS_OK;
    return ts_fail(
        err, TESS_ERR_MODEL,
        "The file's tokens were coded with predictors %08x, which this model has not: load the version of the "
        "model that wrote it.",
        file->header.predictor);
}

tess_status ts_tess_section(const ts_tess_file *file, int level, int tile, const uint8_t **bytes, size_t *size,
                            ts_error *err) {
    size_t index = section_index(&file->header, level, tile);
    if (index == SIZE_MAX)
        return ts_fail(err, TESS_ERR_OPTION, "There is no section of level %d and tile %d.", level, tile);
    size_t length = file->length[index];
    const char *kind = level == TS_TESS_ALPHA ? "Alpha strip" : "Tile";
    if (file->place[index + 1] > file->size)
        return ts_fail(err, TESS_ERR_FORMAT, "%s %d of level %d is missing: the file is cut off.", kind, tile, level);
    const uint8_t *start = file->bytes + (size_t)file->place[index];
    if (length > 0 && ts_load_u32(start + length) != ts_crc32(0, start, length))
        return ts_fail(err, TESS_ERR_CHECKSUM, "%s %d of level %d is damaged (checksum).", kind, tile, level);
    *bytes = start;
    *size = length;
    return TESS_OK;
}

size_t ts_tess_section_size(const ts_tess_file *file, int level, int tile) {
    size_t index = section_index(&file->header, level, tile);
    return index == SIZE_MAX ? 0 : file->length[index];
}
