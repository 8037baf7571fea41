/* library.c - what belongs to no handle: version, back end, status names, memory for callers without an allocator. */
#include "base/alloc.h"
#include "base/status.h"
#include "simd/vec.h"

const char *tess_version(void) { return "0.1.0"; }

const char *tess_backend(void) { return TS_SIMD_NAME; }

const char *tess_status_name(tess_status code) { return ts_status_name(code); }

void *tess_alloc(size_t bytes) { return ts_alloc(bytes); }

void tess_free(void *memory) { ts_free(memory); }
