// a[i] = b[i] + s*c[i] over arrays in device memory.

#include <tesserabench/elementwise.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS) triad(T *a, const T *b, const T *c, Wide<T> s, unsigned long long n) {
    elementwise(a, n, [s](Wide<T> b, Wide<T> c) { return b + s * c; }, b, c);
}
