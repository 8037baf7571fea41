/* file.h - whole files in and out. Every failure is one sentence in `fault` that names the file and the cure. */
#ifndef TS_CLI_FILE_H
#define TS_CLI_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { FAULT_SIZE = 512, PATH_SIZE = 4096 };

/* Reads all of `path` ("-": standard input) into memory that the caller frees with free(). */
bool file_read(const char *path, uint8_t **bytes, size_t *size, char fault[FAULT_SIZE]);
/* Writes all bytes to a temporary name beside `path`, then renames: an earlier file stays whole until then.
 * Temporary files of this name that a killed process has left are removed.
 * "-" is standard output; a device or pipe is written straight. */
bool file_write(const char *path, const void *bytes, size_t size, char fault[FAULT_SIZE]);
bool is_folder(const char *path);
bool make_folder(const char *path, char fault[FAULT_SIZE]); /* there already: fine */

typedef struct file_list {
    char **paths; /* sorted */
    int count;
} file_list;

/* The files of a folder (no deeper) whose names end in one of the space-separated endings, such as ".png .jpg",
 * case ignored. */
bool list_folder(const char *path, const char *endings, file_list *list, char fault[FAULT_SIZE]);
void free_list(file_list *list);

/* Where the result for `in` goes: `out` if given, else folder/name.ending, else beside `in`; "-" for standard input. */
bool output_path(const char *in, const char *out, const char *folder, const char *ending, char path[PATH_SIZE]);
/* OUT itself, or for number i (from 0) of several files OUT with "-1", "-2" and so on before its ending. */
bool numbered_path(const char *out, int i, int count, char path[PATH_SIZE]);
const char *shown_name(const char *path); /* "standard input" for "-" */

#endif
