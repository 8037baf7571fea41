/* test.h - the whole test framework: checks that count, a summary, a non-zero exit when anything failed.
 *
 *     #include "test.h"
 *     static void test_sum(void) { CHECK_INT(1 + 1, 2); }
 *     int main(void) { RUN(test_sum); return test_end(); }
 *
 * In table-driven tests call test_row("case %d", i) before the checks of each row: a failure then names its row.
 */
#ifndef TS_TEST_H
#define TS_TEST_H

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct {
    long checks, failures;
    const char *name; /* of the running test */
    char row[128];
} test_now;

__attribute__((unused, format(printf, 1, 2))) static void test_row(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(test_now.row, sizeof test_now.row, format, args);
    va_end(args);
}

__attribute__((unused, format(printf, 4, 5))) static int test_check(int ok, const char *file, int line,
                                                                    const char *format, ...) {
    test_now.checks++;
    if (ok) return 1;
    test_now.failures++;
    if (test_now.failures > 20) return 0; /* counted, no longer printed */
    printf("%s:%d: %s%s%s%s: ", file, line, test_now.name ? test_now.name : "?", test_now.row[0] ? " [" : "",
           test_now.row, test_now.row[0] ? "]" : "");
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    return 0;
}

/* The typed checks are functions, so that each argument is evaluated once: it may be the call under test. */
__attribute__((unused)) static int test_check_int(const char *file, int line, const char *what, long long got,
                                                  long long want) {
    return test_check(got == want, file, line, "%s is %lld, not %lld", what, got, want);
}

__attribute__((unused)) static int test_check_text(const char *file, int line, const char *what, const char *got,
                                                   const char *want) {
    return test_check(strcmp(got, want) == 0, file, line, "%s is \"%s\", not \"%s\"", what, got, want);
}

__attribute__((unused)) static int test_check_near(const char *file, int line, const char *what, double got,
                                                   double want, double tolerance) {
    return test_check(fabs(got - want) <= tolerance, file, line, "%s is %.9g, not %.9g (+- %.3g)", what, got, want,
                      tolerance);
}

/* Every check returns its outcome, so that a test can stop where going on would crash: if (!CHECK(p)) return; */
#define CHECK(condition) test_check(!!(condition), __FILE__, __LINE__, "%s", #condition)
#define CHECK_INT(got, want) test_check_int(__FILE__, __LINE__, #got, (long long)(got), (long long)(want))
#define CHECK_TEXT(got, want) test_check_text(__FILE__, __LINE__, #got, (got), (want))
#define CHECK_BYTES(got, want, n)                                                                                      \
    test_check(memcmp((got), (want), (n)) == 0, __FILE__, __LINE__, "%s and %s differ", #got, #want)
/* |got - want| <= tolerance; never true for NaN. */
#define CHECK_NEAR(got, want, tolerance) test_check_near(__FILE__, __LINE__, #got, (got), (want), (tolerance))
#define RUN(test) (test_now.name = #test, test_now.row[0] = 0, test())

/* Prints the summary; the value for main to return. A test program that checked nothing fails. */
__attribute__((unused)) static int test_end(void) {
    printf("%ld checks, %ld failed\n", test_now.checks, test_now.failures);
    return test_now.failures != 0 || test_now.checks == 0;
}

#endif
