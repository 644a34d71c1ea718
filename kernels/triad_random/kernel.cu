// a[i] = b[places[i]] + s*c[places[i]] over arrays in device memory.

#include <tesserabench/access.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS)
triad_random(T *a, const T *b, const T *c, const unsigned *places, Wide<T> s, unsigned long long n) {
    gathered(a, n, places, [s](Wide<T> b, Wide<T> c) { return b + s * c; }, b, c);
}
