#include "base/cosine.h"

#define PI 3.14159265358979323846

/* sin y for y = pi (1/2 - x), in -pi/2 .. pi/2, as a series. */
double ts_cos_pi(double x) {
    const double y = PI * (0.5 - x);
    double sum = 0, term = y;
    for (int n = 1; n < 26; n += 2) {
        sum += term;
        term *= -y * y / ((n + 1) * (n + 2));
    }
    return sum;
}
