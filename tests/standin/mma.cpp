// The instructions of kernels/include/tesserabench/mma.cuh, in the form that they have on a CPU. Where numbers lie is written
// here once more, as the figures of the PTX ISA show it, and products are summed naively.
#include "cuda_on_cpu.h"

#include <tesserabench/mma.cuh>

#undef NDEBUG
#include <assert.h>
#include <stdio.h>

enum { ROWS = 16, COLUMNS = 8, TERMS = 16 };

// Of lane L in group g = L/4 with t = L%4, number i of A is a[g + 8*(i/2%2)][2*t + i%2 + 8*(i/4)], of B
// b[2*t + i%2 + 8*(i/2)][g], and of C c[g + 8*(i/2)][2*t + i%2].
struct Matrices {
    float a[ROWS][TERMS], b[TERMS][COLUMNS], c[ROWS][COLUMNS];
};

template <typename T>
static unsigned two(float first, float second) {
    return Storage<T>::narrow({ first, second });
}

// `swapped` takes rows and terms of the lower left and the upper right quarter of A for each other.
template <typename T>
static void multiply_all(Matrices *all, unsigned long long swapped) {
    const unsigned lane = threadIdx.x, g = lane / 4, t = lane % 4;
    unsigned a[4], b[2];
    float c[4];
    for (unsigned i = 0; i < 4; ++i) {
        const float *row = &all->a[g + i % 2 * 8][t * 2 + i / 2 * 8];
        a[swapped ? i / 2 + i % 2 * 2 : i] = two<T>(row[0], row[1]);
        c[i] = all->c[g + i / 2 * 8][t * 2 + i % 2];
    }
    for (unsigned i = 0; i < 2; ++i) b[i] = two<T>(all->b[t * 2 + i * 8][g], all->b[t * 2 + i * 8 + 1][g]);
    multiply<T>(c, a, b);
    for (unsigned i = 0; i < 4; ++i) all->c[g + i / 2 * 8][t * 2 + i % 2] = c[i];
}

// Four matrices of 8 rows, which lie anywhere in memory.
struct Rows {
    alignas(16) unsigned short at[4][8][8], read[2][4][8][8];
};

static void load(Rows *all) {
    const unsigned lane = threadIdx.x, g = lane / 4, t = lane % 4;
    for (unsigned turned = 0; turned < 2; ++turned) {
        unsigned words[4];
        const Chunk *row = (const Chunk *)all->at[lane / 8][lane % 8];
        if (turned) load_matrices<true>(words, row);
        else load_matrices<false>(words, row);
        for (unsigned i = 0; i < 4; ++i) {
            all->read[turned][i][g][2 * t] = words[i];
            all->read[turned][i][g][2 * t + 1] = words[i] >> 16;
        }
    }
}

enum { COPIES = 4 };

struct Copied {
    Chunk from[32 * COPIES], to[32 * COPIES], at_once[32 * COPIES], after_wait[32 * COPIES];
};

// The last two of four groups may be on their way still.
static void copy(Copied *all) {
    for (unsigned i = 0; i < COPIES; ++i) {
        const unsigned at = threadIdx.x * COPIES + i;
        copy_later(&all->to[at], at % 5 ? &all->from[at] : nullptr);
        group_copies();
        all->at_once[at] = all->to[at];
    }
    wait_for_copies<2>();
    for (unsigned at = threadIdx.x * COPIES; at < (threadIdx.x + 1) * COPIES; ++at) all->after_wait[at] = all->to[at];
}

template <auto kernel, typename... Parameter>
static void launch(uint64_t seed, Parameter... parameters) {
    const Launch launch = { { 1, 1, 1 }, { 32, 1, 1 }, seed };
    void *params[] = { &parameters... };
    assert(cuda_on_cpu::Kernel<kernel>::run(&launch, params));
}

// A number that every type here has.
static float number(uint64_t &seed) { return float(cuda_on_cpu::draw(seed) % 33) / 8 - 2; }

template <typename T>
static unsigned wrong_sums(uint64_t seed, unsigned long long swapped) {
    static Matrices all;
    float expected[ROWS][COLUMNS];
    uint64_t drawn = seed;
    for (auto &row : all.a) for (float &x : row) x = number(drawn);
    for (auto &row : all.b) for (float &x : row) x = number(drawn);
    for (unsigned i = 0; i < ROWS; ++i) {
        for (unsigned j = 0; j < COLUMNS; ++j) {
            expected[i][j] = all.c[i][j] = number(drawn);
            for (unsigned l = 0; l < TERMS; ++l) expected[i][j] += all.a[i][l] * all.b[l][j];
        }
    }
    launch<multiply_all<T>>(seed, &all, swapped);
    unsigned wrong = 0;
    for (unsigned i = 0; i < ROWS; ++i) {
        for (unsigned j = 0; j < COLUMNS; ++j) wrong += all.c[i][j] != expected[i][j];
    }
    return wrong;
}

int main() {
    unsigned early = 0, late = 0;
    for (uint64_t seed = 0; seed < 50; ++seed) {
        assert(!wrong_sums<f16>(seed, 0) && !wrong_sums<bf16>(seed, 0));
        assert(wrong_sums<f16>(seed, 1) > 64 && wrong_sums<bf16>(seed, 1) > 64);

        static Rows rows;
        uint64_t drawn = seed;
        for (auto &matrix : rows.at) for (auto &row : matrix) for (auto &x : row) x = cuda_on_cpu::draw(drawn);
        launch<load>(seed, &rows);
        for (unsigned i = 0; i < 4; ++i) {
            for (unsigned row = 0; row < 8; ++row) {
                for (unsigned column = 0; column < 8; ++column) {
                    assert(rows.read[0][i][row][column] == rows.at[i][row][column]);
                    assert(rows.read[1][i][row][column] == rows.at[i][column][row]);
                }
            }
        }

        static Copied all;
        memset(&all, 0, sizeof all);
        for (unsigned at = 0; at < 32 * COPIES; ++at) {
            for (unsigned &word : all.from[at].units) word = at + 1;
            all.to[at].units[3] = ~0u;
        }
        launch<copy>(seed, &all);
        for (unsigned at = 0; at < 32 * COPIES; ++at) {
            const unsigned expected = at % 5 ? at + 1 : 0;
            early += all.at_once[at].units[3] == expected;
            late += all.after_wait[at].units[3] == ~0u;
            assert(all.to[at].units[3] == expected && all.to[at].units[0] == expected);
            if (at % COPIES < COPIES - 2) assert(all.after_wait[at].units[3] == expected);
        }
    }
    // Both happen: nobody may count on either.
    assert(early > 1000 && late > 500);
}
