/* The cosine of schedules, against the C library's. */
#include "test.h"

#include "base/cosine.h"

static void test_values(void) {
    for (int i = 0; i <= 1000; i++) CHECK_NEAR(ts_cos_pi(i / 1000.0), cos(3.14159265358979323846 * i / 1000.0), 1e-15);
    CHECK_NEAR(ts_cos_pi(0.5), 0, 0);
}

int main(void) {
    RUN(test_values);
    return test_end();
}
