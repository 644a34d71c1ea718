// What threads give each other under cuda_on_cpu.h is what they would on a GPU.
#include "cuda_on_cpu.h"

#undef NDEBUG
#include <assert.h>

thread_local int raw[64]; // as the stand-in defines it before a source

static void exchange(int *results, int *sums) {
    extern __shared__ int raw[];
    const int own = threadIdx.x, lane = own % warpSize, warp = own / warpSize;
    int *mine = results + 8 * own;
    if (own >= 40) return; // as far as a barrier goes, it is there
    // The second warp has 8 threads left.
    const unsigned all = warp ? 0xffu : ~0u;
    mine[0] = __shfl_xor_sync(all, own, 3);
    mine[1] = __shfl_up_sync(all, own, 2);
    mine[2] = __shfl_down_sync(all, own, 3, 8);
    mine[3] = __shfl_sync(all, own, 5, 8);
    mine[4] = __ballot_sync(all, lane % 3 == 0);
    mine[5] = __any_sync(all, own == 39) * 2 + __all_sync(all, own < 39);
    if (lane < 4) mine[6] = __shfl_xor_sync(0xf, own, 1); // the others go on
    raw[own] = own;
    __syncthreads();
    mine[7] = raw[39 - own];
    atomicAdd(&sums[0], own);
    atomicMax(&sums[1], own);
    atomicCAS(&sums[2], own, own + 1);
}

static void wait_for_ever(int *) {
    if (threadIdx.x % 2) __syncthreads();
    else __shfl_xor_sync(~0u, 0, 1);
}

template <auto kernel, typename... Pointer>
static bool launched(uint64_t seed, Pointer... pointers) {
    const Launch launch = { { 1, 1, 1 }, { 48, 1, 1 }, seed };
    void *params[] = { &pointers... };
    return cuda_on_cpu::Kernel<kernel>::run(&launch, params);
}

int main() {
    for (uint64_t seed = 0; seed < 100; ++seed) {
        int results[48 * 8] = {}, sums[3] = {};
        assert(launched<exchange>(seed, results, sums));
        for (int own = 0; own < 40; ++own) {
            const int *mine = results + 8 * own, lane = own % 32;
            assert(mine[0] == (own ^ 3));
            assert(mine[1] == (lane < 2 ? own : own - 2));
            assert(mine[2] == (own % 8 < 5 ? own + 3 : own));
            assert(mine[3] == own / 8 * 8 + 5);
            assert(mine[4] == (own < 32 ? 0x49249249 : 0x49));
            assert(mine[5] == (own < 32 ? 1 : 2));
            assert(mine[6] == (lane < 4 ? own ^ 1 : 0));
            assert(mine[7] == 39 - own);
        }
        assert(sums[0] == 39 * 40 / 2 && sums[1] == 39 && sums[2] >= 1);
        assert(!launched<wait_for_ever>(seed, results));
    }
}
