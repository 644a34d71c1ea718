// y = (x - mean) / sqrt(variance + eps) * weight + bias for each row of x. The variance is taken around the mean: the
// difference of two sums of squares would cancel.

#include <tesserabench/rows.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS)
layer_norm(T *y, const T *x, const T *weight, const T *bias, unsigned long long rows, unsigned long long cols,
           Wide<T> eps) {
    if (blockIdx.x >= rows) return;
    with_widest<T>(cols, [&](auto width) {
        constexpr int WIDTH = width.value;
        using Loaded = Vector<T, WIDTH>;
        using Computed = Numbers<Wide<T>, WIDTH>;
        Row<T, WIDTH> row(x + blockIdx.x * cols, cols);
        Wide<T> sum = 0;
        row.each([&](unsigned long long, const auto &x) {
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) sum += x.at[i];
        });
        const Wide<T> mean = of_block(sum, Plus{}) / cols;
        Wide<T> squares = 0;
        row.each([&](unsigned long long, const auto &x) {
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) squares += (x.at[i] - mean) * (x.at[i] - mean);
        });
        const Wide<T> scale = 1 / sqrt(of_block(squares, Plus{}) / cols + eps);
        row.each([&](unsigned long long at, const auto &x) {
            const auto w = wide(((const Loaded *)weight)[at]), b = wide(((const Loaded *)bias)[at]);
            Computed result;
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) result.at[i] = (x.at[i] - mean) * scale * w.at[i] + b.at[i];
            ((Loaded *)(y + blockIdx.x * cols))[at] = narrow<T>(result);
        });
    });
}
