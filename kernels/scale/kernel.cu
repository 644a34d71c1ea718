// a[i] = s*b[i] over arrays in device memory. Each thread moves UNROLL vectors of 16 bytes, the widest load
// a thread has, and issues all loads before the first store, so that enough bytes are in flight.

#define THREADS 256
#define UNROLL 4

template <typename Element>
struct alignas(16) Vector {
    Element at[16 / sizeof(Element)];
};

template <typename Element>
__device__ Element one(Element b, Element s) {
    return s * b;
}

template <typename Element>
__device__ void scale(Element *a, const Element *b, Element s, unsigned long long n) {
    const int width = 16 / sizeof(Element);
    const unsigned long long vectors = n / width;
    const unsigned long long first = (unsigned long long)blockIdx.x * (THREADS * UNROLL) + threadIdx.x;
    Vector<Element> bs[UNROLL];
#pragma unroll
    for (int i = 0; i < UNROLL; ++i) {
        const unsigned long long at = first + i * THREADS;
        if (at < vectors) bs[i] = ((const Vector<Element> *)b)[at];
    }
#pragma unroll
    for (int i = 0; i < UNROLL; ++i) {
        const unsigned long long at = first + i * THREADS;
        if (at < vectors) {
            Vector<Element> result;
#pragma unroll
            for (int j = 0; j < width; ++j) result.at[j] = one(bs[i].at[j], s);
            ((Vector<Element> *)a)[at] = result;
        }
    }
    // What does not fill a vector, by the last block.
    const unsigned long long rest = vectors * width + threadIdx.x;
    if (blockIdx.x == gridDim.x - 1 && rest < n) a[rest] = one(b[rest], s);
}

extern "C" __global__ void __launch_bounds__(THREADS)
scale_f32(float *a, const float *b, float s, unsigned long long n) {
    scale(a, b, s, n);
}

extern "C" __global__ void __launch_bounds__(THREADS)
scale_f64(double *a, const double *b, double s, unsigned long long n) {
    scale(a, b, s, n);
}
