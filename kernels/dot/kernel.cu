// Sum of x*z of each row.

#include <tesserabench/rows.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS)
dot(T *y, const T *x, const T *z, unsigned long long rows, unsigned long long cols) {
    using W = Wide<T>;
    reduce_rows(y, W(0), Plus{}, [](W x, W z) { return x * z; }, [](W sum) { return sum; }, rows, cols, x, z);
}
