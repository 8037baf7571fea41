/* status.c - error sentences. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

tess_status ts_fail(ts_error *err, tess_status code, const char *format, ...) {
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return code;
}

tess_status ts_fail_memory(ts_error *err, size_t bytes) {
    return ts_fail(err, TESS_ERR_MEMORY,
                   "Memory ran out: %.1f MiB more were needed. Close other work or use a smaller picture.",
                   (double)bytes / (1024.0 * 1024.0));
}

const char *ts_status_name(tess_status code) {
    switch (code) {
    case TESS_OK: return "OK";
    case TESS_MORE: return "MORE";
    case TESS_DONE: return "DONE";
    case TESS_ERR_MEMORY: return "ERR_MEMORY";
    case TESS_ERR_FORMAT: return "ERR_FORMAT";
    case TESS_ERR_VERSION: return "ERR_VERSION";
    case TESS_ERR_MODEL: return "ERR_MODEL";
    case TESS_ERR_CHECKSUM: return "ERR_CHECKSUM";
    case TESS_ERR_TOO_LARGE: return "ERR_TOO_LARGE";
    case TESS_ERR_OPTION: return "ERR_OPTION";
    case TESS_ERR_INPUT: return "ERR_INPUT";
    case TESS_ERR_STATE: return "ERR_STATE";
    case TESS_ERR_NUMERIC: return "ERR_NUMERIC";
    }
    return "UNKNOWN";
}
