// a[i] = b[i]*c[i] over arrays in device memory. Each thread moves UNROLL vectors of 16 bytes, the widest load
// a thread has, and issues all loads before the first store, so that enough bytes are in flight.

#define THREADS 256
#define UNROLL 4

template <typename Element>
struct alignas(16) Vector {
    Element at[16 / sizeof(Element)];
};

template <typename Element>
__device__ Element one(Element b, Element c) {
    return b * c;
}

template <typename Element>
__device__ void mul(Element *a, const Element *b, const Element *c, unsigned long long n) {
    const int width = 16 / sizeof(Element);
    const unsigned long long vectors = n / width;
    const unsigned long long first = (unsigned long long)blockIdx.x * (THREADS * UNROLL) + threadIdx.x;
    Vector<Element> bs[UNROLL], cs[UNROLL];
#pragma unroll
    for (int i = 0; i < UNROLL; ++i) {
        const unsigned long long at = first + i * THREADS;
        if (at < vectors) {
            bs[i] = ((const Vector<Element> *)b)[at];
            cs[i] = ((const Vector<Element> *)c)[at];
        }
    }
#pragma unroll
    for (int i = 0; i < UNROLL; ++i) {
        const unsigned long long at = first + i * THREADS;
        if (at < vectors) {
            Vector<Element> result;
#pragma unroll
            for (int j = 0; j < width; ++j) result.at[j] = one(bs[i].at[j], cs[i].at[j]);
            ((Vector<Element> *)a)[at] = result;
        }
    }
    // What does not fill a vector, by the last block.
    const unsigned long long rest = vectors * width + threadIdx.x;
    if (blockIdx.x == gridDim.x - 1 && rest < n) a[rest] = one(b[rest], c[rest]);
}

extern "C" __global__ void __launch_bounds__(THREADS)
mul_f32(float *a, const float *b, const float *c, unsigned long long n) {
    mul(a, b, c, n);
}

extern "C" __global__ void __launch_bounds__(THREADS)
mul_f64(double *a, const double *b, const double *c, unsigned long long n) {
    mul(a, b, c, n);
}
