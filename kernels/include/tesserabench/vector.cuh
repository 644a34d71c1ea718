// Numbers that a thread loads or stores at once: 16 bytes are the most.
#pragma once
#include <tesserabench/number.cuh>

// Threads of a block of the kernels that are made of what is here, unless a search chose others.
#ifndef THREADS
#define THREADS 256u
#endif

template <bool FIRST, typename A, typename B>
struct Choice {
    using Type = A;
};
template <typename A, typename B>
struct Choice<false, A, B> {
    using Type = B;
};

template <typename A, typename B>
constexpr bool IS_SAME = false;
template <typename A>
constexpr bool IS_SAME<A, A> = true;

// As they lie in memory. Small ones are kept in words, from which they are taken where they are needed: taken where they
// are loaded, each would have a register of its own.
template <typename T, int WIDTH = 16 / sizeof(T)>
struct alignas(sizeof(T) * WIDTH < 16 ? sizeof(T) * WIDTH : 16) Vector {
    using Unit = typename Choice<(sizeof(T) < 4 && WIDTH > 1), unsigned, T>::Type;
    Unit units[sizeof(T) * WIDTH / sizeof(Unit)];
};

// As they are computed with.
template <typename W, int WIDTH>
struct Numbers {
    W at[WIDTH];
};

template <typename T, int WIDTH>
__device__ Numbers<Wide<T>, WIDTH> wide(Vector<T, WIDTH> x) {
    Numbers<Wide<T>, WIDTH> result;
#pragma unroll
    for (int i = 0; i < WIDTH; ++i) {
        if constexpr (sizeof(x.units[0]) == sizeof(T)) {
            result.at[i] = wide(x.units[i]);
        } else if (i * sizeof(T) % 4 == 0) {
#pragma unroll
            for (int j = 0; j < 4 / sizeof(T); j += 2) {
                const unsigned bits = x.units[i * sizeof(T) / 4] >> 8 * sizeof(T) * j;
                if constexpr (IS_NARROW<T>) {
                    const Two two = Storage<T>::wide(bits);
                    result.at[i + j] = two.low;
                    result.at[i + j + 1] = two.high;
                } else {
                    result.at[i + j] = bits;
                    result.at[i + j + 1] = bits >> 8 * sizeof(T);
                }
            }
        }
    }
    return result;
}

template <typename T, int WIDTH>
__device__ Vector<T, WIDTH> narrow(const Numbers<Wide<T>, WIDTH> &x) {
    Vector<T, WIDTH> result{};
#pragma unroll
    for (int i = 0; i < WIDTH; ++i) {
        if constexpr (sizeof(result.units[0]) == sizeof(T)) {
            result.units[i] = narrow<T>(x.at[i]);
        } else if (i % 2 == 0) {
            unsigned bits;
            if constexpr (IS_NARROW<T>) {
                bits = Storage<T>::narrow({ x.at[i], x.at[i + 1] });
            } else {
                bits = (x.at[i] & (1u << 8 * sizeof(T)) - 1) | (unsigned)x.at[i + 1] << 8 * sizeof(T);
            }
            result.units[i * sizeof(T) / 4] |= bits << 8 * (i * sizeof(T) % 4);
        }
    }
    return result;
}

// Stores two neighbours in a row of `columns` numbers, as far as it goes; `column` is even.
template <typename T>
__device__ void store_two(T *row, unsigned long long columns, unsigned long long column, Wide<T> first, Wide<T> second) {
    if constexpr (sizeof(T) > 1) {
        if (columns % 2 == 0) {
            if (column < columns) *(Vector<T, 2> *)(row + column) = narrow<T, 2>(Numbers<Wide<T>, 2>{ { first, second } });
            return;
        }
    }
    if (column < columns) row[column] = narrow<T>(first);
    if (column + 1 < columns) row[column + 1] = narrow<T>(second);
}

// A number that the compiler knows.
template <int VALUE>
struct Constant {
    static constexpr int value = VALUE;
};

// Calls `use` with how many elements a vector has: 16 bytes of them where every row of `cols` begins at such a vector,
// otherwise one.
template <typename T, typename Use>
__device__ void with_widest(unsigned long long cols, Use use) {
    constexpr int widest = 16 / sizeof(T);
    if (cols % widest == 0) {
        use(Constant<widest>{});
    } else {
        use(Constant<1>{});
    }
}
