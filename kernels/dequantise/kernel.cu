// y = q * scale of the row, from numbers of e4m3.

#include <tesserabench/vector.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS)
dequantise(T *__restrict__ y, const e4m3 *__restrict__ q, const float *__restrict__ scales, unsigned long long rows,
           unsigned long long cols) {
    if (blockIdx.x >= rows) return;
    with_widest<e4m3>(cols, [&](auto width) {
        constexpr int WIDTH = width.value;
        const auto *from = (const Vector<e4m3, WIDTH> *)(q + blockIdx.x * cols);
        auto *to = (Vector<T, WIDTH> *)(y + blockIdx.x * cols);
        const float scale = scales[blockIdx.x];
#pragma unroll 2
        for (unsigned long long at = threadIdx.x; at < cols / WIDTH; at += THREADS) {
            Numbers<float, WIDTH> x = wide(from[at]);
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) x.at[i] *= scale;
            to[at] = narrow<T>(x);
        }
    });
}
