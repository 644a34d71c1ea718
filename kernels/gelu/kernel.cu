// GELU in its form with tanh (Hendrycks and Gimpel, 2016), over an array in device memory: 0.5*(1 + tanh(u)) is
// sigmoid(2u).

#include <tesserabench/elementwise.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS) gelu(T *a, const T *x, unsigned long long n) {
    using W = Wide<T>;
    elementwise(a, n, [](W x) { return x * sigmoid(W(1.5957691216057308) * (x + W(0.044715) * x * x * x)); }, x);
}
