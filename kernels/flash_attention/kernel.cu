// o = softmax(q*k^T/sqrt(dim))*v for each head, tile by tile of keys: the sum and the output so far are scaled down where
// a larger score comes (Dao and others, 2022). On tensor cores where they take the type, otherwise by plain arithmetic.
//
// `sharing` heads of queries share a head of keys and values (Ainslie and others, 2023).

#include <tesserabench/tile.cuh>

// Columns of the output that a block makes at most.
constexpr unsigned PIECE = 128;

// A block's head, the first of its queries, and the first of its columns.
template <typename T>
struct Work {
    T *o;
    const T *q, *k, *v;
    unsigned tokens, dim, top, left;
    bool causal;

    // A block has `queries` queries.
    __device__ Work(T *o, const T *q, const T *k, const T *v, unsigned tokens, unsigned dim, unsigned sharing, bool causal,
                    unsigned queries)
        : tokens(tokens), dim(dim), causal(causal) {
        const unsigned pieces = (dim + PIECE - 1) / PIECE, tiles = (tokens + queries - 1) / queries;
        const unsigned head = blockIdx.x / pieces / tiles;
        const unsigned long long size = (unsigned long long)tokens * dim;
        this->o = o + head * size;
        this->q = q + head * size;
        this->k = k + head / sharing * size;
        this->v = v + head / sharing * size;
        top = blockIdx.x / pieces % tiles * queries;
        left = blockIdx.x % pieces * PIECE;
    }

    // Where the number is, or null beyond the end.
    template <typename U>
    __device__ U *at(U *tensor, unsigned token, unsigned column) const {
        return token < tokens && column < dim ? tensor + (unsigned long long)token * dim + column : nullptr;
    }

    // How many keys are seen by queries before this one.
    __device__ unsigned seen(unsigned query) const { return causal && query < tokens ? query : tokens; }
};

// By plain arithmetic. A warp has OWN queries. In the scores a lane has a key of the tile, in the output it has HELD columns.
template <typename T, unsigned WARPS>
struct Plain {
    using W = Wide<T>;
    static constexpr unsigned QUERIES = 32, OWN = QUERIES / WARPS, KEYS = 32, DEPTH = 32, HELD = PIECE / 32;

    static __device__ void attend(const Work<T> &work) {
        // One column more, so that the elements of a column lie in different banks.
        __shared__ W queries[QUERIES][DEPTH], keys[KEYS][DEPTH + 1];
        const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32, column = work.left + lane;
        const W scale = 1 / sqrt((W)work.dim);
        const auto number = [](const T *from) { return from ? wide(*from) : W(0); };
        W most[OWN], sums[OWN], held[OWN][HELD];
#pragma unroll
        for (int r = 0; r < OWN; ++r) {
            most[r] = -infinity();
            sums[r] = 0;
#pragma unroll
            for (int i = 0; i < HELD; ++i) held[r][i] = 0;
        }
        const unsigned end = work.seen(work.top + QUERIES);
        for (unsigned begin = 0; begin < end; begin += KEYS) {
            W scores[OWN] = {};
            for (unsigned depth = 0; depth < work.dim; depth += DEPTH) {
                // What is left there from before has been read.
                __syncthreads();
#pragma unroll
                for (unsigned row = warp; row < 32; row += WARPS) {
                    queries[row][lane] = number(work.at(work.q, work.top + row, depth + lane));
                    keys[row][lane] = number(work.at(work.k, begin + row, depth + lane));
                }
                __syncthreads();
#pragma unroll
                for (int d = 0; d < DEPTH; ++d) {
#pragma unroll
                    for (int r = 0; r < OWN; ++r) scores[r] += queries[warp * OWN + r][d] * keys[lane][d];
                }
            }
#pragma unroll
            for (int r = 0; r < OWN; ++r) {
                // A causal query sees its own token and those before. Every query sees one of the first tile.
                const bool is_seen = begin + lane < work.seen(work.top + warp * OWN + r + 1);
                const W score = is_seen ? scores[r] * scale : -infinity();
                W larger = score > most[r] ? score : most[r];
                for (int distance = 16; distance > 0; distance /= 2) {
                    const W other = __shfl_xor_sync(~0u, larger, distance);
                    larger = other > larger ? other : larger;
                }
                const W kept = exp(most[r] - larger);
                most[r] = larger;
                scores[r] = exp(score - larger);
                // Of this lane's keys only, up to the end.
                sums[r] = sums[r] * kept + scores[r];
#pragma unroll
                for (int i = 0; i < HELD; ++i) held[r][i] *= kept;
            }
            const int count = end - begin < KEYS ? end - begin : KEYS;
            for (int key = 0; key < count; ++key) {
                W values[HELD];
#pragma unroll
                for (int i = 0; i < HELD; ++i) values[i] = number(work.at(work.v, begin + key, column + 32 * i));
#pragma unroll
                for (int r = 0; r < OWN; ++r) {
                    const W weight = __shfl_sync(~0u, scores[r], key);
#pragma unroll
                    for (int i = 0; i < HELD; ++i) held[r][i] += weight * values[i];
                }
            }
        }
#pragma unroll
        for (int r = 0; r < OWN; ++r) {
            for (int distance = 16; distance > 0; distance /= 2) sums[r] += __shfl_xor_sync(~0u, sums[r], distance);
#pragma unroll
            for (int i = 0; i < HELD; ++i) {
                T *const to = work.at(work.o, work.top + warp * OWN + r, column + 32 * i);
                if (to) *to = narrow<T>(held[r][i] / sums[r]);
            }
        }
    }
};

// On tensor cores (Dao, 2023). A warp has OWN queries, WIDTH columns at a time. While the scores of a tile of keys are
// computed its values are on their way, and while the output is, the next keys.
//
// Scores and weights stay in registers: as the tensor cores leave sums of scores, they take rows of weights. Weights are
// sums of two numbers of 16 bits each, so that the result is rounded only once.
template <typename T, unsigned WIDTH>
struct Tensor {
    static constexpr unsigned WARPS = 4, OWN = 32, QUERIES = WARPS * OWN, KEYS = 4096 / WIDTH, CHUNKS = WIDTH / 8;
    static constexpr unsigned ROWS = OWN / 8; // of a lane

    struct Shared { Chunk queries[QUERIES * CHUNKS], keys[KEYS * CHUNKS], values[KEYS * CHUNKS]; };

    template <unsigned LINES>
    static __device__ void load(Chunk *tile, const Work<T> &work, const T *tensor, unsigned token, unsigned column) {
        load_tile<T, WARPS * 32, LINES, CHUNKS>(tile, work.dim % 8 == 0, [&](unsigned line, unsigned i) {
            return work.at(tensor, token + line, column + i);
        });
    }

    // Of the four lanes that have a row.
    template <typename Combine>
    static __device__ float of_row(float own, Combine combine) {
        own = combine(own, __shfl_xor_sync(~0u, own, 1));
        return combine(own, __shfl_xor_sync(~0u, own, 2));
    }

    static __device__ void attend(Shared &shared, const Work<T> &work) {
        const unsigned lane = threadIdx.x % 32, first = threadIdx.x / 32 * OWN;
        // Powers of two take the place of those of e.
        const float scale = 1.44269504f / sqrt((float)work.dim);
        float most[ROWS], sums[ROWS], held[OWN / 16][WIDTH / 8][4] = {};
#pragma unroll
        for (unsigned r = 0; r < ROWS; ++r) {
            most[r] = -infinity();
            sums[r] = 0;
        }
        const auto load_first = [&](unsigned begin) {
            // Queries that are no wider than a tile stay.
            if (begin == 0 || work.dim > WIDTH) load<QUERIES>(shared.queries, work, work.q, work.top, 0);
            load<KEYS>(shared.keys, work, work.k, begin, 0);
            group_copies();
        };
        const unsigned end = work.seen(work.top + QUERIES);
        load_first(0);
        for (unsigned begin = 0; begin < end; begin += KEYS) {
            // All are done with the last values.
            __syncthreads();
            load<KEYS>(shared.values, work, work.v, begin, work.left);
            group_copies();
            float scores[OWN / 16][KEYS / 8][4] = {};
            wait_for_copies<1>();
            __syncthreads();
            add_scores(scores, shared, first);
            for (unsigned depth = WIDTH; depth < work.dim; depth += WIDTH) {
                __syncthreads();
                load<QUERIES>(shared.queries, work, work.q, work.top, depth);
                load<KEYS>(shared.keys, work, work.k, begin, depth);
                group_copies();
                wait_for_copies<0>();
                __syncthreads();
                add_scores(scores, shared, first);
            }
            // All are done with the keys.
            __syncthreads();
            if (begin + KEYS < end) load_first(begin + KEYS);
            else group_copies();
            // The first query of the warp sees the fewest keys.
            if (begin + KEYS > work.seen(work.top + first + 1)) hide(scores, work, begin, work.top + first);
            weigh(scores, most, sums, held, scale);
            wait_for_copies<1>();
            __syncthreads();
            add_values(held, scores, shared);
        }
#pragma unroll
        for (unsigned r = 0; r < ROWS; ++r) {
            const float factor = 1 / of_row(sums[r], [](float a, float b) { return a + b; });
            T *const row = work.at(work.o, work.top + first + r / 2 * 16 + row_of_sum(lane, r % 2 * 2), 0);
            if (!row) continue;
#pragma unroll
            for (unsigned j = 0; j < WIDTH / 8; ++j) {
                const float *two = held[r / 2][j] + r % 2 * 2;
                store_two(row, work.dim, work.left + j * 8 + column_of_sum(lane, 0), two[0] * factor, two[1] * factor);
            }
        }
    }

    static __device__ void add_scores(float (&scores)[OWN / 16][KEYS / 8][4], const Shared &shared, unsigned first) {
#pragma unroll
        for (unsigned term = 0; term < WIDTH; term += 16) {
            unsigned a[OWN / 16][4];
#pragma unroll
            for (unsigned i = 0; i < OWN / 16; ++i) load_a<CHUNKS>(a[i], shared.queries, first + 16 * i, term);
#pragma unroll
            for (unsigned key = 0; key < KEYS; key += 16) {
                unsigned b[4];
                load_b<Along::TERMS, CHUNKS>(b, shared.keys, term, key);
#pragma unroll
                for (unsigned i = 0; i < OWN / 16; ++i) {
                    multiply<T>(scores[i][key / 8], a[i], b);
                    multiply<T>(scores[i][key / 8 + 1], a[i], b + 2);
                }
            }
        }
    }

    // Takes out the keys that queries do not see, of which `query` is the warp's first.
    static __device__ void hide(float (&scores)[OWN / 16][KEYS / 8][4], const Work<T> &work, unsigned begin,
                                unsigned query) {
        const unsigned lane = threadIdx.x % 32;
#pragma unroll
        for (unsigned i = 0; i < OWN / 16; ++i) {
#pragma unroll
            for (unsigned sum = 0; sum < 4; ++sum) {
                const unsigned seen = work.seen(query + i * 16 + row_of_sum(lane, sum) + 1);
#pragma unroll
                for (unsigned j = 0; j < KEYS / 8; ++j) {
                    if (begin + j * 8 + column_of_sum(lane, sum) >= seen) scores[i][j][sum] = -infinity();
                }
            }
        }
    }

    // Makes weights of scores, and scales down what is there so far. Every query sees a key of the first tile.
    static __device__ void weigh(float (&scores)[OWN / 16][KEYS / 8][4], float (&most)[ROWS], float (&sums)[ROWS],
                                 float (&held)[OWN / 16][WIDTH / 8][4], float scale) {
        // Weights are up to 2^raised, which f16 just has room for, so that small ones keep their digits.
        const float raised = 15;
#pragma unroll
        for (unsigned r = 0; r < ROWS; ++r) {
            float larger = -infinity();
#pragma unroll
            for (unsigned j = 0; j < KEYS / 8; ++j) {
                const float(&four)[4] = scores[r / 2][j];
                larger = max(larger, max(four[r % 2 * 2], four[r % 2 * 2 + 1]));
            }
            larger = max(most[r], of_row(larger, [](float a, float b) { return max(a, b); }) * scale - raised);
            const float kept = exp2f(most[r] - larger);
            most[r] = larger;
            sums[r] *= kept;
#pragma unroll
            for (unsigned j = 0; j < KEYS / 8; ++j) {
#pragma unroll
                for (unsigned sum = r % 2 * 2; sum < r % 2 * 2 + 2; ++sum) {
                    float &score = scores[r / 2][j][sum];
                    score = exp2f(score * scale - larger);
                    sums[r] += score;
                }
            }
#pragma unroll
            for (unsigned j = 0; j < WIDTH / 8; ++j) {
                held[r / 2][j][r % 2 * 2] *= kept;
                held[r / 2][j][r % 2 * 2 + 1] *= kept;
            }
        }
    }

    static __device__ void add_values(float (&held)[OWN / 16][WIDTH / 8][4],
                                      const float (&weights)[OWN / 16][KEYS / 8][4], const Shared &shared) {
#pragma unroll
        for (unsigned key = 0; key < KEYS; key += 16) {
            unsigned large[OWN / 16][4], small[OWN / 16][4];
#pragma unroll
            for (unsigned i = 0; i < OWN / 16; ++i) {
#pragma unroll
                for (unsigned word = 0; word < 4; ++word) {
                    const float *two = weights[i][key / 8 + word / 2] + word % 2 * 2;
                    large[i][word] = Storage<T>::narrow({ two[0], two[1] });
                    const Two rounded = Storage<T>::wide(large[i][word]);
                    small[i][word] = Storage<T>::narrow({ two[0] - rounded.low, two[1] - rounded.high });
                }
            }
#pragma unroll
            for (unsigned column = 0; column < WIDTH; column += 16) {
                unsigned b[4];
                load_b<Along::COLUMNS, CHUNKS>(b, shared.values, key, column);
#pragma unroll
                for (unsigned i = 0; i < OWN / 16; ++i) {
#pragma unroll
                    for (unsigned j = 0; j < 2; ++j) {
                        multiply<T>(held[i][column / 8 + j], large[i], b + 2 * j);
                        multiply<T>(held[i][column / 8 + j], small[i], b + 2 * j);
                    }
                }
            }
        }
    }
};

template <typename T>
__global__ void __launch_bounds__(sizeof(T) == 2 ? 128 : 256)
flash_attention(T *o, const T *q, const T *k, const T *v, unsigned long long tokens, unsigned long long dim,
                unsigned long long sharing, unsigned long long causal) {
    using Small = Tensor<T, 64>;
    using Large = Tensor<T, 128>;
    const unsigned queries = sizeof(T) == 2 ? Large::QUERIES : 32;
    Work<T> work(o, q, k, v, tokens, dim, sharing, causal, queries);
    if constexpr (ON_TENSOR_CORES<T>) {
        alignas(128) __shared__ char shared[sizeof(typename Large::Shared)];
        if (dim <= 64) {
            Small::attend((typename Small::Shared &)shared, work);
        } else {
            Large::attend((typename Large::Shared &)shared, work);
        }
    } else {
        // As many threads and queries as on tensor cores.
        using Form = Plain<T, sizeof(T) == 2 ? 4 : 8>;
        for (unsigned end = work.top + queries; work.top < end; work.top += Form::QUERIES) Form::attend(work);
    }
}
