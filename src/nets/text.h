/* text.h - a prompt as numbers: words, and rows of an embedding table for each (hashed byte n-grams, as fastText:
 * Bojanowski et al. 2017, arXiv:1607.04606).
 *
 * Bytes of UTF-8; A to Z count as a to z. A word is a longest run of a-z, 0-9 and bytes from 0x80 on. Its features: the
 * word itself, then every three bytes of "<word>" in order, TS_TEXT_FEATURES at most. A feature's row is FNV-1a (32 bits)
 * over a type byte ('w' for the word, 'g' for a window) and its bytes, modulo the number of rows. Integers alone: the
 * same everywhere. */
#ifndef TS_NETS_TEXT_H
#define TS_NETS_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define TS_TEXT_FEATURES 32

/* Reads the first `words` words of any `size` bytes: rows gets [words][TS_TEXT_FEATURES] row numbers in 0 .. buckets - 1
 * (buckets >= 1), -1 where there is no feature. Returns how many words there were, at most `words`. */
int ts_text_rows(const char *text, size_t size, int words, int buckets, int32_t *rows);

#endif
