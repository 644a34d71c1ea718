// y = the transpose of x, tile by tile through shared memory, so that a warp reads a row of x and writes a row of y,
// both in one piece.

#include <tesserabench/vector.cuh>

#define TILE 32
#define STEP (THREADS / TILE)

template <typename T>
__global__ void __launch_bounds__(THREADS)
transpose(T *y, const T *x, unsigned long long rows, unsigned long long cols) {
    // One column more, so that the elements of a column lie in different banks.
    __shared__ T tile[TILE][TILE + 1];
    const unsigned long long across = (cols + TILE - 1) / TILE;
    const unsigned long long top = blockIdx.x / across * TILE, left = blockIdx.x % across * TILE;
    const unsigned column = threadIdx.x % TILE, first = threadIdx.x / TILE;
#pragma unroll
    for (unsigned row = first; row < TILE; row += STEP) {
        if (top + row < rows && left + column < cols) tile[row][column] = x[(top + row) * cols + left + column];
    }
    __syncthreads();
#pragma unroll
    for (unsigned row = first; row < TILE; row += STEP) {
        if (left + row < cols && top + column < rows) y[(left + row) * rows + top + column] = tile[column][row];
    }
}
