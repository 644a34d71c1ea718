// a[i] = s*b[i] over arrays in device memory.

#include <tesserabench/elementwise.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS) scale(T *a, const T *b, Wide<T> s, unsigned long long n) {
    elementwise(a, n, [s](Wide<T> b) { return s * b; }, b);
}
