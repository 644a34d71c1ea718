// Square root of the sum of squares of each row.

#include <tesserabench/rows.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS) norm(T *y, const T *x, unsigned long long rows, unsigned long long cols) {
    using W = Wide<T>;
    reduce_rows(y, W(0), Plus{}, [](W x) { return x * x; }, [](W sum) { return sqrt(sum); }, rows, cols, x);
}
