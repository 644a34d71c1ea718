// gate*sigmoid(gate)*up over arrays in device memory. Each thread moves UNROLL vectors of 16 bytes, the widest load
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
__device__ Element one(Element gate, Element up) {
    return gate * sigmoid(gate) * up;
}

template <typename Element>
__device__ void swiglu(Element *a, const Element *gate, const Element *up, unsigned long long n) {
    const int width = 16 / sizeof(Element);
    const unsigned long long vectors = n / width;
    const unsigned long long first = (unsigned long long)blockIdx.x * (THREADS * UNROLL) + threadIdx.x;
    Vector<Element> gates[UNROLL], ups[UNROLL];
#pragma unroll
    for (int i = 0; i < UNROLL; ++i) {
        const unsigned long long at = first + i * THREADS;
        if (at < vectors) {
            gates[i] = ((const Vector<Element> *)gate)[at];
            ups[i] = ((const Vector<Element> *)up)[at];
        }
    }
#pragma unroll
    for (int i = 0; i < UNROLL; ++i) {
        const unsigned long long at = first + i * THREADS;
        if (at < vectors) {
            Vector<Element> result;
#pragma unroll
            for (int j = 0; j < width; ++j) result.at[j] = one(gates[i].at[j], ups[i].at[j]);
            ((Vector<Element> *)a)[at] = result;
        }
    }
    // What does not fill a vector, by the last block.
    const unsigned long long rest = vectors * width + threadIdx.x;
    if (blockIdx.x == gridDim.x - 1 && rest < n) a[rest] = one(gate[rest], up[rest]);
}

extern "C" __global__ void __launch_bounds__(THREADS)
swiglu_f32(float *a, const float *gate, const float *up, unsigned long long n) {
    swiglu(a, gate, up, n);
}

extern "C" __global__ void __launch_bounds__(THREADS)
swiglu_f64(double *a, const double *gate, const double *up, unsigned long long n) {
    swiglu(a, gate, up, n);
}
