/* arena.c - a chain of chunks filled from the front. */
#include "base/arena.h"

#include "base/alloc.h"
#include "base/size.h"

#include <string.h>

struct ts_arena_chunk {
    ts_arena_chunk *older;
    size_t size; /* bytes of room after this header, which takes one alignment unit */
    size_t used;
};

static char *room_of(ts_arena_chunk *chunk) { return (char *)chunk + TS_ALIGN; }

void ts_arena_init(ts_arena *arena, size_t chunk_size) {
    *arena = (ts_arena){.chunk_size = chunk_size ? chunk_size : (size_t)1 << 16};
}

void ts_arena_free(ts_arena *arena) {
    ts_arena_rewind(arena, (ts_arena_mark){NULL, 0});
    arena->failed = false;
}

static bool add_chunk(ts_arena *arena, size_t least) {
    bool over = false;
    const size_t size = ts_max_size(least, arena->chunk_size);
    const size_t total = ts_add(size, TS_ALIGN, &over);
    ts_arena_chunk *chunk = over ? NULL : ts_alloc(total);
    if (!chunk) return false;
    *chunk = (ts_arena_chunk){arena->chunk, size, 0};
    arena->chunk = chunk;
    return true;
}

void *ts_arena_alloc(ts_arena *arena, size_t bytes) {
    bool over = false;
    const size_t rounded = ts_round_up(bytes ? bytes : 1, TS_ALIGN, &over);
    const bool fits = arena->chunk && !over && rounded <= arena->chunk->size - arena->chunk->used;
    if (over || (!fits && !add_chunk(arena, rounded))) {
        arena->failed = true;
        return NULL;
    }
    char *block = room_of(arena->chunk) + arena->chunk->used;
    arena->chunk->used += rounded;
    return memset(block, 0, rounded);
}

void *ts_arena_array(ts_arena *arena, size_t count, size_t size) {
    bool over = false;
    const size_t bytes = ts_mul(count, size, &over);
    if (over) {
        arena->failed = true;
        return NULL;
    }
    return ts_arena_alloc(arena, bytes);
}

char *ts_arena_text(ts_arena *arena, const char *text, size_t length) {
    char *copy = length < SIZE_MAX ? ts_arena_alloc(arena, length + 1) : NULL;
    if (copy) memcpy(copy, text, length);
    return copy;
}

ts_arena_mark ts_arena_save(const ts_arena *arena) {
    return (ts_arena_mark){arena->chunk, arena->chunk ? arena->chunk->used : 0};
}

void ts_arena_rewind(ts_arena *arena, ts_arena_mark mark) {
    while (arena->chunk != mark.chunk) {
        ts_arena_chunk *older = arena->chunk->older;
        ts_free(arena->chunk);
        arena->chunk = older;
    }
    if (arena->chunk) arena->chunk->used = mark.used;
}
