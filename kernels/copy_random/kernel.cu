// a[i] = b[places[i]] over arrays in device memory.

#include <tesserabench/access.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS) copy_random(T *a, const T *b, const unsigned *places, unsigned long long n) {
    gathered(a, n, places, [](Wide<T> b) { return b; }, b);
}
