// GELU in its form with tanh (Hendrycks and Gimpel, 2016), over an array in device memory: 0.5*(1 + tanh(u)) is
// sigmoid(2u). Each thread moves UNROLL vectors of 16 bytes, the widest load
// a thread has, and issues all loads before the first store, so that enough bytes are in flight.

#define THREADS 256
#define UNROLL 4

template <typename Element>
struct alignas(16) Vector {
    Element at[16 / sizeof(Element)];
};

__device__ float exponential(float x) { return expf(x); }
__device__ double exponential(double x) { return exp(x); }

// Below -88, an f32 overflows in the exponential, and the quotient is 0, as it should be.
template <typename Element>
__device__ Element sigmoid(Element x) {
    return 1 / (1 + exponential(-x));
}

template <typename Element>
__device__ Element one(Element x) {
    return x * sigmoid(Element(1.5957691216057308) * (x + Element(0.044715) * x * x * x));
}

template <typename Element>
__device__ void gelu(Element *a, const Element *x, unsigned long long n) {
    const int width = 16 / sizeof(Element);
    const unsigned long long vectors = n / width;
    const unsigned long long first = (unsigned long long)blockIdx.x * (THREADS * UNROLL) + threadIdx.x;
    Vector<Element> xs[UNROLL];
#pragma unroll
    for (int i = 0; i < UNROLL; ++i) {
        const unsigned long long at = first + i * THREADS;
        if (at < vectors) xs[i] = ((const Vector<Element> *)x)[at];
    }
#pragma unroll
    for (int i = 0; i < UNROLL; ++i) {
        const unsigned long long at = first + i * THREADS;
        if (at < vectors) {
            Vector<Element> result;
#pragma unroll
            for (int j = 0; j < width; ++j) result.at[j] = one(xs[i].at[j]);
            ((Vector<Element> *)a)[at] = result;
        }
    }
    // What does not fill a vector, by the last block.
    const unsigned long long rest = vectors * width + threadIdx.x;
    if (blockIdx.x == gridDim.x - 1 && rest < n) a[rest] = one(x[rest]);
}

extern "C" __global__ void __launch_bounds__(THREADS)
gelu_f32(float *a, const float *x, unsigned long long n) {
    gelu(a, x, n);
}

extern "C" __global__ void __launch_bounds__(THREADS)
gelu_f64(double *a, const double *x, unsigned long long n) {
    gelu(a, x, n);
}
