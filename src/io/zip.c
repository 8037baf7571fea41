#include "io/zip.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

enum {
    END_SIZE = 22,
    LOCATOR_SIZE = 20,
    END64_SIZE = 56,
    CENTRAL_SIZE = 46,
    LOCAL_SIZE = 30,
    ENCRYPTED = 1,
    SIZES_FOLLOW = 8, /* the local header has zeros for them */
    ZIP64_EXTRA = 1
};

#define ESCAPE 0xffffffffu /* the 32-bit field stands for one of 64 bits in the extra data */

typedef struct directory {
    uint64_t count, size, offset;
} directory;

static uint32_t load_u16(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }

static tess_status cut_off(ts_error *err) {
    return ts_fail(err, TESS_ERR_FORMAT,
                   "Its zip directory is missing or damaged: the file is cut off; copy it again.");
}

/* The end record lies before a comment that reaches to the last byte. */
static const uint8_t *find_end(const uint8_t *bytes, size_t size) {
    for (size_t comment = 0; comment <= 0xffff && comment + END_SIZE <= size; comment++) {
        const uint8_t *end = bytes + size - END_SIZE - comment;
        if (ts_load_u32(end) == 0x06054b50 && load_u16(end + 20) == comment) return end;
    }
    return NULL;
}

static tess_status find_directory(directory *d, const uint8_t *bytes, size_t size, ts_error *err) {
    const uint8_t *end = find_end(bytes, size);
    if (!end) return cut_off(err);
    *d = (directory){load_u16(end + 10), ts_load_u32(end + 12), ts_load_u32(end + 16)};
    size_t before = (size_t)(end - bytes);
    const uint8_t *locator = end - (before < LOCATOR_SIZE ? 0 : LOCATOR_SIZE);
    if (before >= LOCATOR_SIZE && ts_load_u32(locator) == 0x07064b50) {
        uint64_t at = ts_load_u64(locator + 8);
        before -= LOCATOR_SIZE;
        if (before < END64_SIZE || at > before - END64_SIZE || ts_load_u32(bytes + at) != 0x06064b50)
            return cut_off(err);
        *d = (directory){ts_load_u64(bytes + at + 32), ts_load_u64(bytes + at + 40), ts_load_u64(bytes + at + 48)};
        before = (size_t)at;
    }
    if (d->offset > before || d->size > before - d->offset || d->count > d->size / CENTRAL_SIZE) return cut_off(err);
    if (d->count > TS_ZIP_ENTRIES)
        return ts_fail(err, TESS_ERR_TOO_LARGE, "It has %llu entries; the limit is %d.", (unsigned long long)d->count,
                       TS_ZIP_ENTRIES);
    return TESS_OK;
}

/* Replaces the escaped ones of `fields` by the 64-bit values of the zip64 extra data; false if they are not there. */
static bool read_zip64(uint64_t *fields[3], const uint8_t *extra, size_t size) {
    ts_reader in = ts_reader_new(extra, size);
    int wanted = 0;
    for (int i = 0; i < 3; i++) wanted += *fields[i] == ESCAPE;
    while (wanted > 0 && ts_reader_left(&in) >= 4) {
        const uint16_t kind = ts_read_u16(&in), length = ts_read_u16(&in);
        const uint8_t *data = ts_read_bytes(&in, length);
        if (!data) return false;
        if (kind != ZIP64_EXTRA) continue;
        ts_reader values = ts_reader_new(data, length);
        for (int i = 0; i < 3; i++)
            if (*fields[i] == ESCAPE) *fields[i] = ts_read_u64(&values);
        return !values.failed;
    }
    return wanted == 0;
}

/* The data of an entry whose local header is at `offset`; everything lies before `limit`. NULL if it lies. */
static const uint8_t *find_data(const uint8_t *bytes, uint64_t offset, size_t limit, const ts_zip_entry *entry) {
    if (limit < LOCAL_SIZE || offset > limit - LOCAL_SIZE) return NULL;
    const uint8_t *local = bytes + offset;
    const size_t left = limit - LOCAL_SIZE - (size_t)offset, name = load_u16(local + 26), extra = load_u16(local + 28);
    if (ts_load_u32(local) != 0x04034b50 || load_u16(local + 8) != 0 || name != entry->name_size) return NULL;
    if (name + extra > left || entry->size > left - name - extra) return NULL;
    if (memcmp(local + LOCAL_SIZE, entry->name, name) != 0) return NULL;
    const uint32_t packed = ts_load_u32(local + 18), plain = ts_load_u32(local + 22);
    if (!(load_u16(local + 6) & SIZES_FOLLOW) &&
        ((packed != ESCAPE && packed != entry->size) || (plain != ESCAPE && plain != entry->size)))
        return NULL;
    return local + LOCAL_SIZE + name + extra;
}

static tess_status read_entry(ts_zip_entry *entry, ts_reader *in, const uint8_t *bytes, size_t limit, ts_error *err) {
    const uint8_t *head = ts_read_bytes(in, CENTRAL_SIZE);
    if (!head || ts_load_u32(head) != 0x02014b50) return cut_off(err);
    uint64_t packed = ts_load_u32(head + 20), plain = ts_load_u32(head + 24), offset = ts_load_u32(head + 42);
    entry->name_size = load_u16(head + 28);
    entry->name = (const char *)ts_read_bytes(in, entry->name_size);
    const size_t extra_size = load_u16(head + 30);
    const uint8_t *extra = ts_read_bytes(in, extra_size);
    ts_read_bytes(in, load_u16(head + 32)); /* a comment */
    if (in->failed || !read_zip64((uint64_t *[]){&plain, &packed, &offset}, extra, extra_size)) return cut_off(err);
    const int shown = entry->name_size > 80 ? 80 : (int)entry->name_size;
    if (load_u16(head + 10) != 0 || (load_u16(head + 8) & ENCRYPTED))
        return ts_fail(err, TESS_ERR_FORMAT,
                       "Entry \"%.*s\" is compressed or encrypted; torch.save stores plainly. Load it in PyTorch and "
                       "save it again, best as safetensors.",
                       shown, entry->name);
    entry->size = (size_t)plain;
    entry->data = packed == plain && plain <= limit ? find_data(bytes, offset, limit, entry) : NULL;
    if (!entry->data)
        return ts_fail(err, TESS_ERR_FORMAT, "Entry \"%.*s\" and its local header do not agree: the file is damaged.",
                       shown, entry->name);
    return TESS_OK;
}

static int compare(const char *a, size_t a_size, const char *b, size_t b_size) {
    const int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return order ? order : (a_size > b_size) - (a_size < b_size);
}

static int compare_entries(const void *a, const void *b) {
    const ts_zip_entry *x = a, *y = b;
    return compare(x->name, x->name_size, y->name, y->name_size);
}

tess_status ts_zip_open(ts_zip *zip, ts_arena *arena, const void *bytes, size_t size, ts_error *err) {
    directory d = {0, 0, 0};
    tess_status status = find_directory(&d, bytes, size, err);
    if (status < 0) return status;
    zip->count = (size_t)d.count;
    zip->entries = ts_arena_array(arena, zip->count + 1, sizeof *zip->entries);
    if (!zip->entries) return ts_fail_memory(err, zip->count * sizeof *zip->entries);
    ts_reader in = ts_reader_new((const uint8_t *)bytes + d.offset, (size_t)d.size);
    for (size_t i = 0; i < zip->count && status == TESS_OK; i++)
        status = read_entry(&zip->entries[i], &in, bytes, (size_t)d.offset, err);
    if (status == TESS_OK) qsort(zip->entries, zip->count, sizeof *zip->entries, compare_entries);
    return status;
}

const ts_zip_entry *ts_zip_find(const ts_zip *zip, const char *name, size_t name_size) {
    size_t low = 0, high = zip->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const ts_zip_entry *entry = &zip->entries[middle];
        const int order = compare(entry->name, entry->name_size, name, name_size);
        if (order == 0) return entry;
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return NULL;
}
