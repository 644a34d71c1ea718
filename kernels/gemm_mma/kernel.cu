// C = A*B, dense and row-major, by a product on tensor cores of this program's own.

#include <tesserabench/product.cuh>

// So many rows of tiles are made before the next columns of B are taken, so that blocks that run at a time share what they
// read.
constexpr unsigned long long GROUP = 8;

template <typename T>
__global__ void __launch_bounds__(THREADS)
gemm_mma(T *c, const T *a, const T *b, unsigned long long m, unsigned long long n, unsigned long long k) {
    const unsigned long long across = (n + TILE - 1) / TILE, down = (m + TILE - 1) / TILE;
    const unsigned long long first = blockIdx.x / (GROUP * across) * GROUP, in_group = blockIdx.x % (GROUP * across);
    const unsigned long long high = down - first < GROUP ? down - first : GROUP;
    multiply_tile(c, a, b, m, n, k, (first + in_group % high) * TILE, in_group / high * TILE);
}
