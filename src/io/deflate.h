/* deflate.h - a zlib stream (RFC 1950, 1951) made piece by piece in bounded memory: hash chains, lazy matching, a Huffman
 * code for every block. What PNG output needs, no more.
 */
#ifndef TS_IO_DEFLATE_H
#define TS_IO_DEFLATE_H

#include "base/bytes.h"

enum { TS_DEFLATE_WINDOW = 32768, TS_DEFLATE_HASH = 16384, TS_DEFLATE_BLOCK = 16384 };

typedef struct ts_deflate {
    ts_writer *out; /* not owned; its `failed` tells of memory */
    uint64_t bits;  /* not yet written, low first */
    int bit_count;
    uint32_t adler_a, adler_b;
    int at, end;                             /* window[at..end) is still to be matched */
    int count;                               /* of symbols */
    uint32_t symbols[TS_DEFLATE_BLOCK];      /* of the block being made: a byte, or length << 16 | distance */
    int32_t head[TS_DEFLATE_HASH];           /* the last place of each hash, or -1 */
    int32_t previous[2 * TS_DEFLATE_WINDOW]; /* the place before with the same hash, or -1 */
    uint8_t window[2 * TS_DEFLATE_WINDOW];
} ts_deflate;

void ts_deflate_begin(ts_deflate *z, ts_writer *out);
void ts_deflate_put(ts_deflate *z, const uint8_t *bytes, size_t size);
void ts_deflate_end(ts_deflate *z); /* codes what is left and writes the checksum */

#endif
