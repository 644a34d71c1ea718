// o = softmax(q*k^T/sqrt(dim))*v for each head, tile by tile of keys: the sum and the output so far are scaled down where
// a larger score comes (Dao and others, 2022). Plain arithmetic without tensor cores, as f32 and f64 ask for.
//
// A warp has QUERIES queries. In the scores a lane has a key of the tile, in the output it has HELD columns.

#define WARPS 8
#define QUERIES 4
#define KEYS 32
#define DEPTH 32
#define HELD 4

__device__ float exponential(float x) { return expf(x); }
__device__ double exponential(double x) { return exp(x); }

template <typename Element>
__device__ void attend(Element *o, const Element *q, const Element *k, const Element *v, unsigned long long tokens,
                       unsigned long long dim) {
    // One column more, so that the elements of a column lie in different banks.
    __shared__ Element queries[WARPS * QUERIES][DEPTH], keys[KEYS][DEPTH + 1];
    const unsigned long long pieces = (dim + 32 * HELD - 1) / (32 * HELD);
    const unsigned long long tiles = (tokens + WARPS * QUERIES - 1) / (WARPS * QUERIES);
    const unsigned long long head = blockIdx.x / pieces / tiles * tokens * dim;
    const unsigned long long top = blockIdx.x / pieces % tiles * (WARPS * QUERIES);
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const unsigned long long column = blockIdx.x % pieces * (32 * HELD) + lane;
    const Element infinity = __int_as_float(0x7f800000), scale = 1 / sqrt((Element)dim);

    Element most[QUERIES], sums[QUERIES], held[QUERIES][HELD];
#pragma unroll
    for (int r = 0; r < QUERIES; ++r) {
        most[r] = -infinity;
        sums[r] = 0;
#pragma unroll
        for (int i = 0; i < HELD; ++i) held[r][i] = 0;
    }
    for (unsigned long long begin = 0; begin < tokens; begin += KEYS) {
        Element scores[QUERIES] = {};
        for (unsigned long long depth = 0; depth < dim; depth += DEPTH) {
            // What is left there from before has been read.
            __syncthreads();
#pragma unroll
            for (unsigned row = warp; row < 32; row += WARPS) {
                const bool inside = depth + lane < dim;
                const unsigned long long query = top + row, key = begin + row;
                const unsigned long long at = head + depth + lane;
                queries[row][lane] = inside && query < tokens ? q[at + query * dim] : 0;
                keys[row][lane] = inside && key < tokens ? k[at + key * dim] : 0;
            }
            __syncthreads();
#pragma unroll
            for (int d = 0; d < DEPTH; ++d) {
#pragma unroll
                for (int r = 0; r < QUERIES; ++r) scores[r] += queries[warp * QUERIES + r][d] * keys[lane][d];
            }
        }
#pragma unroll
        for (int r = 0; r < QUERIES; ++r) {
            const Element score = begin + lane < tokens ? scores[r] * scale : -infinity;
            Element larger = score > most[r] ? score : most[r];
            for (int distance = 16; distance > 0; distance /= 2) {
                const Element other = __shfl_xor_sync(~0u, larger, distance);
                larger = other > larger ? other : larger;
            }
            const Element kept = exponential(most[r] - larger);
            most[r] = larger;
            scores[r] = exponential(score - larger);
            // Of this lane's keys only, up to the end.
            sums[r] = sums[r] * kept + scores[r];
#pragma unroll
            for (int i = 0; i < HELD; ++i) held[r][i] *= kept;
        }
        const int count = tokens - begin < KEYS ? tokens - begin : KEYS;
        for (int key = 0; key < count; ++key) {
            const Element *row = v + head + (begin + key) * dim;
            Element values[HELD];
#pragma unroll
            for (int i = 0; i < HELD; ++i) values[i] = column + 32 * i < dim ? row[column + 32 * i] : 0;
#pragma unroll
            for (int r = 0; r < QUERIES; ++r) {
                const Element weight = __shfl_sync(~0u, scores[r], key);
#pragma unroll
                for (int i = 0; i < HELD; ++i) held[r][i] += weight * values[i];
            }
        }
    }
#pragma unroll
    for (int r = 0; r < QUERIES; ++r) {
        for (int distance = 16; distance > 0; distance /= 2) sums[r] += __shfl_xor_sync(~0u, sums[r], distance);
        const unsigned long long query = top + warp * QUERIES + r;
#pragma unroll
        for (int i = 0; i < HELD; ++i) {
            if (query < tokens && column + 32 * i < dim) {
                o[head + query * dim + column + 32 * i] = held[r][i] / sums[r];
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(WARPS * 32)
flash_attention_f32(float *o, const float *q, const float *k, const float *v, unsigned long long tokens,
                    unsigned long long dim) {
    attend(o, q, k, v, tokens, dim);
}

extern "C" __global__ void __launch_bounds__(WARPS * 32)
flash_attention_f64(double *o, const double *q, const double *k, const double *v, unsigned long long tokens,
                    unsigned long long dim) {
    attend(o, q, k, v, tokens, dim);
}
