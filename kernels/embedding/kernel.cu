// y = the rows of a table that `ids` names. A warp copies a row.

#include <tesserabench/vector.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS)
embedding(T *__restrict__ y, const T *__restrict__ table, const int *__restrict__ ids, unsigned long long tokens,
          unsigned long long dim) {
    const unsigned long long token = blockIdx.x * (THREADS / 32ull) + threadIdx.x / 32;
    if (token >= tokens) return;
    with_widest<T>(dim, [&](auto width) {
        using Loaded = Vector<T, width.value>;
        const Loaded *from = (const Loaded *)(table + ids[token] * dim);
        Loaded *to = (Loaded *)(y + token * dim);
#pragma unroll 4
        for (unsigned long long at = threadIdx.x % 32; at < dim / width.value; at += 32) to[at] = from[at];
    });
}
