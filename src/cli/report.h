/* report.h - what the verbs say: result lines or JSON on stdout, faults and progress on stderr. */
#ifndef TS_CLI_REPORT_H
#define TS_CLI_REPORT_H

#include <stdbool.h>
#include <stdio.h>

/* "tesserae: fault" on stderr; ends a progress line first. */
void say_fault(const char *fault);

/* A line on stderr that is written over itself, if stderr is a terminal. */
typedef struct progress {
    bool shown;
    double last_ms;
} progress;

progress progress_new(void);
void progress_show(progress *p, const char *what, double fraction);
void progress_text(progress *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
void progress_end(progress *p); /* wipes the line */

/* One JSON object per line on a stream. */
typedef struct json_line {
    FILE *to;
    bool comma;
} json_line;

json_line json_begin(FILE *to);
void json_text(json_line *j, const char *key, const char *value);
void json_real(json_line *j, const char *key, double value); /* null if not finite */
void json_whole(json_line *j, const char *key, long long value);
void json_raw(json_line *j, const char *key, const char *value);
void json_end(json_line *j);

#endif
