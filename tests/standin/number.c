// Numbers of the element types, as doubles or whole numbers, and back.
#include "standin.h"

const size_t type_bytes[] = { 1, 1, 4, 4, 8, 8, 2, 4, 8, 2, 1, 1 };

// Floats that not every compiler knows as types, by their bits. The one of 4 bits of exponent has no infinity:
// only its highest number stands for none.
struct format { int bits, mantissa; bool infinite; };

static struct format format_of(int type) {
    switch (type) {
    case F16: return (struct format){ 16, 10, true };
    case BF16: return (struct format){ 16, 7, true };
    case F8E5M2: return (struct format){ 8, 2, true };
    default: return (struct format){ 8, 3, false };
    }
}

// The exponent of all ones.
static int top_of(struct format f) { return (1 << (f.bits - 1 - f.mantissa)) - 1; }

static double from_bits(unsigned bits, struct format f) {
    int top = top_of(f), bias = top / 2;
    int exponent = (int)(bits >> f.mantissa) & top, fraction = (int)bits & ((1 << f.mantissa) - 1);
    double value;
    if (exponent == top && f.infinite) value = fraction ? (double)NAN : (double)INFINITY;
    else if (exponent == top && fraction == (1 << f.mantissa) - 1) value = (double)NAN;
    else if (exponent) value = ldexp(fraction + (1 << f.mantissa), exponent - bias - f.mantissa);
    else value = ldexp(fraction, 1 - bias - f.mantissa);
    return bits >> (f.bits - 1) & 1 ? -value : value;
}

// The nearest, of two the even one.
static unsigned to_bits(double value, struct format f) {
    int top = top_of(f), bias = top / 2, exponent;
    unsigned sign = signbit(value) ? 1u << (f.bits - 1) : 0, none = (1u << (f.bits - 1)) - 1;
    unsigned beyond = f.infinite ? (unsigned)top << f.mantissa : none;
    if (isnan(value)) return sign | none;
    value = fabs(value);
    if (isinf(value)) return sign | beyond;
    frexp(value, &exponent);
    exponent = value == 0 || exponent - 1 < 1 - bias ? 1 - bias : exponent - 1;
    if (exponent > bias + 1) return sign | beyond;
    double scaled = ldexp(value, f.mantissa - exponent), rounder = 0x1p52;
    unsigned rounded = (unsigned)((scaled + rounder) - rounder); // a carry moves into the exponent by itself
    unsigned bits = ((unsigned)(exponent + bias - 1) << f.mantissa) + rounded;
    return sign | (bits < beyond ? bits : beyond);
}

double get(const void *from, int type, size_t i) {
    if (type == F32) return ((const float *)from)[i];
    if (type == F64) return ((const double *)from)[i];
    struct format f = format_of(type);
    return from_bits(f.bits == 8 ? ((const uint8_t *)from)[i] : ((const uint16_t *)from)[i], f);
}

void put(void *to, int type, size_t i, double value) {
    struct format f = format_of(type);
    if (type == F32) ((float *)to)[i] = (float)value;
    else if (type == F64) ((double *)to)[i] = value;
    else if (f.bits == 8) ((uint8_t *)to)[i] = (uint8_t)to_bits(value, f);
    else ((uint16_t *)to)[i] = (uint16_t)to_bits(value, f);
}

int64_t get_whole(const void *from, int type, size_t i) {
    switch (type) {
    case I8: return ((const int8_t *)from)[i];
    case U8: return ((const uint8_t *)from)[i];
    case I32: return ((const int32_t *)from)[i];
    case U32: return ((const uint32_t *)from)[i];
    default: return ((const int64_t *)from)[i];
    }
}
