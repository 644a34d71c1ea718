// y = exp(x - max) / sum of exp(x - max) for each row of x. Of what stays in registers, exponentials are taken once.
// Where it is causal, row r is of token r modulo cols, and sees no column after that: there it has zeros.

#include <tesserabench/rows.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS)
softmax(T *y, const T *x, unsigned long long rows, unsigned long long cols, unsigned long long causal) {
    if (blockIdx.x >= rows) return;
    const unsigned long long seen = causal ? blockIdx.x % cols + 1 : cols;
    with_widest<T>(cols, [&](auto width) {
        constexpr int WIDTH = width.value;
        using Loaded = Vector<T, WIDTH>;
        const unsigned long long vectors = (seen + WIDTH - 1) / WIDTH;
        Loaded *out = (Loaded *)(y + blockIdx.x * cols);
        Row<T, WIDTH> row(x + blockIdx.x * cols, vectors * WIDTH);
        // What the last vector has beyond it.
        const auto hide = [&](unsigned long long at, auto &x) {
            if ((at + 1) * WIDTH <= seen) return;
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) {
                if (at * WIDTH + i >= seen) x.at[i] = -infinity();
            }
        };
        Wide<T> most = -infinity();
        row.each([&](unsigned long long at, auto &x) {
            hide(at, x);
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) most = Larger{}(most, x.at[i]);
        });
        most = of_block(most, Larger{});
        const auto exponentials = [&](unsigned long long at, auto &x) {
            hide(at, x);
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) x.at[i] = exp(x.at[i] - most);
        };
        Wide<T> sum = 0;
        const auto add = [&](unsigned long long at, auto &x) {
            exponentials(at, x);
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) sum += x.at[i];
        };
        row.each(add);
        const Wide<T> scale = 1 / of_block(sum, Plus{});
        const auto write = [&](unsigned long long at, auto &x) {
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) x.at[i] *= scale;
            out[at] = narrow<T>(x);
        };
        row.each_held(write);
        row.each_other([&](unsigned long long at, auto &x) {
            exponentials(at, x);
            write(at, x);
        });
        for (unsigned long long at = vectors + threadIdx.x; at < cols / WIDTH; at += THREADS) out[at] = Loaded{};
    });
}
