#include "base/decimal.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* A number of at most 2048 bits: 10^(400 + TS_DECIMAL_LENGTH) has 1542, 10^500 with a shift 1661. */
enum { WORDS = 64, EXPONENT_MOST = 400, EXPONENT_LEAST = -500 };

typedef struct big {
    uint32_t words[WORDS]; /* low first; zeros from count on */
    int count;
} big;

static void multiply_add(big *b, uint32_t factor, uint32_t carry) {
    uint64_t sum = carry;
    for (int i = 0; i < b->count; i++, sum >>= 32) {
        sum += (uint64_t)b->words[i] * factor;
        b->words[i] = (uint32_t)sum;
    }
    if (sum) b->words[b->count++] = (uint32_t)sum;
}

static void multiply_power(big *b, uint32_t factor, int power) {
    for (; power > 0; power--) multiply_add(b, factor, 0);
}

static int compare(const big *a, const big *b) {
    for (int i = WORDS - 1; i >= 0; i--)
        if (a->words[i] != b->words[i]) return a->words[i] < b->words[i] ? -1 : 1;
    return 0;
}

static void subtract(big *a, const big *b) {
    int64_t borrow = 0;
    for (int i = 0; i < a->count; i++, borrow >>= 32) {
        borrow += (int64_t)a->words[i] - b->words[i];
        a->words[i] = (uint32_t)borrow;
    }
    while (a->count > 0 && a->words[a->count - 1] == 0) a->count--;
}

static int bits_of(const big *b) {
    int bits = 32 * b->count;
    for (uint32_t top = b->words[b->count - 1]; !(top >> 31); top <<= 1) bits--;
    return bits;
}

/* The double nearest to num / den, both above 0, by long division in base 2. */
static double divide(big *num, big *den) {
    int exponent = bits_of(num) - bits_of(den);
    multiply_power(num, 2, -exponent);
    multiply_power(den, 2, exponent);
    if (compare(num, den) < 0) { /* now den <= num < 2 den */
        multiply_add(num, 2, 0);
        exponent--;
    }
    const int bits = exponent >= -1022 ? 53 : 53 + 1022 + exponent; /* fewer for subnormal numbers */
    uint64_t quotient = 0;
    if (bits < 0) return 0;
    for (int i = 0; i < bits; i++) {
        const bool one = compare(num, den) >= 0;
        if (one) subtract(num, den);
        multiply_add(num, 2, 0);
        quotient = quotient << 1 | one;
    }
    const int rest = compare(num, den); /* what is left, against half of the last bit */
    if (rest > 0 || (rest == 0 && (quotient & 1))) quotient++;
    return ldexp((double)quotient, exponent - bits + 1);
}

static double magnitude(big *digits, int exponent) {
    big one = {{1}, 1};
    if (digits->count == 0 || exponent < EXPONENT_LEAST) return 0;
    if (exponent > EXPONENT_MOST) return INFINITY;
    multiply_power(digits, 10, exponent);
    multiply_power(&one, 10, -exponent);
    return divide(digits, &one);
}

double ts_decimal(const char *text, size_t length) {
    big digits = {{0}, 0};
    bool point = false, negative = length > 0 && text[0] == '-';
    int exponent = 0, scale = 0;
    size_t i = negative;
    for (; i < length && (text[i] | 32) != 'e'; i++) {
        if (text[i] == '.') point = true;
        else multiply_add(&digits, 10, (uint32_t)(text[i] - '0')), scale -= point;
    }
    const bool down = i + 1 < length && text[i + 1] == '-';
    for (i++; i < length; i++)
        if (text[i] >= '0' && text[i] <= '9' && exponent < 10000) exponent = 10 * exponent + (text[i] - '0');
    const double value = magnitude(&digits, (down ? -exponent : exponent) + scale);
    return negative ? -value : value;
}
