// Two-dimensional convolution (cross-correlation, as in machine learning) with channels last: for each image and place, the
// product of the window there with every filter. That is a product of matrices whose rows are places and whose terms are
// the window's numbers, which are taken from x where they are needed (implicit GEMM; Chetlur and others, 2014).

#include <tesserabench/product.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS)
conv2d(T *y, const T *x, const T *filters, unsigned long long images, unsigned long long height,
       unsigned long long width, unsigned long long channels, unsigned long long count, unsigned long long side,
       unsigned long long stride, unsigned long long high, unsigned long long broad) {
    const unsigned long long places = images * high * broad, terms = side * side * channels, edge = (side - 1) / 2;
    const unsigned long long across = (count + TILE - 1) / TILE;
    const unsigned long long top = blockIdx.x / across * TILE, left = blockIdx.x % across * TILE;
    Product<T, Along::TERMS> product;
    product.add(
        terms,
        // Neighbours of a window are whole chunks where its channels are.
        Operand{ channels % 8 == 0,
                 [&](unsigned row, unsigned long long term) -> const T * {
                     const unsigned long long place = top + row;
                     // A window has fewer than 2^32 numbers.
                     const unsigned in_window = (unsigned)term / (unsigned)channels;
                     const unsigned channel = (unsigned)term % (unsigned)channels;
                     // Above and left of the image these wrap around, beyond its end.
                     const unsigned long long down = place / broad % high * stride + in_window / (unsigned)side - edge;
                     const unsigned long long right = place % broad * stride + in_window % (unsigned)side - edge;
                     const unsigned long long image = place / broad / high;
                     if (place >= places || term >= terms || down >= height || right >= width) return nullptr;
                     return x + ((image * height + down) * width + right) * channels + channel;
                 } },
        Operand{ terms % 8 == 0, [&](unsigned long long term, unsigned column) {
                    return term < terms && left + column < count ? filters + (left + column) * terms + term : nullptr;
                } });
    product.each_two([&](unsigned row, unsigned column, Wide<T> first, Wide<T> second) {
        if (top + row < places) store_two(y + (top + row) * count, count, left + column, first, second);
    });
}
