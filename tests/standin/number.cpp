// Writes what kernels/include/tesserabench/number.cuh makes of numbers on a CPU. For the type of this name: every number of
// the type as a float; then the nearest number of the type for each of many floats, which go by their bits.
#include "cuda_on_cpu.h"

#include <tesserabench/number.cuh>

#include <stdio.h>

template <typename T>
static int write() {
    using Bits = decltype(T::bits);
    for (unsigned bits = 0; bits < 1u << 8 * sizeof(T); ++bits) {
        const float number = wide(T{ (Bits)bits });
        fwrite(&number, sizeof number, 1, stdout);
    }
    // All of the upper half, and below it what is beside a tie of 11 bits, and on it.
    const unsigned below[] = { 0, 1, 0xfff };
    for (unsigned upper = 0; upper < 1 << 16; ++upper) {
        for (unsigned middle = 0; middle < 16; ++middle) {
            for (unsigned lower : below) {
                const Bits bits = narrow<T>(__uint_as_float(upper << 16 | middle << 12 | lower)).bits;
                fwrite(&bits, sizeof bits, 1, stdout);
            }
        }
    }
    return 0;
}

int main(int, char **words) {
    const auto is = [&](const char *name) { return !strcmp(words[1], name); };
    return is("f16") ? write<f16>() : is("bf16") ? write<bf16>() : is("e4m3") ? write<e4m3>() : write<e5m2>();
}
