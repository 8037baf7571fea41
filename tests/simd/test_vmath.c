/* test_vmath.c - elementary functions against double precision over their whole ranges, in ULP; golden hashes. */
#include "simd/vmath.h"

#include "base/hash.h"
#include "test.h"

static double silu(double x) { return x / (1 + exp(-x)); }
static double gelu(double x) { return x / 2 * (1 + tanh(sqrt(2 / acos(-1.0)) * (x + 0.044715 * x * x * x))); }
static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double rsqrt(double x) { return 1 / sqrt(x); }

typedef struct function {
    const char *name;
    vf (*vector)(vf);
    double (*scalar)(double);
    double low, high;
    int geometric;   /* points spread over the exponents instead of evenly */
    double ulp, off; /* allowed: ulp * spacing of the result + off */
    uint64_t golden;
} function;

static vf exp_v(vf x) { return vf_exp(x); }
static vf log_v(vf x) { return vf_log(x); }
static vf tanh_v(vf x) { return vf_tanh(x); }
static vf sigmoid_v(vf x) { return vf_sigmoid(x); }
static vf rsqrt_v(vf x) { return vf_rsqrt(x); }
static vf silu_v(vf x) { return vf_silu(x); }
static vf gelu_v(vf x) { return vf_gelu(x); }

static const function FUNCTIONS[] = {
    {"exp", exp_v, exp, -87.2, 88.2, 0, 2, 0, 0x36b72a439f70e6ef},
    {"log", log_v, log, 0x1p-126, 3e38, 1, 2, 0, 0x53dd8e53c8941dbb},
    {"tanh", tanh_v, tanh, -20, 20, 0, 2, 0, 0x70dba02940148491},
    {"tanh small", tanh_v, tanh, 1e-30, 1, 1, 2, 0, 0x1ce392cf566d3cc9},
    {"sigmoid", sigmoid_v, sigmoid, -87, 87, 0, 3, 0, 0x4b92a2c88d2663c3},
    {"rsqrt", rsqrt_v, rsqrt, 1e-37, 3e38, 1, 1.5, 0, 0x4cd1d088fccb9201},
    {"silu", silu_v, silu, -80, 80, 0, 4, 0, 0xb2be7c8662830143},
    {"gelu", gelu_v, gelu, -10, 10, 0, 4, 3e-7, 0xcf5fde31716be07a},
};
enum { FUNCTION_COUNT = sizeof FUNCTIONS / sizeof FUNCTIONS[0], POINTS = 200000 };

/* The distance between floats around |value|. */
static double spacing(double value) {
    int exponent;
    frexp(fmax(fabs(value), 0x1p-126), &exponent);
    return ldexp(1, exponent - 24);
}

/* Spread over all exponents: equal steps of the bit pattern (positive numbers only). */
static float between(float low, float high, double t) {
    int32_t a, b;
    memcpy(&a, &low, 4);
    memcpy(&b, &high, 4);
    const int32_t bits = a + (int32_t)(t * (double)(b - a));
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static void test_accuracy(void) {
    static float x[POINTS], y[POINTS];
    for (int k = 0; k < FUNCTION_COUNT; k++) {
        const function *f = &FUNCTIONS[k];
        test_row("%s", f->name);
        for (int i = 0; i < POINTS; i++) {
            const double t = (double)i / (POINTS - 1);
            x[i] = f->geometric ? between((float)f->low, (float)f->high, t) : (float)(f->low + t * (f->high - f->low));
        }
        for (int i = 0; i < POINTS; i += TS_VF) vf_store(y + i, f->vector(vf_load(x + i)));
        double worst = 0;
        int at = 0;
        for (int i = 0; i < POINTS; i++) {
            const double want = f->scalar((double)x[i]);
            const double error = fmax(0, fabs((double)y[i] - want) - f->off) / spacing(want);
            if (!(error <= worst)) worst = error, at = i; /* a NaN sticks */
        }
        printf("%-10s worst %.2f ULP at %.9g\n", f->name, worst, (double)x[at]);
        CHECK(worst <= f->ulp);
        if (!TS_SIMD_FUSED) {
            const uint64_t hash = ts_fnv1a64(TS_FNV_START, y, sizeof y);
            test_check(hash == f->golden, __FILE__, __LINE__, "golden hash is 0x%016llx", (unsigned long long)hash);
        }
    }
}

static float one(vf v) {
    float lanes[TS_VF];
    vf_store(lanes, v);
    return lanes[0];
}

static void test_edges(void) {
    CHECK(one(vf_exp(vf_set1(0))) == 1 && one(vf_exp(vf_set1(-1e30f))) > 0 && isfinite(one(vf_exp(vf_set1(INFINITY)))));
    CHECK(isnan(one(vf_exp(vf_set1(NAN)))) && isnan(one(vf_tanh(vf_set1(NAN)))) &&
          isnan(one(vf_sigmoid(vf_set1(NAN)))));
    CHECK(one(vf_tanh(vf_set1(INFINITY))) == 1 && one(vf_tanh(vf_set1(-INFINITY))) == -1 &&
          one(vf_tanh(vf_set1(0))) == 0);
    CHECK(one(vf_log(vf_set1(1))) == 0);
    CHECK_NEAR(one(vf_log(vf_set1(0))), -87.336544, 1e-4);
    CHECK(one(vf_sigmoid(vf_set1(100))) == 1 && one(vf_sigmoid(vf_set1(-100))) < 1e-37f &&
          one(vf_silu(vf_set1(0))) == 0);
    CHECK(one(vf_gelu(vf_set1(30))) == 30 && one(vf_gelu(vf_set1(-30))) == 0);
}

/* Slopes against central differences of the double functions. */
static void test_slopes(void) {
    for (double x = -8; x <= 8; x += 0.01) {
        const double at = (double)(float)x, h = 1e-5;
        CHECK_NEAR(one(vf_silu_slope(vf_set1((float)x))), (silu(at + h) - silu(at - h)) / (2 * h), 1e-6);
        CHECK_NEAR(one(vf_gelu_slope(vf_set1((float)x))), (gelu(at + h) - gelu(at - h)) / (2 * h), 2e-6);
    }
}

int main(void) {
    RUN(test_accuracy);
    RUN(test_edges);
    RUN(test_slopes);
    return test_end();
}
