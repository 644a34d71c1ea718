// sum = x + residual, and y = sum / sqrt(mean of sum^2 + eps) * weight for each row. What is normalised is the sum before it
// is rounded into its type.

#include <tesserabench/rows.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS)
rms_norm_residual(T *y, T *sum, const T *x, const T *residual, const T *weight, unsigned long long rows,
                  unsigned long long cols, Wide<T> eps) {
    if (blockIdx.x >= rows) return;
    with_widest<T>(cols, [&](auto width) {
        constexpr int WIDTH = width.value;
        using Loaded = Vector<T, WIDTH>;
        using Computed = Numbers<Wide<T>, WIDTH>;
        const unsigned long long begin = blockIdx.x * cols;
        Row<T, WIDTH> row(x + begin, cols);
        const auto add = [&](unsigned long long at, auto &x) {
            const auto other = wide(((const Loaded *)(residual + begin))[at]);
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) x.at[i] += other.at[i];
        };
        Wide<T> squares = 0;
        row.each([&](unsigned long long at, auto &x) {
            add(at, x);
            ((Loaded *)(sum + begin))[at] = narrow<T>(x);
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) squares += x.at[i] * x.at[i];
        });
        const Wide<T> scale = 1 / sqrt(of_block(squares, Plus{}) / cols + eps);
        const auto write = [&](unsigned long long at, const auto &x) {
            const auto w = wide(((const Loaded *)weight)[at]);
            Computed result;
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) result.at[i] = x.at[i] * scale * w.at[i];
            ((Loaded *)(y + begin))[at] = narrow<T>(result);
        };
        row.each_held(write);
        row.each_other([&](unsigned long long at, auto &x) {
            add(at, x);
            write(at, x);
        });
    });
}
