// Passes over arrays in device memory. Each thread moves UNROLL vectors of 16 bytes, the widest load a
// thread has, and issues all loads before the first store, so that enough bytes are in flight.

#define THREADS 256
#define UNROLL 4

template <typename Vector, typename Element, typename Operation>
__device__ void pass(unsigned long long elements, Operation operation) {
    const unsigned long long width = sizeof(Vector) / sizeof(Element);
    const unsigned long long vectors = elements / width;
    const unsigned long long first = (unsigned long long)blockIdx.x * (THREADS * UNROLL) + threadIdx.x;
    operation.vectors(first, vectors);
    // What does not fill a vector, by the last block.
    const unsigned long long rest = vectors * width + threadIdx.x;
    if (blockIdx.x == gridDim.x - 1 && rest < elements) {
        operation.element(rest);
    }
}

struct Copy {
    char *a;
    const char *b;

    __device__ void vectors(unsigned long long first, unsigned long long vectors) {
        uint4 values[UNROLL];
#pragma unroll
        for (int i = 0; i < UNROLL; ++i) {
            if (first + i * THREADS < vectors) values[i] = ((const uint4 *)b)[first + i * THREADS];
        }
#pragma unroll
        for (int i = 0; i < UNROLL; ++i) {
            if (first + i * THREADS < vectors) ((uint4 *)a)[first + i * THREADS] = values[i];
        }
    }

    __device__ void element(unsigned long long i) { a[i] = b[i]; }
};

__device__ float4 add_scaled(float4 b, float s, float4 c) {
    return make_float4(b.x + s * c.x, b.y + s * c.y, b.z + s * c.z, b.w + s * c.w);
}

__device__ double2 add_scaled(double2 b, double s, double2 c) {
    return make_double2(b.x + s * c.x, b.y + s * c.y);
}

template <typename Vector, typename Element>
struct Triad {
    Element *a;
    const Element *b;
    const Element *c;
    Element s;

    __device__ void vectors(unsigned long long first, unsigned long long vectors) {
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
    }

    __device__ void element(unsigned long long i) { a[i] = b[i] + s * c[i]; }
};

// a[i] = b[i], of any type: n bytes.
extern "C" __global__ void __launch_bounds__(THREADS)
copy(char *a, const char *b, unsigned long long bytes) {
    pass<uint4, char>(bytes, Copy{a, b});
}

// a[i] = b[i] + s*c[i], n elements.
extern "C" __global__ void __launch_bounds__(THREADS)
triad_f32(float *a, const float *b, const float *c, float s, unsigned long long n) {
    pass<float4, float>(n, Triad<float4, float>{a, b, c, s});
}

extern "C" __global__ void __launch_bounds__(THREADS)
triad_f64(double *a, const double *b, const double *c, double s, unsigned long long n) {
    pass<double2, double>(n, Triad<double2, double>{a, b, c, s});
}
