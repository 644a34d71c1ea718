// Bytes between memories that the GPU reaches: its own, pinned memory of the host, memory of other GPUs. Blocks take turns in
// two directions where there are two, so that both are busy all the time.
#include <tesserabench/vector.cuh>

// Vectors of 16 bytes that a thread has in flight.
constexpr unsigned IN_FLIGHT = 4;

// bytes from `from` to `to` and, where `back_bytes` is not 0, as many from `back_from` to `back_to`. All begin at multiples of 16.
extern "C" __global__ void __launch_bounds__(THREADS) move_bytes(unsigned char *to, const unsigned char *from,
        unsigned char *back_to, const unsigned char *back_from, unsigned long long bytes) {
    const unsigned ways = back_to ? 2 : 1;
    const bool is_back = blockIdx.x % ways;
    Vector<unsigned char> *a = (Vector<unsigned char> *)(is_back ? back_to : to);
    const Vector<unsigned char> *b = (const Vector<unsigned char> *)(is_back ? back_from : from);
    const unsigned long long vectors = bytes / 16, stride = (unsigned long long)(gridDim.x / ways) * THREADS;
    const unsigned long long first = (unsigned long long)(blockIdx.x / ways) * THREADS + threadIdx.x;
    for (unsigned long long at = first; at < vectors; at += IN_FLIGHT * stride) {
        Vector<unsigned char> loaded[IN_FLIGHT];
#pragma unroll
        for (unsigned i = 0; i < IN_FLIGHT; ++i)
            if (at + i * stride < vectors) loaded[i] = b[at + i * stride];
#pragma unroll
        for (unsigned i = 0; i < IN_FLIGHT; ++i)
            if (at + i * stride < vectors) a[at + i * stride] = loaded[i];
    }
    // What does not fill a vector.
    const unsigned long long rest = vectors * 16 + first;
    if (rest < bytes) ((unsigned char *)a)[rest] = ((const unsigned char *)b)[rest];
}
