// a[i] = b[i] + c[i] over arrays in device memory, every stride-th element, then every one beside these, and so on.

#include <tesserabench/access.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS)
add_strided(T *a, const T *b, const T *c, unsigned long long n, unsigned long long stride) {
    strided(a, n, stride, [](Wide<T> b, Wide<T> c) { return b + c; }, b, c);
}
