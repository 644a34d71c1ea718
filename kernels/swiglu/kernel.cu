// a[i] = gate[i]*sigmoid(gate[i])*up[i] over arrays in device memory.

#include <tesserabench/elementwise.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS) swiglu(T *a, const T *gate, const T *up, unsigned long long n) {
    elementwise(a, n, [](Wide<T> gate, Wide<T> up) { return gate * sigmoid(gate) * up; }, gate, up);
}
