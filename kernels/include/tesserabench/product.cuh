// Products of matrices. A block of THREADS threads makes TILE rows and columns of one: on tensor cores where they take the
// type, otherwise by plain arithmetic. Both forms have the same functions.
#pragma once
#include <tesserabench/tile.cuh>

// What a search may choose: rows and columns of a block, and how many parts of their terms are in shared memory at a time.
#ifndef TILE
#define TILE 64u
#endif
#ifndef STAGES
#define STAGES 3u
#endif

// A or B: at(row, term) or at(term, column) is the address of a number, or null where there is none, which counts as 0. Rows
// and columns are those of the block. `is_whole` says that eight neighbours in memory, from a multiple of eight on, are
// there or not together, and aligned as one.
template <typename At>
struct Operand {
    bool is_whole;
    At at;
};
template <typename At>
Operand(bool, At) -> Operand<At>;

// By plain arithmetic. A thread has OWN rows and columns, DEPTH terms at a time from shared memory.
template <typename T, Along B_LIES>
struct PlainProduct {
    using W = Wide<T>;
    static constexpr unsigned OWN = TILE / 16, DEPTH = 16;
    static_assert(THREADS == 256, "for other numbers of threads it is not made");

    W sums[OWN][OWN] = {};

    // Adds the product over all terms.
    template <typename A, typename B>
    __device__ void add(unsigned long long terms, Operand<A> a, Operand<B> b) {
        // Some columns more, so that what a warp writes lies in different banks, and vectors of 16 bytes are whole.
        alignas(16) __shared__ W rows[DEPTH][TILE + 4], columns[DEPTH][TILE + 4];
        constexpr unsigned LOADED = TILE * DEPTH / THREADS;
        W next_a[LOADED], next_b[LOADED];
        const auto place_b = [](unsigned i, unsigned &term, unsigned &column) {
            if constexpr (B_LIES == Along::TERMS) {
                term = threadIdx.x % DEPTH;
                column = threadIdx.x / DEPTH + i * (THREADS / DEPTH);
            } else {
                term = threadIdx.x / TILE + i * (THREADS / TILE);
                column = threadIdx.x % TILE;
            }
        };
        const auto number = [](const T *from) { return from ? wide(*from) : W(0); };
        const auto load = [&](unsigned long long begin) {
#pragma unroll
            for (unsigned i = 0; i < LOADED; ++i) {
                unsigned term, column;
                place_b(i, term, column);
                next_a[i] = number(a.at(threadIdx.x / DEPTH + i * (THREADS / DEPTH), begin + threadIdx.x % DEPTH));
                next_b[i] = number(b.at(begin + term, column));
            }
        };
        load(0);
        for (unsigned long long begin = 0; begin < terms; begin += DEPTH) {
            // What is left there from before has been read.
            __syncthreads();
#pragma unroll
            for (unsigned i = 0; i < LOADED; ++i) {
                unsigned term, column;
                place_b(i, term, column);
                rows[threadIdx.x % DEPTH][threadIdx.x / DEPTH + i * (THREADS / DEPTH)] = next_a[i];
                columns[term][column] = next_b[i];
            }
            __syncthreads();
            if (begin + DEPTH < terms) load(begin + DEPTH);
#pragma unroll
            for (unsigned term = 0; term < DEPTH; ++term) {
#pragma unroll
                for (unsigned i = 0; i < OWN; ++i) {
#pragma unroll
                    for (unsigned j = 0; j < OWN; ++j) {
                        sums[i][j] += rows[term][first_row() + i] * columns[term][first_column() + j];
                    }
                }
            }
        }
    }

    // Calls use(row, column, sum, next) for each two sums of this thread's that are neighbours in a row.
    template <typename Use>
    __device__ void each_two(Use use) const {
#pragma unroll
        for (unsigned i = 0; i < OWN; ++i) {
#pragma unroll
            for (unsigned j = 0; j < OWN; j += 2) use(first_row() + i, first_column() + j, sums[i][j], sums[i][j + 1]);
        }
    }

    static __device__ unsigned first_row() { return threadIdx.x / 16 * OWN; }
    static __device__ unsigned first_column() { return threadIdx.x % 16 * OWN; }
};

// On tensor cores. A warp has ROWS rows and COLUMNS columns. Tiles of DEPTH terms are on their way while one is used.
template <typename T, Along B_LIES>
struct TensorProduct {
    static constexpr unsigned DEPTH = 32, ROWS = TILE / 2, COLUMNS = TILE / 4;
    static constexpr unsigned OF_TERMS = DEPTH / 8, OF_B = B_LIES == Along::TERMS ? OF_TERMS : TILE / 8;
    static_assert(THREADS == 256, "for other numbers of warps it is not made");

    struct Stage { Chunk a[TILE * DEPTH / 8], b[TILE * DEPTH / 8]; };

    float sums[ROWS / 16][COLUMNS / 8][4] = {};

    template <typename A, typename B>
    __device__ void add(unsigned long long terms, Operand<A> a, Operand<B> b) {
        alignas(128) __shared__ Stage stages[STAGES];
        const auto load = [&](unsigned long long begin) {
            if (begin < terms) {
                Stage &to = stages[begin / DEPTH % STAGES];
                load_tile<T, THREADS, TILE, OF_TERMS>(
                    to.a, a.is_whole, [&](unsigned row, unsigned term) { return a.at(row, begin + term); });
                load_tile<T, THREADS, TILE * DEPTH / 8 / OF_B, OF_B>(
                    to.b, b.is_whole, [&](unsigned line, unsigned i) {
                        return B_LIES == Along::TERMS ? b.at(begin + i, line) : b.at(begin + line, i);
                    });
            }
            group_copies();
        };
        for (unsigned stage = 0; stage + 1 < STAGES; ++stage) load(stage * DEPTH);
        for (unsigned long long begin = 0; begin < terms; begin += DEPTH) {
            wait_for_copies<STAGES - 2>();
            // Now the tiles from `begin` on are there, and what was used last may be overwritten.
            __syncthreads();
            load(begin + (STAGES - 1) * DEPTH);
            use(stages[begin / DEPTH % STAGES]);
        }
    }

    __device__ void use(const Stage &stage) {
#pragma unroll
        for (unsigned term = 0; term < DEPTH; term += 16) {
            unsigned a[ROWS / 16][4], b[COLUMNS / 16][4];
#pragma unroll
            for (unsigned i = 0; i < ROWS / 16; ++i) load_a<OF_TERMS>(a[i], stage.a, first_row() + 16 * i, term);
#pragma unroll
            for (unsigned j = 0; j < COLUMNS / 16; ++j) load_b<B_LIES, OF_B>(b[j], stage.b, term, first_column() + 16 * j);
#pragma unroll
            for (unsigned i = 0; i < ROWS / 16; ++i) {
#pragma unroll
                for (unsigned j = 0; j < COLUMNS / 8; ++j) {
                    multiply<Fed<T>>(sums[i][j], a[i], b[j / 2] + j % 2 * 2);
                }
            }
        }
    }

    template <typename Use>
    __device__ void each_two(Use use) const {
        const unsigned lane = threadIdx.x % 32;
#pragma unroll
        for (unsigned i = 0; i < ROWS / 16; ++i) {
#pragma unroll
            for (unsigned j = 0; j < COLUMNS / 8; ++j) {
#pragma unroll
                for (unsigned sum = 0; sum < 4; sum += 2) {
                    use(first_row() + 16 * i + row_of_sum(lane, sum), first_column() + 8 * j + column_of_sum(lane, sum),
                        sums[i][j][sum], sums[i][j][sum + 1]);
                }
            }
        }
    }

    static __device__ unsigned first_row() { return threadIdx.x / 128 * ROWS; }
    static __device__ unsigned first_column() { return threadIdx.x / 32 % 4 * COLUMNS; }
};

template <typename T, Along B_LIES>
using Product = typename Choice<ON_TENSOR_CORES<Fed<T>>, TensorProduct<T, B_LIES>, PlainProduct<T, B_LIES>>::Type;

// The block's tile of C = A*B, dense and row-major, from row `top` and column `left` on.
template <typename T>
__device__ void multiply_tile(T *c, const T *a, const T *b, unsigned long long m, unsigned long long n,
                              unsigned long long k, unsigned long long top, unsigned long long left) {
    Product<T, Along::COLUMNS> product;
    product.add(k,
                Operand{ k % 8 == 0,
                         [&](unsigned row, unsigned long long term) {
                             return top + row < m && term < k ? a + (top + row) * k + term : nullptr;
                         } },
                Operand{ n % 8 == 0, [&](unsigned long long term, unsigned column) {
                            return term < k && left + column < n ? b + term * n + left + column : nullptr;
                        } });
    product.each_two([&](unsigned row, unsigned column, Wide<T> first, Wide<T> second) {
        if (top + row < m) store_two(c + (top + row) * n, n, left + column, first, second);
    });
}
