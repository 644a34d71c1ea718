// Numbers of the element types, as doubles and back.
#include "standin.h"

const size_t type_bytes[] = { 1, 1, 4, 4, 8, 8, 2, 4, 8, 2 };

// The two 16-bit formats differ in their bits of mantissa. Not every compiler knows them as types.
static int mantissa_of(int type) { return type == F16 ? 10 : 7; }

static double from16(unsigned bits, int mantissa) {
    int top = (1 << (15 - mantissa)) - 1, bias = top / 2; // the exponent of infinity, and that of 1
    int exponent = (int)(bits >> mantissa) & top, fraction = (int)bits & ((1 << mantissa) - 1);
    double value;
    if (exponent == top) value = fraction ? (double)NAN : (double)INFINITY;
    else if (exponent) value = ldexp(fraction + (1 << mantissa), exponent - bias - mantissa);
    else value = ldexp(fraction, 1 - bias - mantissa);
    return bits & 0x8000 ? -value : value;
}

// The nearest, of two the even one.
static uint16_t to16(double value, int mantissa) {
    int top = (1 << (15 - mantissa)) - 1, bias = top / 2, exponent;
    unsigned sign = signbit(value) ? 0x8000 : 0, infinite = (unsigned)top << mantissa;
    if (isnan(value)) return (uint16_t)(sign | infinite | 1u << (mantissa - 1));
    value = fabs(value);
    if (value >= ldexp(1, bias + 1)) return (uint16_t)(sign | infinite);
    frexp(value, &exponent);
    exponent = value == 0 || exponent - 1 < 1 - bias ? 1 - bias : exponent - 1;
    double scaled = ldexp(value, mantissa - exponent), rounder = 0x1p52;
    unsigned rounded = (unsigned)((scaled + rounder) - rounder); // a carry moves into the exponent by itself
    return (uint16_t)(sign | (((unsigned)(exponent + bias - 1) << mantissa) + rounded));
}

double get(const void *from, int type, size_t i) {
    if (type == F32) return ((const float *)from)[i];
    if (type == F64) return ((const double *)from)[i];
    return from16(((const uint16_t *)from)[i], mantissa_of(type));
}

void put(void *to, int type, size_t i, double value) {
    if (type == F32) ((float *)to)[i] = (float)value;
    else if (type == F64) ((double *)to)[i] = value;
    else ((uint16_t *)to)[i] = to16(value, mantissa_of(type));
}
