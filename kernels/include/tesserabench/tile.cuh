// Tiles of matrices in shared memory, in lines of chunks, from which a warp loads what tensor cores take.
#pragma once
#include <tesserabench/mma.cuh>

// Whether a line of a tile lies along the terms of a product or along the columns.
enum class Along { TERMS, COLUMNS };

// What tensor cores take for a type: f16 has every number of the types of 8 bits.
template <typename T>
using Fed = typename Choice<sizeof(T) == 1, f16, T>::Type;


// Where a chunk lies. The same one of eight lines, which a warp loads at once, lies in different banks.
template <unsigned CHUNKS>
__device__ unsigned place(unsigned line, unsigned chunk) {
    return line * CHUNKS + (chunk ^ (CHUNKS < 8 ? line / (8 / CHUNKS) % CHUNKS : line % 8));
}

// COUNT threads of a block load a tile of LINES lines. at(line, i) is the address of a number, or null where there is none,
// which counts as 0. `is_whole` says that the numbers of a chunk are there or not together, and aligned as one.
template <typename T, unsigned COUNT, unsigned LINES, unsigned CHUNKS, typename At>
__device__ void load_tile(Chunk *tile, bool is_whole, At at) {
    const auto bits = [&](unsigned line, unsigned i) -> unsigned {
        const T *from = at(line, i);
        if (!from) return 0;
        if constexpr (sizeof(T) == 1) {
            return narrow<f16>(wide(*from)).bits;
        } else {
            return from->bits;
        }
    };
    constexpr unsigned ROUNDS = LINES * CHUNKS / COUNT;
    // Of many chunks, and without `is_whole`, one after the other: more at a time would take many registers.
    const auto each = [&](auto load) {
#pragma unroll(ROUNDS <= 2 ? ROUNDS : 1)
        for (unsigned round = 0; round < ROUNDS; ++round) {
            const unsigned index = threadIdx.x + round * COUNT, line = index / CHUNKS, chunk = index % CHUNKS;
            load(tile + place<CHUNKS>(line, chunk), line, chunk * 8);
        }
    };
    if (!is_whole) {
#pragma unroll 1
        for (unsigned index = threadIdx.x; index < LINES * CHUNKS; index += COUNT) {
            const unsigned line = index / CHUNKS, first = index % CHUNKS * 8;
            Chunk *to = tile + place<CHUNKS>(line, first / 8);
#pragma unroll
            for (unsigned i = 0; i < 4; ++i) to->units[i] = bits(line, first + 2 * i) | bits(line, first + 2 * i + 1) << 16;
        }
    } else if constexpr (sizeof(T) == 1) {
        each([&](Chunk *to, unsigned line, unsigned first) {
            const auto *from = (const Vector<T, 8> *)at(line, first);
            *to = from ? narrow<f16, 8>(wide(*from)) : Chunk{};
        });
    } else {
        each([&](Chunk *to, unsigned line, unsigned first) { copy_later(to, at(line, first)); });
    }
}

// 16 rows and 16 terms of A, of a tile whose lines lie along the terms.
template <unsigned CHUNKS>
__device__ void load_a(unsigned (&words)[4], const Chunk *tile, unsigned row, unsigned term) {
    const unsigned lane = threadIdx.x % 32;
    load_matrices<false>(words, tile + place<CHUNKS>(row + lane % 16, term / 8 + lane / 16));
}

// 16 terms and 16 columns of B, two words for the first eight columns and two for the others.
template <Along LINES_LIE, unsigned CHUNKS>
__device__ void load_b(unsigned (&words)[4], const Chunk *tile, unsigned term, unsigned column) {
    const unsigned lane = threadIdx.x % 32;
    if constexpr (LINES_LIE == Along::TERMS) {
        load_matrices<false>(words, tile + place<CHUNKS>(column + lane / 16 * 8 + lane % 8, term / 8 + lane / 8 % 2));
    } else {
        load_matrices<true>(words, tile + place<CHUNKS>(term + lane % 16, column / 8 + lane / 16));
    }
}
