// a[i] = b[i]*c[i] over arrays in device memory.

#include <tesserabench/elementwise.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS) mul(T *a, const T *b, const T *c, unsigned long long n) {
    elementwise(a, n, [](Wide<T> b, Wide<T> c) { return b * c; }, b, c);
}
