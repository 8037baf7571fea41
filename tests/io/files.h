/* files.h - test helper: a whole file in memory. */
#ifndef TS_TEST_FILES_H
#define TS_TEST_FILES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* malloc'ed bytes of exactly the file's size, so that sanitizers see every overread; NULL if it cannot be read. */
static inline uint8_t *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*size ? *size : 1);
    if (fread(bytes, 1, *size, file) != *size) *size = 0;
    fclose(file);
    return bytes;
}

/* malloc'ed copy of exactly `size` bytes. */
static inline uint8_t *copy_bytes(const void *bytes, size_t size) {
    uint8_t *copy = malloc(size ? size : 1);
    for (size_t i = 0; i < size; i++) copy[i] = ((const uint8_t *)bytes)[i];
    return copy;
}

#endif
