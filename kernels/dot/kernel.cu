// Sum of x*z of each row, one block a row, always in the same order. Each thread has an accumulator for
// every element of a vector, so that loads do not wait for sums.

#define THREADS 256

template <typename Element, int WIDTH>
struct alignas(sizeof(Element) * WIDTH) Pack {
    Element at[WIDTH];
};

template <typename Element>
__device__ Element combine(Element a, Element b) {
    return a + b;
}

template <typename Element>
__device__ Element of_block(Element own) {
    __shared__ Element parts[THREADS / 32];
    for (int distance = 16; distance > 0; distance /= 2) {
        own = combine(own, __shfl_xor_sync(~0u, own, distance));
    }
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = own;
    __syncthreads();
    own = parts[0];
    for (int warp = 1; warp < THREADS / 32; ++warp) own = combine(own, parts[warp]);
    return own;
}

template <typename Element, int WIDTH>
__device__ void of_row(Element *y, const Element *x, const Element *z, unsigned long long cols) {
    using Vector = Pack<Element, WIDTH>;
    const Vector *xs = (const Vector *)(x + blockIdx.x * cols);
    const Vector *zs = (const Vector *)(z + blockIdx.x * cols);
    Element parts[WIDTH];
#pragma unroll
    for (int j = 0; j < WIDTH; ++j) parts[j] = 0;
#pragma unroll 4
    for (unsigned long long at = threadIdx.x; at < cols / WIDTH; at += THREADS) {
        const Vector x = xs[at], z = zs[at];
#pragma unroll
        for (int j = 0; j < WIDTH; ++j) parts[j] = combine(parts[j], x.at[j] * z.at[j]);
    }
#pragma unroll
    for (int j = 1; j < WIDTH; ++j) parts[0] = combine(parts[0], parts[j]);
    const Element whole = of_block(parts[0]);
    if (threadIdx.x == 0) y[blockIdx.x] = whole;
}

// Vectors of 16 bytes where every row begins at one.
template <typename Element>
__device__ void dot(Element *y, const Element *x, const Element *z, unsigned long long cols) {
    const int width = 16 / sizeof(Element);
    if (cols % width == 0) {
        of_row<Element, width>(y, x, z, cols);
    } else {
        of_row<Element, 1>(y, x, z, cols);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
dot_f32(float *y, const float *x, const float *z, unsigned long long rows,
    unsigned long long cols) {
    if (blockIdx.x < rows) dot(y, x, z, cols);
}

extern "C" __global__ void __launch_bounds__(THREADS)
dot_f64(double *y, const double *x, const double *z, unsigned long long rows,
    unsigned long long cols) {
    if (blockIdx.x < rows) dot(y, x, z, cols);
}
