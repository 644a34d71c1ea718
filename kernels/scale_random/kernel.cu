// a[i] = s*b[places[i]] over arrays in device memory.

#include <tesserabench/access.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS)
scale_random(T *a, const T *b, const unsigned *places, Wide<T> s, unsigned long long n) {
    gathered(a, n, places, [s](Wide<T> b) { return s * b; }, b);
}
