// a[i] = of(x[j], y[j], ...) over arrays, one element after the other, in another order than memory's. Each thread has
// UNROLL elements, and issues all loads before the first store. THREADS threads have SPAN elements.
#pragma once
#include <tesserabench/elementwise.cuh>

constexpr unsigned SPAN = THREADS * UNROLL;

template <typename T, typename Of, typename From, typename To, int... I>
__device__ void accesses(T *a, unsigned long long count, Of of, From from, To to, const T *const (&inputs)[sizeof...(I)],
                         Places<I...>) {
    T loaded[UNROLL][sizeof...(I)];
    const unsigned long long first = blockIdx.x * (unsigned long long)SPAN + threadIdx.x;
#pragma unroll
    for (unsigned i = 0; i < UNROLL; ++i) {
        const unsigned long long at = first + i * THREADS;
        if (at < count) {
            const unsigned long long place = from(at);
            ((loaded[i][I] = inputs[I][place]), ...);
        }
    }
#pragma unroll
    for (unsigned i = 0; i < UNROLL; ++i) {
        const unsigned long long at = first + i * THREADS;
        if (at < count) a[to(at)] = narrow<T>(of(wide(loaded[i][I])...));
    }
}

// Every stride-th of n elements, from the one on that is the block's y: a grid has a block for SPAN of them along x, and
// `stride` blocks along y.
template <typename T, typename Of, typename... Input>
__device__ void strided(T *a, unsigned long long n, unsigned long long stride, Of of, const Input *...inputs) {
    const unsigned long long count = n > blockIdx.y ? (n - blockIdx.y + stride - 1) / stride : 0;
    const auto place = [stride](unsigned long long at) { return at * stride + blockIdx.y; };
    accesses(a, count, of, place, place, { inputs... }, typename FirstPlaces<sizeof...(Input)>::Type{});
}

// a[i] = of(x[places[i]], ...): a gather.
template <typename T, typename Of, typename... Input>
__device__ void gathered(T *a, unsigned long long n, const unsigned *places, Of of, const Input *...inputs) {
    const auto from = [places](unsigned long long at) -> unsigned long long { return places[at]; };
    const auto to = [](unsigned long long at) { return at; };
    accesses(a, n, of, from, to, { inputs... }, typename FirstPlaces<sizeof...(Input)>::Type{});
}
