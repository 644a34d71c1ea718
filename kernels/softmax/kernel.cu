// y = exp(x - max) / sum of exp(x - max) for each row of x, one block a row. What a thread reads of its row stays in
// registers as far as HELD vectors go, so that rows of up to 4096 f32 or 1024 f64 are read once; of longer ones the rest
// is read again, and its exponentials are taken again.

#define THREADS 256

template <typename Element, int WIDTH>
struct alignas(sizeof(Element) * WIDTH) Pack {
    Element at[WIDTH];
};

__device__ float exponential(float x) { return expf(x); }
__device__ double exponential(double x) { return exp(x); }

// Of what each thread has, `combine` makes one, by the same tree in every thread. Once with each `combine`, whose parts
// are its own.
template <typename Element, typename Combine>
__device__ Element of_block(Element own, Combine combine) {
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
__device__ void of_row(Element *y, const Element *x, unsigned long long cols) {
    using Vector = Pack<Element, WIDTH>;
    // Fewer of f64, whose exponentials take more registers.
    constexpr int HELD = 16 / sizeof(Element);
    const unsigned long long row = blockIdx.x * cols, vectors = cols / WIDTH;
    const Vector *from = (const Vector *)(x + row);
    Vector *to = (Vector *)(y + row);
    const unsigned long long rest = threadIdx.x + HELD * THREADS;
    const auto larger = [](Element a, Element b) { return a > b ? a : b; };
    const auto plus = [](Element a, Element b) { return a + b; };

    Vector held[HELD];
    // Minus infinity.
    Element most = __int_as_float(0xff800000);
#pragma unroll
    for (int i = 0; i < HELD; ++i) {
        if (threadIdx.x + i * THREADS < vectors) {
            held[i] = from[threadIdx.x + i * THREADS];
#pragma unroll
            for (int j = 0; j < WIDTH; ++j) most = larger(held[i].at[j], most);
        }
    }
    for (unsigned long long at = rest; at < vectors; at += THREADS) {
        const Vector values = from[at];
#pragma unroll
        for (int j = 0; j < WIDTH; ++j) most = larger(values.at[j], most);
    }
    most = of_block(most, larger);

    Element sum = 0;
#pragma unroll
    for (int i = 0; i < HELD; ++i) {
        if (threadIdx.x + i * THREADS < vectors) {
#pragma unroll
            for (int j = 0; j < WIDTH; ++j) sum += held[i].at[j] = exponential(held[i].at[j] - most);
        }
    }
#pragma unroll 1
    for (unsigned long long at = rest; at < vectors; at += THREADS) {
        const Vector values = from[at];
#pragma unroll
        for (int j = 0; j < WIDTH; ++j) sum += exponential(values.at[j] - most);
    }
    const Element scale = 1 / of_block(sum, plus);

#pragma unroll
    for (int i = 0; i < HELD; ++i) {
        if (threadIdx.x + i * THREADS < vectors) {
#pragma unroll
            for (int j = 0; j < WIDTH; ++j) held[i].at[j] *= scale;
            to[threadIdx.x + i * THREADS] = held[i];
        }
    }
#pragma unroll 1
    for (unsigned long long at = rest; at < vectors; at += THREADS) {
        Vector values = from[at];
#pragma unroll
        for (int j = 0; j < WIDTH; ++j) values.at[j] = exponential(values.at[j] - most) * scale;
        to[at] = values;
    }
}

// Vectors of 16 bytes where every row begins at one.
template <typename Element>
__device__ void softmax(Element *y, const Element *x, unsigned long long cols) {
    const int width = 16 / sizeof(Element);
    if (cols % width == 0) {
        of_row<Element, width>(y, x, cols);
    } else {
        of_row<Element, 1>(y, x, cols);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
softmax_f32(float *y, const float *x, unsigned long long rows, unsigned long long cols) {
    if (blockIdx.x < rows) softmax(y, x, cols);
}

extern "C" __global__ void __launch_bounds__(THREADS)
softmax_f64(double *y, const double *x, unsigned long long rows, unsigned long long cols) {
    if (blockIdx.x < rows) softmax(y, x, cols);
}
