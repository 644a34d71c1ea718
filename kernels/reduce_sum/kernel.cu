// Sum of each row.

#include <tesserabench/rows.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS)
reduce_sum(T *y, const T *x, unsigned long long rows, unsigned long long cols) {
    using W = Wide<T>;
    reduce_rows(y, W(0), Plus{}, [](W x) { return x; }, [](W sum) { return sum; }, rows, cols, x);
}
