// Products of small matrices by a warp on tensor cores, and what feeds them. Each instruction is one function here, which
// has another form for CPUs: there the lanes of a warp show each other what they hold, so that numbers must lie where the
// instruction has them (PTX ISA 9.0, "Matrix fragments for mma.m16n8k16" and "ldmatrix").
#pragma once
#include <tesserabench/vector.cuh>

// Eight numbers of 16 bits that lie side by side: what a lane loads or copies at once.
using Chunk = Vector<f16>;

// Whether a GPU has products of such numbers. Before Turing none has, and Turing not those of bf16. CPUs have another form.
template <typename T>
constexpr bool ON_TENSOR_CORES = false;
template <>
constexpr bool ON_TENSOR_CORES<f16> = !__CUDA_ARCH__ || __CUDA_ARCH__ >= 750;
template <>
constexpr bool ON_TENSOR_CORES<bf16> = !__CUDA_ARCH__ || __CUDA_ARCH__ >= 800;

// ---- C += A*B of 16 rows, 8 columns and 16 terms
//
// A lane holds two neighbours along the terms in each word, of which A has four and B two, and four sums of C.

// Row and column of a lane's sum.
__device__ inline unsigned row_of_sum(unsigned lane, unsigned sum) { return lane / 4 + sum / 2 * 8; }
__device__ inline unsigned column_of_sum(unsigned lane, unsigned sum) { return lane % 4 * 2 + sum % 2; }

#define MULTIPLY(SHAPE, TYPE, A, B, ...) \
    asm("mma.sync.aligned." SHAPE ".row.col.f32." TYPE "." TYPE ".f32 {%0, %1, %2, %3}, {" A "}, {" B "}, {%0, %1, %2, %3};" \
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3]) : __VA_ARGS__)

template <typename T>
__device__ void multiply(float (&sums)[4], const unsigned (&a)[4], const unsigned *b) {
#if __CUDA_ARCH__ >= 800
    if constexpr (IS_SAME<T, f16>) {
        MULTIPLY("m16n8k16", "f16", "%4, %5, %6, %7", "%8, %9", "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    } else {
        MULTIPLY("m16n8k16", "bf16", "%4, %5, %6, %7", "%8, %9", "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    }
#elif __CUDA_ARCH__
    // Eight terms at a time.
    MULTIPLY("m16n8k8", "f16", "%4, %5", "%6", "r"(a[0]), "r"(a[1]), "r"(b[0]));
    MULTIPLY("m16n8k8", "f16", "%4, %5", "%6", "r"(a[2]), "r"(a[3]), "r"(b[1]));
#else
    const unsigned own = threadIdx.x % 32, shown[] = { a[0], a[1], a[2], a[3], b[0], b[1] };
    unsigned all[32][6];
    cuda_on_cpu::exchange_all(shown, all);
    for (unsigned term = 0; term < 16; term += 2) {
        // Two terms of a row are in one of four lanes, in word 0 for rows 0 to 7 and in word 1 for 8 to 15; of terms from 8
        // on in words 2 and 3. Those of a column are in word 4 or 5.
        const unsigned lane = term % 8 / 2, half = term / 8;
        for (unsigned i = 0; i < 4; ++i) {
            const Two row = Storage<T>::wide(all[row_of_sum(own, i) % 8 * 4 + lane][half * 2 + i / 2]);
            const Two column = Storage<T>::wide(all[column_of_sum(own, i) * 4 + lane][4 + half]);
            sums[i] += row.low * column.low;
            sums[i] += row.high * column.high;
        }
    }
#endif
}

#undef MULTIPLY

// ---- From shared memory

// Four matrices of 8 rows and 8 columns. A row is a chunk, which a lane names: lanes 0 to 7 those of the first matrix, and so
// on. Word i is of matrix i: two neighbours of a row, or of a column where they are TURNED, as A and B have them.
template <bool TURNED>
__device__ void load_matrices(unsigned (&words)[4], const Chunk *row) {
#if __CUDA_ARCH__
    const unsigned address = __cvta_generic_to_shared(row);
    if constexpr (TURNED) {
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3]) : "r"(address) : "memory");
    } else {
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3]) : "r"(address) : "memory");
    }
#else
    const unsigned own = threadIdx.x % 32;
    const Chunk *const shown[] = { row };
    const Chunk *all[32][1];
    cuda_on_cpu::exchange_all(shown, all);
    const auto number = [&](unsigned matrix, unsigned row, unsigned column) {
        return all[8 * matrix + row][0]->units[column / 2] >> column % 2 * 16 & 0xffff;
    };
    for (unsigned i = 0; i < 4; ++i) {
        const unsigned one = own / 4, two = own % 4 * 2;
        words[i] = TURNED ? number(i, two, one) | number(i, two + 1, one) << 16 : number(i, one, two) | number(i, one, two + 1) << 16;
    }
#endif
}

// ---- Into shared memory

// Copies a chunk, or zeros where there is none. It is there for this thread after it waited, for others after the next
// barrier. Before Ampere a thread copies at once.
__device__ inline void copy_later(Chunk *to, const void *from) {
#if __CUDA_ARCH__ >= 800
    const unsigned address = __cvta_generic_to_shared(to);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from), "r"(from ? 16 : 0) : "memory");
#elif __CUDA_ARCH__
    *to = from ? *(const Chunk *)from : Chunk{};
#else
    cuda_on_cpu::copy_later(to, from);
#endif
}

// All copies of this thread since the last call become a group, which may be empty.
__device__ inline void group_copies() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#elif !__CUDA_ARCH__
    cuda_on_cpu::group_copies();
#endif
}

// Waits until at most the last GROUPS of this thread's groups are on their way.
template <int GROUPS>
__device__ void wait_for_copies() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(GROUPS) : "memory");
#elif !__CUDA_ARCH__
    cuda_on_cpu::wait_for_copies(GROUPS);
#endif
}
