/* hash.h - CRC-32 (IEEE 802.3, as in zlib and PNG) and FNV-1a (64 bits). */
#ifndef TS_BASE_HASH_H
#define TS_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* CRC of data continuing from `crc` (0 at the start). ts_crc32(0, "123456789", 9) == 0xCBF43926. */
uint32_t ts_crc32(uint32_t crc, const void *data, size_t size);

#define TS_FNV_START 0xcbf29ce484222325ull
/* FNV-1a continuing from `hash` (TS_FNV_START at the start). */
uint64_t ts_fnv1a64(uint64_t hash, const void *data, size_t size);

#endif
