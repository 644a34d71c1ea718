// a[i] = of(x[i], y[i], ...) over arrays. Each thread moves UNROLL vectors of 16 bytes, the widest load a thread has, and
// issues all loads before the first store, so that enough bytes are in flight. So the grid has a block for every
// 16 * THREADS * UNROLL bytes of an array.
#pragma once
#include <tesserabench/vector.cuh>

#ifndef UNROLL
#define UNROLL 4u
#endif

// The numbers from 0 to N - 1, as a pack.
template <int... I>
struct Places {};
template <int N, int... I>
struct FirstPlaces : FirstPlaces<N - 1, N - 1, I...> {};
template <int... I>
struct FirstPlaces<0, I...> {
    using Type = Places<I...>;
};

template <typename T, typename Of, int... I>
__device__ void vectorwise(T *a, unsigned long long n, Of of, const T *const (&from)[sizeof...(I)], Places<I...>) {
    constexpr int width = 16 / sizeof(T);
    const unsigned long long vectors = n / width;
    const unsigned long long first = (unsigned long long)blockIdx.x * (THREADS * UNROLL) + threadIdx.x;
    Vector<T> loaded[UNROLL][sizeof...(I)];
#pragma unroll
    for (unsigned i = 0; i < UNROLL; ++i) {
        const unsigned long long at = first + i * THREADS;
        if (at < vectors) ((loaded[i][I] = ((const Vector<T> *)from[I])[at]), ...);
    }
#pragma unroll
    for (unsigned i = 0; i < UNROLL; ++i) {
        const unsigned long long at = first + i * THREADS;
        if (at < vectors) ((Vector<T> *)a)[at] = of(loaded[i][I]...);
    }
    // What does not fill a vector, by the last block.
    const unsigned long long rest = vectors * width + threadIdx.x;
    if (blockIdx.x == gridDim.x - 1 && rest < n) ((Vector<T, 1> *)a)[rest] = of(((const Vector<T, 1> *)from[I])[rest]...);
}

// `of` gets a vector of each of the inputs and gives one. Each input has n elements.
template <typename T, typename Of, typename... Input>
__device__ void vectorwise(T *a, unsigned long long n, Of of, const Input *...inputs) {
    vectorwise(a, n, of, { inputs... }, typename FirstPlaces<sizeof...(Input)>::Type{});
}

template <typename T, int WIDTH, typename Of, typename... Input>
__device__ Vector<T, WIDTH> each_of(Of of, const Vector<Input, WIDTH> &...x) {
    const auto all = [&](const auto &...x) {
        Numbers<Wide<T>, WIDTH> result;
#pragma unroll
        for (int i = 0; i < WIDTH; ++i) result.at[i] = of(x.at[i]...);
        return narrow<T>(result);
    };
    return all(wide(x)...);
}

// The same, where `of` gets a number of each and gives one, in the wide type.
template <typename T, typename Of, typename... Input>
__device__ void elementwise(T *a, unsigned long long n, Of of, const Input *...inputs) {
    vectorwise(a, n, [of](const auto &...x) { return each_of<T>(of, x...); }, inputs...);
}
