// a[i] = b[places[i]] + c[places[i]] over arrays in device memory.

#include <tesserabench/access.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS)
add_random(T *a, const T *b, const T *c, const unsigned *places, unsigned long long n) {
    gathered(a, n, places, [](Wide<T> b, Wide<T> c) { return b + c; }, b, c);
}
