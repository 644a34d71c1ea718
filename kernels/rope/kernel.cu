// Rotary position embedding (Su and others, 2021) in the layout of GPT-NeoX: element i of a head and element i + pairs are
// turned together, by the angle whose cosine and sine the table has for the token. A warp turns a head.

#define THREADS 256

template <typename Element, int WIDTH>
struct alignas(sizeof(Element) * WIDTH) Pack {
    Element at[WIDTH];
};

template <typename Element, int WIDTH>
__device__ void turn(Element *y, const Element *x, const Element *cosine, const Element *sine,
                     unsigned long long head, unsigned long long token, unsigned long long pairs) {
    using Vector = Pack<Element, WIDTH>;
    const unsigned long long vectors = pairs / WIDTH;
    const Vector *from = (const Vector *)(x + head * 2 * pairs);
    const Vector *cosines = (const Vector *)(cosine + token * pairs), *sines = (const Vector *)(sine + token * pairs);
    Vector *to = (Vector *)(y + head * 2 * pairs);
    for (unsigned long long at = threadIdx.x % 32; at < vectors; at += 32) {
        const Vector a = from[at], b = from[at + vectors], c = cosines[at], s = sines[at];
        Vector first, second;
#pragma unroll
        for (int i = 0; i < WIDTH; ++i) {
            first.at[i] = a.at[i] * c.at[i] - b.at[i] * s.at[i];
            second.at[i] = b.at[i] * c.at[i] + a.at[i] * s.at[i];
        }
        to[at] = first;
        to[at + vectors] = second;
    }
}

// Vectors of 16 bytes where every half begins at one.
template <typename Element>
__device__ void rope(Element *y, const Element *x, const Element *cosine, const Element *sine, unsigned long long all,
                     unsigned long long heads, unsigned long long pairs) {
    const int width = 16 / sizeof(Element);
    const unsigned long long head = blockIdx.x * (THREADS / 32ull) + threadIdx.x / 32;
    if (head >= all) return;
    if (pairs % width == 0) {
        turn<Element, width>(y, x, cosine, sine, head, head / heads, pairs);
    } else {
        turn<Element, 1>(y, x, cosine, sine, head, head / heads, pairs);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
rope_f32(float *y, const float *x, const float *cosine, const float *sine, unsigned long long all,
         unsigned long long heads, unsigned long long pairs) {
    rope(y, x, cosine, sine, all, heads, pairs);
}

extern "C" __global__ void __launch_bounds__(THREADS)
rope_f64(double *y, const double *x, const double *cosine, const double *sine, unsigned long long all,
         unsigned long long heads, unsigned long long pairs) {
    rope(y, x, cosine, sine, all, heads, pairs);
}
