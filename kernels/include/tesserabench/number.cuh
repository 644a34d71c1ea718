// Types that numbers are stored in, and the type that each is computed in. The narrow floats are nothing but bits; wide(x)
// is the number, and narrow<T>(x) the nearest one that T has, ties to even. What is too large for the narrowest two, which
// machine learning uses so, becomes their largest number; in f16 and bf16 it becomes infinity.
//
// A GPU converts by single instructions, where its architecture has them. Other GPUs, and CPUs, do it by arithmetic on the
// bits.
#pragma once

#ifndef __CUDA_ARCH__
#define __CUDA_ARCH__ 0
#endif

// IEEE 754's 16 bits: 5 of exponent and 10 of fraction.
struct f16 { unsigned short bits; };
// The upper half of a float: 8 and 7.
struct bf16 { unsigned short bits; };
// 4 and 3, without infinities; all bits set are no number (Micikevicius and others, 2022).
struct e4m3 { unsigned char bits; };
// 5 and 2.
struct e5m2 { unsigned char bits; };

// Conversions take two at a time, as the instructions do: the first in the lower half of the bits.
struct Two { float low, high; };

// ---- By arithmetic on the bits of a number without its sign

// Of one that is finite. The exponent comes into its place and is then scaled, and so subnormal numbers are right, too.
template <int FRACTION, int BIAS>
__device__ float widened(unsigned magnitude) {
    return __uint_as_float(magnitude << (23 - FRACTION)) * __uint_as_float((254u - BIAS) << 23);
}

// Of a float that is a number. What is too large gets what no number of the type has, or infinity.
template <int FRACTION, int BIAS>
__device__ unsigned rounded(unsigned magnitude) {
    if (magnitude < (128u - BIAS) << 23) {
        // Subnormal: at this number, floats lie as far apart as those of the type do.
        const unsigned anchor = (151u - BIAS - FRACTION) << 23;
        return __float_as_uint(__uint_as_float(magnitude) + __uint_as_float(anchor)) - anchor;
    }
    const int dropped = 23 - FRACTION;
    const unsigned odd = magnitude >> dropped & 1;
    return ((magnitude + odd + (1u << (dropped - 1)) - 1) >> dropped) - ((127u - BIAS) << FRACTION);
}

// With its sign, and `most` for what is larger, and `none` for what is no number.
template <int FRACTION, int BIAS, int BITS>
__device__ unsigned narrowed(float x, unsigned most, unsigned none) {
    const unsigned all = __float_as_uint(x), magnitude = all & 0x7fffffff;
    const unsigned bits = magnitude > 0x7f800000 ? none : min(rounded<FRACTION, BIAS>(magnitude), most);
    return bits | all >> 31 << (BITS - 1);
}

__device__ inline float with_sign_of(unsigned sign, float magnitude) {
    return __uint_as_float(__float_as_uint(magnitude) | sign << 31);
}

// ---- By single instructions

__device__ inline float wide_f16(unsigned short bits) {
#if __CUDA_ARCH__
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
    return x;
#else
    const unsigned magnitude = bits & 0x7fff, special = 0x7f800000 | magnitude << 13;
    return with_sign_of(bits >> 15, magnitude < 0x7c00 ? widened<10, 15>(magnitude) : __uint_as_float(special));
#endif
}

__device__ inline unsigned narrow_f16(Two x) {
#if __CUDA_ARCH__ >= 800
    unsigned bits;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(x.high), "f"(x.low));
    return bits;
#elif __CUDA_ARCH__
    unsigned short low, high;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(low) : "f"(x.low));
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(high) : "f"(x.high));
    return low | (unsigned)high << 16;
#else
    return narrowed<10, 15, 16>(x.low, 0x7c00, 0x7fff) | narrowed<10, 15, 16>(x.high, 0x7c00, 0x7fff) << 16;
#endif
}

__device__ inline unsigned narrow_bf16(Two x) {
#if __CUDA_ARCH__ >= 800
    unsigned bits;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(x.high), "f"(x.low));
    return bits;
#else
    return narrowed<7, 127, 16>(x.low, 0x7f80, 0x7fff) | narrowed<7, 127, 16>(x.high, 0x7f80, 0x7fff) << 16;
#endif
}

// By way of f16, which has all of its numbers.
__device__ inline Two wide_e4m3(unsigned bits) {
#if __CUDA_ARCH__ >= 890
    unsigned pair;
    asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(pair) : "h"((unsigned short)bits));
    return { wide_f16(pair), wide_f16(pair >> 16) };
#else
    const auto one = [](unsigned bits) {
        const unsigned magnitude = bits & 0x7f;
        return with_sign_of(bits >> 7 & 1, magnitude < 0x7f ? widened<3, 7>(magnitude) : __uint_as_float(0x7fffffff));
    };
    return { one(bits), one(bits >> 8) };
#endif
}

__device__ inline unsigned narrow_e4m3(Two x) {
#if __CUDA_ARCH__ >= 890
    unsigned short bits;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(bits) : "f"(x.high), "f"(x.low));
    return bits;
#else
    return narrowed<3, 7, 8>(x.low, 0x7e, 0x7f) | narrowed<3, 7, 8>(x.high, 0x7e, 0x7f) << 8;
#endif
}

__device__ inline unsigned narrow_e5m2(Two x) {
#if __CUDA_ARCH__ >= 890
    unsigned short bits;
    asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;" : "=h"(bits) : "f"(x.high), "f"(x.low));
    return bits;
#else
    return narrowed<2, 15, 8>(x.low, 0x7b, 0x7f) | narrowed<2, 15, 8>(x.high, 0x7b, 0x7f) << 8;
#endif
}

// ---- For every type

// What is computed in itself.
template <typename T>
struct Storage {
    using Wide = T;
};

template <>
struct Storage<f16> {
    using Wide = float;
    static __device__ Two wide(unsigned bits) { return { wide_f16(bits), wide_f16(bits >> 16) }; }
    static __device__ unsigned narrow(Two x) { return narrow_f16(x); }
};

template <>
struct Storage<bf16> {
    using Wide = float;
    static __device__ Two wide(unsigned bits) { return { __uint_as_float(bits << 16), __uint_as_float(bits & 0xffff0000) }; }
    static __device__ unsigned narrow(Two x) { return narrow_bf16(x); }
};

template <>
struct Storage<e4m3> {
    using Wide = float;
    static __device__ Two wide(unsigned bits) { return wide_e4m3(bits); }
    static __device__ unsigned narrow(Two x) { return narrow_e4m3(x); }
};

// The upper half of an f16.
template <>
struct Storage<e5m2> {
    using Wide = float;
    static __device__ Two wide(unsigned bits) { return { wide_f16(bits << 8), wide_f16(bits & 0xff00) }; }
    static __device__ unsigned narrow(Two x) { return narrow_e5m2(x); }
};

// The type that numbers of type T are computed in.
template <typename T>
using Wide = typename Storage<T>::Wide;

// Whether that is another one.
template <typename T>
constexpr bool IS_NARROW = sizeof(Wide<T>) > sizeof(T);

template <typename T>
__device__ Wide<T> wide(T x) {
    if constexpr (IS_NARROW<T>) {
        return Storage<T>::wide(x.bits).low;
    } else {
        return x;
    }
}

template <typename T>
__device__ T narrow(Wide<T> x) {
    if constexpr (IS_NARROW<T>) {
        return { (decltype(T::bits))Storage<T>::narrow({ x, 0 }) };
    } else {
        return x;
    }
}

__device__ inline float infinity() { return __int_as_float(0x7f800000); }

// Below -88, a float overflows in the exponential, and the quotient is 0, as it should be.
template <typename W>
__device__ W sigmoid(W x) {
    return 1 / (1 + exp(-x));
}
