// Rows of a matrix, one block of THREADS threads a row, always in the same order.
#pragma once
#include <tesserabench/vector.cuh>

struct Plus {
    template <typename W>
    __device__ W operator()(W a, W b) const {
        return a + b;
    }
};

struct Larger {
    template <typename W>
    __device__ W operator()(W a, W b) const {
        return b > a ? b : a;
    }
};

// Of what each thread has, `combine` makes one, by the same tree in every thread.
template <typename W, typename Combine>
__device__ W of_block(W own, Combine combine) {
    __shared__ W parts[THREADS / 32];
    for (int distance = 16; distance > 0; distance /= 2) {
        own = combine(own, __shfl_xor_sync(~0u, own, distance));
    }
    // What is left there from before has been read.
    __syncthreads();
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = own;
    __syncthreads();
    own = parts[0];
    for (int warp = 1; warp < THREADS / 32; ++warp) own = combine(own, parts[warp]);
    return own;
}

// What `combine` makes of the block's row: of term(x, y, ...) for each of its elements, beginning with `none`. A thread
// has an accumulator for every element of a vector, so that loads do not wait for sums.
template <typename T, int WIDTH, typename Combine, typename Term, typename... Input>
__device__ Wide<T> of_row(Wide<T> none, Combine combine, Term term, unsigned long long cols, const Input *...inputs) {
    Wide<T> parts[WIDTH];
#pragma unroll
    for (int j = 0; j < WIDTH; ++j) parts[j] = none;
#pragma unroll 4
    for (unsigned long long at = threadIdx.x; at < cols / WIDTH; at += THREADS) {
        const auto add = [&](const auto &...x) {
#pragma unroll
            for (int j = 0; j < WIDTH; ++j) parts[j] = combine(parts[j], term(x.at[j]...));
        };
        add(wide(((const Vector<Input, WIDTH> *)(inputs + blockIdx.x * cols))[at])...);
    }
#pragma unroll
    for (int j = 1; j < WIDTH; ++j) parts[0] = combine(parts[0], parts[j]);
    return of_block(parts[0], combine);
}

// The same of each row, finished by `last`, into y.
template <typename T, typename Combine, typename Term, typename Last, typename... Input>
__device__ void reduce_rows(T *y, Wide<T> none, Combine combine, Term term, Last last, unsigned long long rows,
                            unsigned long long cols, const Input *...inputs) {
    if (blockIdx.x >= rows) return;
    with_widest<T>(cols, [&](auto width) {
        const Wide<T> whole = of_row<T, width.value>(none, combine, term, cols, inputs...);
        if (threadIdx.x == 0) y[blockIdx.x] = narrow<T>(last(whole));
    });
}

// The vectors of a row that are this thread's. They stay in registers as far as those of HELD go, so that rows of up to
// 4096 numbers (2048 of f64) are read once; of longer ones the rest is read again.
template <typename T, int WIDTH>
struct Row {
    static constexpr int HELD = (sizeof(Wide<T>) == 8 ? 8 : 16) / WIDTH;

    Numbers<Wide<T>, WIDTH> held[HELD];
    const Vector<T, WIDTH> *row;
    unsigned long long vectors;

    __device__ Row(const T *begin, unsigned long long cols)
        : row((const Vector<T, WIDTH> *)begin), vectors(cols / WIDTH) {
        each_held([&](unsigned long long at, Numbers<Wide<T>, WIDTH> &x) { x = wide(row[at]); });
    }

    // Calls use(at, x) for each vector, which is at the place `at` of the row.
    template <typename Use>
    __device__ void each(Use use) {
        each_held(use);
        each_other(use);
    }

    // What is changed here stays so.
    template <typename Use>
    __device__ void each_held(Use use) {
#pragma unroll
        for (int i = 0; i < HELD; ++i) {
            const unsigned long long at = threadIdx.x + i * THREADS;
            if (at < vectors) use(at, held[i]);
        }
    }

    template <typename Use>
    __device__ void each_other(Use use) {
#pragma unroll 1
        for (unsigned long long at = threadIdx.x + HELD * THREADS; at < vectors; at += THREADS) {
            Numbers<Wide<T>, WIDTH> x = wide(row[at]);
            use(at, x);
        }
    }
};
