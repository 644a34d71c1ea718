// Each row of x as numbers of e4m3 and one scale: q = x * (448 / largest), scales = largest / 448, of the row's largest
// absolute value; 448 is the largest number of e4m3. A row of zeros has the scale 1.

#include <tesserabench/rows.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS, 4)
quantise(e4m3 *q, float *scales, const T *x, unsigned long long rows, unsigned long long cols) {
    if (blockIdx.x >= rows) return;
    with_widest<T>(cols, [&](auto width) {
        constexpr int WIDTH = width.value;
        Row<T, WIDTH> row(x + blockIdx.x * cols, cols);
        float largest = 0;
        row.each([&](unsigned long long, const auto &x) {
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) largest = Larger{}(largest, fabsf(x.at[i]));
        });
        largest = of_block(largest, Larger{});
        const float factor = largest > 0 ? 448 / largest : 1;
        if (threadIdx.x == 0) scales[blockIdx.x] = largest > 0 ? largest / 448 : 1;
        row.each([&](unsigned long long at, const auto &x) {
            Numbers<float, WIDTH> result;
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) result.at[i] = x.at[i] * factor;
            ((Vector<e4m3, WIDTH> *)(q + blockIdx.x * cols))[at] = narrow<e4m3>(result);
        });
    });
}
