// A step of AdamW (Loshchilov and Hutter, 2019): moments m and v of the gradient g, and parameters p, which decay towards
// 0. What follows from the rates alone comes rounded once: new_m is 1 - beta_m, after t steps `step` is
// rate/(1 - beta_m^t) and `root` 1/sqrt(1 - beta_v^t), and `shrink` is rate*decay. Moments are floats whatever T is.

#include <tesserabench/vector.cuh>

template <typename T>
__global__ void __launch_bounds__(THREADS)
adamw(T *__restrict__ p_new, float *__restrict__ m_new, float *__restrict__ v_new, const T *__restrict__ p,
      const float *__restrict__ m, const float *__restrict__ v, const T *__restrict__ g, float beta_m,
      float beta_v, float new_m, float new_v, float eps, float step, float root, float shrink, unsigned long long n) {
    const auto update = [&](auto width, unsigned long long at) {
        constexpr int WIDTH = width.value;
        using Stored = Vector<T, WIDTH>;
        using Moments = Vector<float, WIDTH>;
        auto ps = wide(((const Stored *)p)[at]), gs = wide(((const Stored *)g)[at]);
        auto ms = wide(((const Moments *)m)[at]), vs = wide(((const Moments *)v)[at]);
#pragma unroll
        for (int i = 0; i < WIDTH; ++i) {
            ms.at[i] = beta_m * ms.at[i] + new_m * gs.at[i];
            vs.at[i] = beta_v * vs.at[i] + new_v * gs.at[i] * gs.at[i];
            const float change = ms.at[i] / (sqrt(vs.at[i]) * root + eps);
            ps.at[i] -= step * change + shrink * ps.at[i];
        }
        ((Stored *)p_new)[at] = narrow<T>(ps);
        ((Moments *)m_new)[at] = narrow<float>(ms);
        ((Moments *)v_new)[at] = narrow<float>(vs);
    };
    // 16 bytes of moments.
    constexpr int widest = 4;
    const unsigned long long vectors = n / widest, at = blockIdx.x * (unsigned long long)THREADS + threadIdx.x;
    if (at < vectors) update(Constant<widest>{}, at);
    // What does not fill a vector, by the last block.
    const unsigned long long rest = vectors * widest + threadIdx.x;
    if (blockIdx.x == gridDim.x - 1 && rest < n) update(Constant<1>{}, rest);
}
