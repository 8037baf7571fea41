/* file.c - whole files, written to a temporary name and renamed. */
#define _XOPEN_SOURCE 700
#include "cli/file.h"

#include "cli/platform.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

const char *shown_name(const char *path) { return strcmp(path, "-") == 0 ? "standard input" : path; }

static const char *cure(int code) {
    switch (code) {
    case ENOENT: return "check the name";
    case EACCES:
    case EPERM: return "check the permissions";
    case ENOSPC:
    case EDQUOT: return "free some room, or write elsewhere";
    case EFBIG: return "it is over the limit set for files";
    case EISDIR: return "it is a folder; name a file";
    case ENOTDIR: return "part of the path is not a folder";
    case EROFS: return "write elsewhere";
    default: return "try again or use another place";
    }
}

static bool say(char fault[FAULT_SIZE], const char *path, const char *what, int code) {
    snprintf(fault, FAULT_SIZE, "%.300s: %s (%s): %s", path, what, strerror(code), cure(code));
    return false;
}

/* Reads a stream to its end, doubling the room. */
static bool read_stream(FILE *from, size_t guess, uint8_t **bytes, size_t *size) {
    size_t room = guess + 1, used = 0;
    uint8_t *all = malloc(room);
    while (all) {
        used += fread(all + used, 1, room - used, from);
        if (ferror(from) || used < room) break;
        uint8_t *more = room > SIZE_MAX / 2 ? NULL : realloc(all, room * 2);
        if (!more) {
            free(all);
            errno = ENOMEM;
            return false;
        }
        all = more;
        room *= 2;
    }
    if (!all || ferror(from)) {
        free(all);
        return false;
    }
    *bytes = all;
    *size = used;
    return true;
}

bool file_read(const char *path, uint8_t **bytes, size_t *size, char fault[FAULT_SIZE]) {
    const bool standard = strcmp(path, "-") == 0;
    if (!standard && is_folder(path)) return say(fault, path, "cannot be read", EISDIR);
    FILE *from = standard ? stdin : fopen(path, "rb");
    if (!from) return say(fault, path, "cannot be opened", errno);
    struct stat about;
    const size_t guess = fstat(fileno(from), &about) == 0 && about.st_size > 0 ? (size_t)about.st_size : 65535;
    errno = 0;
    const bool ok = read_stream(from, guess, bytes, size);
    const int code = errno ? errno : EIO;
    if (!standard) fclose(from);
    return ok || say(fault, shown_name(path), "cannot be read", code);
}

/* Writes and closes; leaves the reason in *code. */
static bool write_stream(FILE *to, const void *bytes, size_t size, bool close, int *code) {
    errno = 0;
    bool ok = fwrite(bytes, 1, size, to) == size && fflush(to) == 0;
    *code = errno;
    if (close && fclose(to) != 0 && ok) {
        ok = false;
        *code = errno;
    }
    if (!*code) *code = EIO;
    return ok;
}

/* The temporary name beside `path` under which process `id` writes it; false if it is too long. */
static bool temporary_name(const char *path, long id, char out[PATH_SIZE]) {
    const int length = snprintf(out, PATH_SIZE, "%s.%ld.tmp", path, id);
    return length >= 0 && length < PATH_SIZE;
}

/* The process of a temporary name for `base` (a path's last part); -1 if `name` is no such name. */
static int process_of(const char *name, const char *base) {
    const size_t length = strlen(base);
    if (strncmp(name, base, length) != 0 || name[length] != '.') return -1;
    const char *id = name + length + 1;
    const size_t digits = strspn(id, "0123456789");
    return digits >= 1 && digits <= 9 && strcmp(id + digits, ".tmp") == 0 ? (int)strtol(id, NULL, 10) : -1;
}

/* Removes what processes that were killed while they wrote `path` have left beside it. */
static void remove_stale(const char *path) {
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    char place[PATH_SIZE];
    snprintf(place, sizeof place, "%.*s", slash ? (int)(base - path) : 1, slash ? path : ".");
    DIR *folder = opendir(place);
    if (!folder) return;
    for (const struct dirent *entry; (entry = readdir(folder));) {
        const int id = process_of(entry->d_name, base);
        if (id > 0 && !process_lives(id) && temporary_name(path, id, place)) unlink(place);
    }
    closedir(folder);
}

bool file_write(const char *path, const void *bytes, size_t size, char fault[FAULT_SIZE]) {
    int code = 0;
    if (strcmp(path, "-") == 0)
        return write_stream(stdout, bytes, size, false, &code) ||
               say(fault, "standard output", "cannot be written", code);
    struct stat about;
    const bool there = stat(path, &about) == 0;
    if (there && S_ISDIR(about.st_mode)) return say(fault, path, "cannot be written", EISDIR);
    if (there && !S_ISREG(about.st_mode)) { /* a device or a pipe keeps its name */
        FILE *to = fopen(path, "wb");
        if (!to) return say(fault, path, "cannot be opened for writing", errno);
        return write_stream(to, bytes, size, true, &code) || say(fault, path, "cannot be written", code);
    }
    char temporary[PATH_SIZE];
    if (!temporary_name(path, process_id(), temporary)) return say(fault, path, "cannot be written", ENAMETOOLONG);
    remove_stale(path);
    FILE *to = fopen(temporary, "wb");
    if (!to) return say(fault, path, "cannot be opened for writing", errno);
    bool ok = write_stream(to, bytes, size, true, &code);
    if (ok && rename(temporary, path) != 0) {
        ok = false;
        code = errno;
    }
    if (ok) return true;
    remove(temporary);
    return say(fault, path, "cannot be written, and is as it was", code);
}

bool is_folder(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

bool make_folder(const char *path, char fault[FAULT_SIZE]) {
    if (is_folder(path) || mkdir(path, 0777) == 0) return true;
    return say(fault, path, "cannot be made", errno);
}

static bool ends_in(const char *name, const char *endings) {
    const size_t length = strlen(name);
    for (const char *at = endings; *at;) {
        const size_t n = strcspn(at, " ");
        if (length > n && strncasecmp(name + length - n, at, n) == 0) return true;
        at += n + (at[n] == ' ');
    }
    return false;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

bool list_folder(const char *path, const char *endings, file_list *list, char fault[FAULT_SIZE]) {
    *list = (file_list){NULL, 0};
    DIR *folder = opendir(path);
    if (!folder) return say(fault, path, "cannot be listed", errno);
    bool ok = true;
    for (const struct dirent *entry; ok && (entry = readdir(folder));) {
        if (entry->d_name[0] == '.' || !ends_in(entry->d_name, endings)) continue;
        const size_t room = strlen(path) + strlen(entry->d_name) + 2;
        char *name = malloc(room), **more = realloc(list->paths, (size_t)(list->count + 1) * sizeof *more);
        if (more) list->paths = more;
        ok = name && more;
        if (!ok) {
            free(name);
            break;
        }
        snprintf(name, room, "%s/%s", path, entry->d_name);
        list->paths[list->count++] = name;
    }
    closedir(folder);
    if (!ok) {
        free_list(list);
        return say(fault, path, "cannot be listed", ENOMEM);
    }
    if (list->count) qsort(list->paths, (size_t)list->count, sizeof *list->paths, by_name);
    return true;
}

void free_list(file_list *list) {
    for (int i = 0; i < list->count; i++) free(list->paths[i]);
    free(list->paths);
    *list = (file_list){NULL, 0};
}

bool output_path(const char *in, const char *out, const char *folder, const char *ending, char path[PATH_SIZE]) {
    int length;
    if (out || (strcmp(in, "-") == 0 && !folder)) {
        length = snprintf(path, PATH_SIZE, "%s", out ? out : "-");
    } else {
        const char *slash = strrchr(in, '/');
        const char *name = slash ? slash + 1 : in;
        if (strcmp(in, "-") == 0) name = "stdin";
        const char *dot = strrchr(name, '.');
        const int stem = (int)(dot && dot != name ? (size_t)(dot - name) : strlen(name));
        if (folder) length = snprintf(path, PATH_SIZE, "%s/%.*s%s", folder, stem, name, ending);
        else length = snprintf(path, PATH_SIZE, "%.*s%.*s%s", (int)(name - in), in, stem, name, ending);
    }
    return length >= 0 && length < PATH_SIZE;
}

bool numbered_path(const char *out, int i, int count, char path[PATH_SIZE]) {
    const char *slash = strrchr(out, '/'), *dot = strrchr(out, '.');
    const int stem = (int)(dot && dot > (slash ? slash + 1 : out) ? (size_t)(dot - out) : strlen(out));
    const int length = count == 1 ? snprintf(path, PATH_SIZE, "%s", out)
                                  : snprintf(path, PATH_SIZE, "%.*s-%d%s", stem, out, i + 1, out + stem);
    return length >= 0 && length < PATH_SIZE;
}
