/* platform.c - clock, terminal, environment, program folder and Ctrl-C, natively and under Node. */
#define _XOPEN_SOURCE 700
#include "cli/platform.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef __EMSCRIPTEN__
#include <emscripten.h>

/* Emscripten has its own environment and process id, and says that every standard stream is a terminal: ask Node. */
/* The formatter would take JavaScript's operators apart. */
/* clang-format off */
EM_JS(int, node_stderr_is_terminal, (void), { return process.stderr.isTTY ? 1 : 0; });
EM_JS(int, node_environment, (const char *name, char *out, int capacity), {
    const value = process.env[UTF8ToString(name)];
    if (value === undefined || lengthBytesUTF8(value) >= capacity) return 0;
    stringToUTF8(value, out, capacity);
    return 1;
});
EM_JS(int, node_process_id, (void), { return process.pid; });
EM_JS(int, node_process_lives, (int id), {
    try {
        process.kill(id, 0);
    } catch (error) {
        return error.code !== 'ESRCH' ? 1 : 0;
    }
    return 1;
});
/* clang-format on */
#endif

double clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

bool stderr_is_terminal(void) {
#ifdef __EMSCRIPTEN__
    return node_stderr_is_terminal() != 0;
#else
    return isatty(STDERR_FILENO) != 0;
#endif
}

const char *environment(const char *name) {
#ifdef __EMSCRIPTEN__
    static char text[4096];
    return node_environment(name, text, sizeof text) ? text : NULL;
#else
    return getenv(name);
#endif
}

bool program_folder(const char *argv0, char *out, size_t capacity) {
    size_t length = 0;
#if defined(__linux__) && !defined(__EMSCRIPTEN__)
    const ssize_t got = readlink("/proc/self/exe", out, capacity - 1);
    if (got > 0) length = (size_t)got;
#endif
    if (length == 0) { /* elsewhere argv[0] is the path, or a bare name found through PATH (no folder known) */
        length = strlen(argv0);
        if (length >= capacity) return false;
        memcpy(out, argv0, length);
    }
    while (length > 0 && out[length - 1] != '/') length--;
    if (length == 0) return false;
    out[length > 1 ? length - 1 : 1] = 0;
    return true;
}

long process_id(void) {
#ifdef __EMSCRIPTEN__
    return node_process_id();
#else
    return (long)getpid();
#endif
}

bool process_lives(int id) {
#ifdef __EMSCRIPTEN__
    return node_process_lives(id) != 0;
#else
    return kill((pid_t)id, 0) == 0 || errno != ESRCH;
#endif
}

int processors(void) {
#ifdef __EMSCRIPTEN__
    return 1;
#else
    const long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : count > 64 ? 64 : (int)count;
#endif
}

static volatile sig_atomic_t stop_wanted;

static void on_interrupt(int number) {
    stop_wanted = 1;
    signal(number, SIG_DFL);
}

void catch_interrupt(void) {
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
}

bool interrupted(void) { return stop_wanted != 0; }
