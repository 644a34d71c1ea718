// loss = log(sum of exp(x)) - x[target] of each row of x. The row is read once: a thread scales its sum down where a larger
// element comes.

#include <tesserabench/rows.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS)
cross_entropy(float *loss, const T *x, const int *targets, unsigned long long rows, unsigned long long cols) {
    if (blockIdx.x >= rows) return;
    const T *row = x + blockIdx.x * cols;
    with_widest<T>(cols, [&](auto width) {
        constexpr int WIDTH = width.value;
        float most = -infinity(), sum = 0;
#pragma unroll 2
        for (unsigned long long at = threadIdx.x; at < cols / WIDTH; at += THREADS) {
            const auto x = wide(((const Vector<T, WIDTH> *)row)[at]);
            float larger = most;
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) larger = Larger{}(larger, x.at[i]);
            // Nothing but minus infinities so far add nothing.
            if (larger == -infinity()) continue;
            sum *= exp(most - larger);
            most = larger;
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) sum += exp(x.at[i] - most);
        }
        const float of_row = of_block(most, Larger{});
        sum = of_block(most == -infinity() ? 0 : sum * exp(most - of_row), Plus{});
        if (threadIdx.x == 0) loss[blockIdx.x] = log(sum) + of_row - wide(row[targets[blockIdx.x]]);
    });
}
