// C = A*B for each of a batch, dense and row-major.

#include <tesserabench/product.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS)
batched_gemm(T *c, const T *a, const T *b, unsigned long long m, unsigned long long n, unsigned long long k) {
    const unsigned long long across = (n + TILE - 1) / TILE, down = (m + TILE - 1) / TILE;
    const unsigned long long item = blockIdx.x / across / down;
    const unsigned long long top = blockIdx.x / across % down * TILE, left = blockIdx.x % across * TILE;
    multiply_tile(c + item * m * n, a + item * m * k, b + item * k * n, m, n, k, top, left);
}
