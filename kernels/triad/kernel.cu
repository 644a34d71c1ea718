// a[i] = b[i] + s*c[i] over arrays in device memory. Each thread moves UNROLL vectors of 16 bytes, the widest
// load a thread has, and issues all loads before the first store, so that enough bytes are in flight.

#define THREADS 256
#define UNROLL 4

__device__ float4 add_scaled(float4 b, float s, float4 c) {
    return make_float4(b.x + s * c.x, b.y + s * c.y, b.z + s * c.z, b.w + s * c.w);
}

__device__ double2 add_scaled(double2 b, double s, double2 c) {
    return make_double2(b.x + s * c.x, b.y + s * c.y);
}

template <typename Vector, typename Element>
__device__ void triad(Element *a, const Element *b, const Element *c, Element s, unsigned long long n) {
    const unsigned long long width = sizeof(Vector) / sizeof(Element);
    const unsigned long long vectors = n / width;
    const unsigned long long first = (unsigned long long)blockIdx.x * (THREADS * UNROLL) + threadIdx.x;
    Vector bs[UNROLL], cs[UNROLL];
#pragma unroll
    for (int i = 0; i < UNROLL; ++i) {
        const unsigned long long at = first + i * THREADS;
        if (at < vectors) {
            bs[i] = ((const Vector *)b)[at];
            cs[i] = ((const Vector *)c)[at];
        }
    }
#pragma unroll
    for (int i = 0; i < UNROLL; ++i) {
        const unsigned long long at = first + i * THREADS;
        if (at < vectors) ((Vector *)a)[at] = add_scaled(bs[i], s, cs[i]);
    }
    // What does not fill a vector, by the last block.
    const unsigned long long rest = vectors * width + threadIdx.x;
    if (blockIdx.x == gridDim.x - 1 && rest < n) a[rest] = b[rest] + s * c[rest];
}

extern "C" __global__ void __launch_bounds__(THREADS)
triad_f32(float *a, const float *b, const float *c, float s, unsigned long long n) {
    triad<float4>(a, b, c, s, n);
}

extern "C" __global__ void __launch_bounds__(THREADS)
triad_f64(double *a, const double *b, const double *c, double s, unsigned long long n) {
    triad<double2>(a, b, c, s, n);
}
