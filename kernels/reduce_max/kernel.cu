// Largest element of each row.

#include <tesserabench/rows.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS)
reduce_max(T *y, const T *x, unsigned long long rows, unsigned long long cols) {
    using W = Wide<T>;
    reduce_rows(y, W(-infinity()), Larger{}, [](W x) { return x; }, [](W most) { return most; }, rows, cols, x);
}
