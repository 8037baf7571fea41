/* file.h - files and faults of the programs here. */
#ifndef TS_BENCH_FILE_H
#define TS_BENCH_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Says what is wrong with what, and ends the program. */
static inline void fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

/* The whole file, with room for one byte more; malloc'ed. */
static inline uint8_t *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file) fail(path, "cannot be read");
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*size + 1);
    if (!bytes || fread(bytes, 1, *size, file) != *size) fail(path, "cannot be read");
    fclose(file);
    return bytes;
}

#endif
