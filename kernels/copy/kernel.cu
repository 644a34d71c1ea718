// a[i] = b[i] over arrays in device memory, of any type. Each thread moves UNROLL vectors of 16 bytes, the
// widest load a thread has, and issues all loads before the first store, so that enough bytes are in flight.

#define THREADS 256
#define UNROLL 4

extern "C" __global__ void __launch_bounds__(THREADS)
copy(char *a, const char *b, unsigned long long bytes) {
    const unsigned long long vectors = bytes / sizeof(uint4);
    const unsigned long long first = (unsigned long long)blockIdx.x * (THREADS * UNROLL) + threadIdx.x;
    uint4 values[UNROLL];
#pragma unroll
    for (int i = 0; i < UNROLL; ++i) {
        if (first + i * THREADS < vectors) values[i] = ((const uint4 *)b)[first + i * THREADS];
    }
#pragma unroll
    for (int i = 0; i < UNROLL; ++i) {
        if (first + i * THREADS < vectors) ((uint4 *)a)[first + i * THREADS] = values[i];
    }
    // What does not fill a vector, by the last block.
    const unsigned long long rest = vectors * sizeof(uint4) + threadIdx.x;
    if (blockIdx.x == gridDim.x - 1 && rest < bytes) a[rest] = b[rest];
}
