// Rows of x in the order of the experts that they go to, each as often as it goes to one; those of an expert in the order
// of tokens. `ends` says where those of each expert end. A block of threads has ENTRIES entries of `expert`, counts how
// many of all entries come before them, and copies their rows: no block waits for another.

#include <tesserabench/vector.cuh>

#define ENTRIES 64

template <typename T>
__global__ void __launch_bounds__(THREADS)
moe_permute(T *__restrict__ y, int *__restrict__ ends, const T *__restrict__ x, const int *__restrict__ expert,
            unsigned long long tokens, unsigned long long choices, unsigned long long experts, unsigned long long dim) {
    // Of each expert, how many entries there are, and how many before this block's.
    extern __shared__ unsigned counts[];
    __shared__ unsigned long long places[ENTRIES];
    unsigned *before = counts + experts;
    const unsigned long long entries = tokens * choices, begin = blockIdx.x * (unsigned long long)ENTRIES;
    const unsigned own = entries - begin < ENTRIES ? entries - begin : ENTRIES;
    for (unsigned i = threadIdx.x; i < 2 * experts; i += THREADS) counts[i] = 0;
    __syncthreads();
    for (unsigned long long i = threadIdx.x; i < entries; i += THREADS) {
        atomicAdd(&counts[expert[i]], 1u);
        if (i < begin) atomicAdd(&before[expert[i]], 1u);
    }
    __syncthreads();
    if (blockIdx.x == 0) {
        for (unsigned of = threadIdx.x; of < experts; of += THREADS) {
            unsigned long long end = 0;
            for (unsigned i = 0; i <= of; ++i) end += counts[i];
            ends[of] = end;
        }
    }
    if (threadIdx.x < own) {
        const unsigned of = expert[begin + threadIdx.x];
        unsigned long long place = before[of];
        for (unsigned i = 0; i < of; ++i) place += counts[i];
        for (unsigned i = 0; i < threadIdx.x; ++i) place += expert[begin + i] == of;
        places[threadIdx.x] = place;
    }
    __syncthreads();
    with_widest<T>(dim, [&](auto width) {
        using Loaded = Vector<T, width.value>;
        for (unsigned i = threadIdx.x / 32; i < own; i += THREADS / 32) {
            const Loaded *from = (const Loaded *)(x + (begin + i) / choices * dim);
            Loaded *to = (Loaded *)(y + places[i] * dim);
#pragma unroll 4
            for (unsigned long long at = threadIdx.x % 32; at < dim / width.value; at += 32) to[at] = from[at];
        }
    });
}
