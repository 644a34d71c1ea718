// y = x / sqrt(mean of x^2 + eps) * weight for each row of x, one block a row. What a thread reads of its row stays in
// registers as far as HELD vectors go, so that rows of up to 4096 f32 are read once; of longer ones the rest is read
// again.

#define THREADS 256
#define HELD 4

template <typename Element, int WIDTH>
struct alignas(sizeof(Element) * WIDTH) Pack {
    Element at[WIDTH];
};

template <typename Element>
__device__ Element sum_of_block(Element sum) {
    __shared__ Element sums[THREADS / 32];
    for (int distance = 16; distance > 0; distance /= 2) sum += __shfl_xor_sync(~0u, sum, distance);
    if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = sum;
    __syncthreads();
    sum = 0;
    for (int warp = 0; warp < THREADS / 32; ++warp) sum += sums[warp];
    return sum;
}

// The vectors of a row that are this thread's.
template <typename Vector>
struct Own {
    Vector held[HELD];
    const Vector *row;
    unsigned long long vectors;

    __device__ Own(const Vector *row, unsigned long long vectors) : row(row), vectors(vectors) {
#pragma unroll
        for (int i = 0; i < HELD; ++i) {
            if (threadIdx.x + i * THREADS < vectors) held[i] = row[threadIdx.x + i * THREADS];
        }
    }

    template <typename Use>
    __device__ void each(Use use) const {
#pragma unroll
        for (int i = 0; i < HELD; ++i) {
            const unsigned long long at = threadIdx.x + i * THREADS;
            if (at < vectors) use(at, held[i]);
        }
        for (unsigned long long at = threadIdx.x + HELD * THREADS; at < vectors; at += THREADS) {
            use(at, row[at]);
        }
    }
};

template <typename Element, int WIDTH>
__device__ void normalise(Element *y, const Element *x, const Element *weight, unsigned long long cols, Element eps) {
    using Vector = Pack<Element, WIDTH>;
    const unsigned long long row = blockIdx.x * cols;
    const Own<Vector> own((const Vector *)(x + row), cols / WIDTH);
    Element squares = 0;
    own.each([&](unsigned long long, const Vector &x) {
#pragma unroll
        for (int i = 0; i < WIDTH; ++i) squares += x.at[i] * x.at[i];
    });
    const Element scale = 1 / sqrt(sum_of_block(squares) / cols + eps);
    own.each([&](unsigned long long at, const Vector &x) {
        const Vector w = ((const Vector *)weight)[at];
        Vector result;
#pragma unroll
        for (int i = 0; i < WIDTH; ++i) result.at[i] = x.at[i] * scale * w.at[i];
        ((Vector *)(y + row))[at] = result;
    });
}

// Vectors of 16 bytes where every row begins at one.
template <typename Element>
__device__ void rms_norm(Element *y, const Element *x, const Element *weight, unsigned long long cols, Element eps) {
    const int width = 16 / sizeof(Element);
    if (cols % width == 0) {
        normalise<Element, width>(y, x, weight, cols, eps);
    } else {
        normalise<Element, 1>(y, x, weight, cols, eps);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
rms_norm_f32(float *y, const float *x, const float *weight, unsigned long long rows, unsigned long long cols,
             float eps) {
    if (blockIdx.x < rows) rms_norm(y, x, weight, cols, eps);
}

extern "C" __global__ void __launch_bounds__(THREADS)
rms_norm_f64(double *y, const double *x, const double *weight, unsigned long long rows, unsigned long long cols,
             double eps) {
    if (blockIdx.x < rows) rms_norm(y, x, weight, cols, eps);
}
