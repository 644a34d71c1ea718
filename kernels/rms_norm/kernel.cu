// y = x / sqrt(mean of x^2 + eps) * weight for each row of x.

#include <tesserabench/rows.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS)
rms_norm(T *y, const T *x, const T *weight, unsigned long long rows, unsigned long long cols, Wide<T> eps) {
    if (blockIdx.x >= rows) return;
    with_widest<T>(cols, [&](auto width) {
        constexpr int WIDTH = width.value;
        using Loaded = Vector<T, WIDTH>;
        using Computed = Numbers<Wide<T>, WIDTH>;
        Row<T, WIDTH> row(x + blockIdx.x * cols, cols);
        Wide<T> squares = 0;
        row.each([&](unsigned long long, const auto &x) {
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) squares += x.at[i] * x.at[i];
        });
        const Wide<T> scale = 1 / sqrt(of_block(squares, Plus{}) / cols + eps);
        row.each([&](unsigned long long at, const auto &x) {
            const auto w = wide(((const Loaded *)weight)[at]);
            Computed result;
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) result.at[i] = x.at[i] * scale * w.at[i];
            ((Loaded *)(y + blockIdx.x * cols))[at] = narrow<T>(result);
        });
    });
}
