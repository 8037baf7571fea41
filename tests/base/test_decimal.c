/* Decimal numbers against the C library's strtod, bit for bit. */
#include <stdlib.h>

#include "base/decimal.h"
#include "base/rng.h"
#include "test.h"

static void check(const char *text) {
    const double got = ts_decimal(text, strlen(text)), want = strtod(text, NULL);
    test_row("%s", text);
    CHECK_BYTES(&got, &want, sizeof got);
}

static void test_edges(void) {
    static const char *const texts[] = {"0",
                                        "-0",
                                        "0.0e5",
                                        "1",
                                        "-1",
                                        "12.5e-3",
                                        "1e22",
                                        "1e23",
                                        "9007199254740993",
                                        "9007199254740992.5",
                                        "9007199254740991.5",
                                        "18446744073709551616",
                                        "0.1",
                                        "3e-320",
                                        "5e-324",
                                        "2.4703282292062327e-324",
                                        "2.4703282292062328e-324",
                                        "2.2250738585072014e-308",
                                        "2.2250738585072011e-308",
                                        "1.7976931348623157e308",
                                        "1.7976931348623159e308",
                                        "1e309",
                                        "1e400",
                                        "1e401",
                                        "1E+9999999999",
                                        "1e-9999999999",
                                        "1e-400",
                                        "1e-500",
                                        "123456789012345678901234567890123456789012345678901234567890123",
                                        "1e-6",
                                        "4E-4",
                                        "0.99",
                                        "-65504",
                                        "0.00000000000000000000000000000000000000000000000000000000000001",
                                        "99999999999999999999999999999999999999999999999999999999999e400",
                                        "8.5000000000000000000000000000000000000000000000000000000000001"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) check(texts[i]);
}

/* Numbers as programs print them, and digits at random. */
static void test_random(void) {
    ts_rng rng = ts_rng_new(7, 1);
    for (int i = 0; i < 20000; i++) {
        char text[TS_DECIMAL_LENGTH];
        const uint64_t bits = (uint64_t)ts_rng_u32(&rng) << 32 | ts_rng_u32(&rng);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) continue;
        snprintf(text, sizeof text, i % 3 == 0 ? "%.9g" : i % 3 == 1 ? "%.17g" : "%.40e", value);
        check(text);
        snprintf(text, sizeof text, "%u.%ue%d", (unsigned)(bits >> 40), (unsigned)bits, (int)(bits >> 32 & 63) - 32);
        check(text);
        snprintf(text, sizeof text, "%llu.5", (unsigned long long)(bits >> (10 + i % 4))); /* ties */
        check(text);
    }
}

int main(void) {
    RUN(test_edges);
    RUN(test_random);
    return test_end();
}
