/* arena.h - many small allocations with one lifetime.
 *
 * Memory comes in chunks; everything is given back by ts_arena_free, or down to a mark by ts_arena_rewind. A failed
 * allocation returns NULL and sets `failed`, so that a builder may check once at its end.
 */
#ifndef TS_BASE_ARENA_H
#define TS_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

typedef struct ts_arena_chunk ts_arena_chunk;

typedef struct ts_arena {
    ts_arena_chunk *chunk; /* the newest chunk; older ones hang on it */
    size_t chunk_size;     /* least bytes per chunk */
    bool failed;           /* sticky: some allocation failed */
} ts_arena;

typedef struct ts_arena_mark {
    ts_arena_chunk *chunk;
    size_t used;
} ts_arena_mark;

/* Allocates nothing yet. chunk_size 0 = 64 KiB. */
void ts_arena_init(ts_arena *arena, size_t chunk_size);
void ts_arena_free(ts_arena *arena); /* leaves an empty, usable arena */
/* `bytes` bytes aligned to 64, zeroed; NULL on failure. */
void *ts_arena_alloc(ts_arena *arena, size_t bytes);
/* count * size zeroed bytes, overflow checked. */
void *ts_arena_array(ts_arena *arena, size_t count, size_t size);
/* A copy of length bytes of text plus a terminator. */
char *ts_arena_text(ts_arena *arena, const char *text, size_t length);

ts_arena_mark ts_arena_save(const ts_arena *arena);
void ts_arena_rewind(ts_arena *arena, ts_arena_mark mark); /* frees what came after the mark */

#endif
