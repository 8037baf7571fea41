/* report.c - faults, progress lines, JSON lines. */
#include "cli/report.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "cli/platform.h"

enum { PROGRESS_MS = 100 };

void say_fault(const char *fault) {
    fflush(stdout);
    fprintf(stderr, "tesserae: %s\n", fault);
}

progress progress_new(void) { return (progress){false, -1e9}; }

void progress_text(progress *p, const char *format, ...) {
    if (!stderr_is_terminal()) return;
    const double now = clock_ms();
    if (now - p->last_ms < PROGRESS_MS) return;
    p->last_ms = now;
    p->shown = true;
    va_list args;
    va_start(args, format);
    fputs("\r\033[K", stderr);
    vfprintf(stderr, format, args);
    fflush(stderr);
    va_end(args);
}

void progress_show(progress *p, const char *what, double fraction) {
    const int WIDTH = 24, full = (int)(fraction * WIDTH + 0.5);
    char bar[32];
    for (int i = 0; i < WIDTH; i++) bar[i] = i < full ? '#' : '.';
    bar[WIDTH] = 0;
    const char *slash = strrchr(what, '/');
    progress_text(p, "%.40s [%s] %3.0f %%", slash ? slash + 1 : what, bar, 100 * fraction);
}

void progress_end(progress *p) {
    if (p->shown) fputs("\r\033[K", stderr);
    *p = progress_new();
}

/* ---- JSON ----------------------------------------------------------------------------------------------------- */

static void put_text(FILE *to, const char *text) {
    fputc('"', to);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\') fprintf(to, "\\%c", *c);
        else if (*c < 32) fprintf(to, "\\u%04x", *c);
        else fputc(*c, to);
    }
    fputc('"', to);
}

static void put_key(json_line *j, const char *key) {
    if (j->comma) fputc(',', j->to);
    j->comma = true;
    put_text(j->to, key);
    fputc(':', j->to);
}

json_line json_begin(FILE *to) {
    fputc('{', to);
    return (json_line){to, false};
}

void json_text(json_line *j, const char *key, const char *value) {
    put_key(j, key);
    put_text(j->to, value);
}

void json_real(json_line *j, const char *key, double value) {
    put_key(j, key);
    if (isfinite(value)) fprintf(j->to, "%.9g", value);
    else fputs("null", j->to);
}

void json_whole(json_line *j, const char *key, long long value) {
    put_key(j, key);
    fprintf(j->to, "%lld", value);
}

void json_raw(json_line *j, const char *key, const char *value) {
    put_key(j, key);
    fputs(value, j->to);
}

void json_end(json_line *j) {
    fputs("}\n", j->to);
    fflush(j->to);
}
