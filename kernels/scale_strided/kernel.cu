// a[i] = s*b[i] over arrays in device memory, every stride-th element, then every one beside these, and so on.

#include <tesserabench/access.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS)
scale_strided(T *a, const T *b, Wide<T> s, unsigned long long n, unsigned long long stride) {
    strided(a, n, stride, [s](Wide<T> b) { return s * b; }, b);
}
