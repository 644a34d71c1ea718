// Rotary position embedding (Su and others, 2021) in the layout of GPT-NeoX: element i of a head and element i + pairs are
// turned together, by the angle whose cosine and sine the table has for the token. A warp turns a head.

#include <tesserabench/vector.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS)
rope(T *y, const T *x, const T *cosine, const T *sine, unsigned long long all, unsigned long long heads,
     unsigned long long pairs) {
    const unsigned long long head = blockIdx.x * (THREADS / 32ull) + threadIdx.x / 32, token = head / heads;
    if (head >= all) return;
    with_widest<T>(pairs, [&](auto width) {
        constexpr int WIDTH = width.value;
        using Loaded = Vector<T, WIDTH>;
        using Computed = Numbers<Wide<T>, WIDTH>;
        const unsigned long long vectors = pairs / WIDTH;
        const Loaded *from = (const Loaded *)(x + head * 2 * pairs);
        const Loaded *cosines = (const Loaded *)(cosine + token * pairs), *sines = (const Loaded *)(sine + token * pairs);
        Loaded *to = (Loaded *)(y + head * 2 * pairs);
        for (unsigned long long at = threadIdx.x % 32; at < vectors; at += 32) {
            const auto a = wide(from[at]), b = wide(from[at + vectors]), c = wide(cosines[at]), s = wide(sines[at]);
            Computed first, second;
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) {
                first.at[i] = a.at[i] * c.at[i] - b.at[i] * s.at[i];
                second.at[i] = b.at[i] * c.at[i] + a.at[i] * s.at[i];
            }
            to[at] = narrow<T>(first);
            to[at + vectors] = narrow<T>(second);
        }
    });
}
