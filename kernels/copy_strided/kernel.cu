// a[i] = b[i] over arrays in device memory, every stride-th element, then every one beside these, and so on.

#include <tesserabench/access.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS)
copy_strided(T *a, const T *b, unsigned long long n, unsigned long long stride) {
    strided(a, n, stride, [](Wide<T> b) { return b; }, b);
}
