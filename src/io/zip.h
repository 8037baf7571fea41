/* zip.h - the index of a zip archive in memory whose entries are stored, not compressed (APPNOTE 6.3; zip64 too): what
 * torch.save writes. Checksums are not compared: PyTorch can be told not to compute them. */
#ifndef TS_IO_ZIP_H
#define TS_IO_ZIP_H

#include "base/arena.h"
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { TS_ZIP_ENTRIES = 1 << 20 }; /* at most */

typedef struct ts_zip_entry {
    const char *name; /* name_size bytes, not terminated; in the archive */
    size_t name_size;
    const uint8_t *data; /* in the archive */
    size_t size;
} ts_zip_entry;

typedef struct ts_zip {
    ts_zip_entry *entries; /* sorted by name; in the arena */
    size_t count;
} ts_zip;

/* Reads the central directory of `size` bytes, which are borrowed, and checks it against every local header. Errors:
 * FORMAT (cut off, lying, compressed, encrypted), TOO_LARGE, MEMORY. */
tess_status ts_zip_open(ts_zip *zip, ts_arena *arena, const void *bytes, size_t size, ts_error *err);
const ts_zip_entry *ts_zip_find(const ts_zip *zip, const char *name, size_t name_size); /* NULL if there is none */

#endif
