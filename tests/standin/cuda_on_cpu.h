// CUDA C++ as an ordinary C++ program: a kernel.cu that is compiled with this in front of it runs on the CPU.
//
// A CUDA thread is a fibre. It runs until it waits for others (at a barrier, in a shuffle or a vote) or ends, so that
// threads may diverge. Where a barrier is missing one warp runs as far ahead of the others as it can; which, is drawn
// anew from barrier to barrier, and so is the order in a warp. Blocks run one after the other. Memory is this process's,
// and shared memory starts with what the last block left in it.
#ifndef CUDA_ON_CPU_H
#define CUDA_ON_CPU_H
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <ucontext.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

#include "entry.h"

// ---- The words of the language. A block runs in one thread of this process, so that its memory is that thread's.

#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __shared__ thread_local
#define __forceinline__ inline
#define __align__(bytes) alignas(bytes)
#define __launch_bounds__(...)

struct dim3 { unsigned x, y, z; };

#define VECTORS(type, name) \
    struct alignas(2 * sizeof(type)) name##2 { type x, y; }; \
    struct alignas(4 * sizeof(type) < 16 ? 4 * sizeof(type) : 16) name##4 { type x, y, z, w; }; \
    inline name##2 make_##name##2(type x, type y) { return { x, y }; } \
    inline name##4 make_##name##4(type x, type y, type z, type w) { return { x, y, z, w }; }
VECTORS(float, float)
VECTORS(double, double)
VECTORS(int, int)
VECTORS(unsigned, uint)
#undef VECTORS

template <typename T>
T min(T a, T b) { return b < a ? b : a; }
template <typename T>
T max(T a, T b) { return a < b ? b : a; }

namespace cuda_on_cpu {

// ---- Fibres

struct Fibre {
    jmp_buf place;
    Fibre *next; // of those that run no thread
    const void *bottom;
    size_t bytes;
};

enum State { READY, AT_BARRIER, IN_EXCHANGE, ENDED };

enum { WARP = 32, MOST_THREADS = 1024 };

struct alignas(16) Chunk { unsigned words[4]; };

// A copy that a thread has not waited for, in one of its groups.
struct Copy {
    Copy *next;
    Chunk *to;
    const Chunk *from;
    unsigned group;
};

struct Thread {
    dim3 index;
    State state;
    Fibre *fibre;
    Copy *copies;
    unsigned groups;
    // An exchange between the threads of a warp in `mask`: each gives a word, and gets that of the lane `from`, and who
    // gave another than 0.
    unsigned mask, from, votes;
    uint64_t given, got;
    const void *shown; // to the other lanes
};

struct Block {
    dim3 index, size, grid;
    Thread threads[MOST_THREADS], *current;
    unsigned count;
    void (*call)(void *const *);
    void *const *params;
    Fibre scheduler, *idle;
    uint64_t seed;
};

static thread_local Block block;

inline uint64_t draw(uint64_t &seed) {
    seed += 0x9e3779b97f4a7c15;
    uint64_t mixed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9;
    return mixed ^ mixed >> 29;
}

// ---- Copies that a thread does not wait for: each happens at once or as late as it may; which, is drawn.

// Ends those of all groups but the last ones.
inline void wait_for_copies(unsigned groups) {
    Thread &own = *block.current;
    for (Copy **at = &own.copies; *at;) {
        Copy *copy = *at;
        if (copy->group + groups < own.groups) {
            *copy->to = *copy->from;
            *at = copy->next;
            delete copy;
        } else {
            at = &copy->next;
        }
    }
}

inline void group_copies() { ++block.current->groups; }

// Of zeros, where there is nothing.
inline void copy_later(void *to, const void *from) {
    static const Chunk zeros = {};
    Thread &own = *block.current;
    Copy copy = { own.copies, (Chunk *)to, from ? (const Chunk *)from : &zeros, own.groups };
    if (draw(block.seed) % 2) *copy.to = *copy.from;
    else own.copies = new Copy(copy);
}

inline void go(Fibre &from, Fibre &to) {
#ifdef __SANITIZE_ADDRESS__
    void *fake;
    __sanitizer_start_switch_fiber(&fake, to.bottom, to.bytes);
#endif
    if (!_setjmp(from.place)) _longjmp(to.place, 1);
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
}

// What a fibre does for ever: one thread after the other.
inline void live() {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(nullptr, &block.scheduler.bottom, &block.scheduler.bytes);
#endif
    for (;;) {
        block.call(block.params);
        group_copies();
        wait_for_copies(0);
        Thread &own = *block.current;
        own.state = ENDED;
        own.fibre->next = block.idle;
        block.idle = own.fibre;
        go(*own.fibre, block.scheduler);
    }
}

inline void start(Fibre *fibre) {
    ucontext_t context;
    getcontext(&context);
    void *stack = malloc(fibre->bytes = 256 << 10);
    if (!stack) abort();
    fibre->bottom = context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = fibre->bytes;
    makecontext(&context, live, 0);
#ifdef __SANITIZE_ADDRESS__
    void *fake;
    __sanitizer_start_switch_fiber(&fake, fibre->bottom, fibre->bytes);
#endif
    if (!_setjmp(block.scheduler.place)) setcontext(&context);
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
}

inline void resume(Thread &thread) {
    block.current = &thread;
    if (thread.fibre) return go(block.scheduler, *thread.fibre);
    if ((thread.fibre = block.idle)) {
        block.idle = thread.fibre->next;
        return go(block.scheduler, *thread.fibre);
    }
    start(thread.fibre = new Fibre);
}

inline void wait_in(State state) {
    Thread &own = *block.current;
    own.state = state;
    go(*own.fibre, block.scheduler);
}

// ---- Waiting for others

// Answers exchanges whose lanes are all there. One that has ended gives nothing that is of use. Whether there were any.
inline bool settle_exchanges(Thread *lanes, unsigned count) {
    unsigned present = 0, votes = 0, ready = 0;
    for (unsigned lane = 0; lane < count; ++lane) {
        present |= unsigned(lanes[lane].state == IN_EXCHANGE) << lane;
        votes |= unsigned(lanes[lane].given != 0) << lane;
    }
    for (unsigned lane = 0; lane < count; ++lane) {
        if (!(present >> lane & 1)) continue;
        Thread &own = lanes[lane];
        bool whole = true;
        for (unsigned other = 0; other < count && whole && !(ready >> lane & 1); ++other) {
            const Thread &its = lanes[other];
            whole = !(own.mask >> other & 1) || its.state == ENDED || (present >> other & 1 && its.mask == own.mask);
        }
        if (!whole) continue;
        ready |= own.mask & present;
        own.got = own.mask & present & 1u << own.from ? lanes[own.from].given : ~0ull;
        own.votes = votes & own.mask & present;
    }
    for (unsigned lane = 0; lane < count; ++lane) {
        if (ready >> lane & 1) lanes[lane].state = READY;
    }
    return ready;
}

// Runs a warp until all its threads wait for other warps or have ended.
inline void run_warp(unsigned warp) {
    Thread *lanes = block.threads + warp * WARP;
    const unsigned count = min(block.count - warp * WARP, unsigned(WARP));
    do {
        const uint64_t drawn = draw(block.seed);
        for (unsigned i = 0; i < WARP; ++i) {
            const unsigned lane = (drawn + i * (drawn >> 32 | 1)) % WARP;
            if (lane < count && lanes[lane].state == READY) resume(lanes[lane]);
        }
    } while (settle_exchanges(lanes, count));
}

// Whether it ended; otherwise threads wait for others that do not come.
inline bool run_block() {
    const unsigned warps = (block.count + WARP - 1) / WARP;
    for (unsigned i = 0; i < block.count; ++i) {
        const unsigned x = i % block.size.x, y = i / block.size.x % block.size.y;
        block.threads[i] = Thread{};
        block.threads[i].index = { x, y, i / block.size.x / block.size.y };
    }
    for (;;) {
        // From one barrier to the next one warp goes the whole way before another begins.
        unsigned order[MOST_THREADS / WARP], alive = 0, waiting = 0;
        for (unsigned i = 0; i < warps; ++i) {
            const unsigned other = draw(block.seed) % (i + 1);
            order[i] = order[other];
            order[other] = i;
        }
        for (unsigned i = 0; i < warps; ++i) run_warp(order[i]);
        for (unsigned i = 0; i < block.count; ++i) {
            alive += block.threads[i].state != ENDED;
            waiting += block.threads[i].state == AT_BARRIER;
        }
        if (!alive || waiting < alive) return !alive;
        for (unsigned i = 0; i < block.count; ++i) {
            if (block.threads[i].state == AT_BARRIER) block.threads[i].state = READY;
        }
    }
}

inline bool run(const Launch &launch, void (*call)(void *const *), void *const *params) {
    block.grid = { launch.grid[0], launch.grid[1], launch.grid[2] };
    block.size = { launch.block[0], launch.block[1], launch.block[2] };
    block.count = block.size.x * block.size.y * block.size.z;
    block.call = call;
    block.params = params;
    block.seed = launch.seed;
    for (unsigned z = 0; z < block.grid.z; ++z) {
        for (unsigned y = 0; y < block.grid.y; ++y) {
            for (unsigned x = 0; x < block.grid.x; ++x) {
                block.index = { x, y, z };
                if (!run_block()) return false;
            }
        }
    }
    return true;
}

// ---- A kernel for the driver

template <auto kernel>
struct Kernel;

template <typename... Parameter, void (*kernel)(Parameter...)>
struct Kernel<kernel> {
    static constexpr unsigned sizes[] = { sizeof(Parameter)..., 0 };

    static void call(void *const *params) {
        unsigned at = 0;
        struct Call { Call(Parameter... parameters) { kernel(parameters...); } };
        Call{ *(Parameter *)params[at++]... }; // in braces they are read from left to right
    }

    static bool run(const Launch *launch, void *const *params) { return cuda_on_cpu::run(*launch, call, params); }
};

// ---- Between the threads of a warp

inline unsigned lane() { return (block.current - block.threads) % WARP; }

inline const Thread &exchange(unsigned mask, uint64_t word, unsigned from) {
    Thread &own = *block.current;
    own.mask = mask;
    own.given = word;
    own.from = from;
    wait_in(IN_EXCHANGE);
    return own;
}

// What every lane has.
template <typename T, int COUNT>
void exchange_all(const T (&own)[COUNT], T (&all)[WARP][COUNT]) {
    block.current->shown = own;
    exchange(~0u, 0, lane());
    const Thread *lanes = block.current - lane();
    for (unsigned i = 0; i < WARP; ++i) memcpy(all[i], lanes[i].shown, sizeof own);
    exchange(~0u, 0, lane()); // they go on
}

// The value of the lane `from` of this thread's part of the warp, or its own where there is none.
template <typename T>
T shuffle(unsigned mask, T value, long from, long first, long end) {
    static_assert(sizeof(T) <= sizeof(uint64_t), "no such shuffle");
    uint64_t word = 0;
    memcpy(&word, &value, sizeof(T));
    word = exchange(mask, word, from >= first && from < end ? from : lane()).got;
    memcpy(&value, &word, sizeof(T));
    return value;
}

} // namespace cuda_on_cpu

// A kernel, such as gelu<float>, under this symbol.
#define ENTRY(symbol, ...) \
    extern "C" __attribute__((visibility("default"))) struct Entry entry_##symbol; \
    struct Entry entry_##symbol = { cuda_on_cpu::Kernel<(__VA_ARGS__)>::sizes, cuda_on_cpu::Kernel<(__VA_ARGS__)>::run };

// ---- The words that every kernel knows

#define threadIdx (cuda_on_cpu::block.current->index)
#define blockIdx (cuda_on_cpu::block.index)
#define blockDim (cuda_on_cpu::block.size)
#define gridDim (cuda_on_cpu::block.grid)
static const int warpSize = cuda_on_cpu::WARP;

inline void __syncthreads() { cuda_on_cpu::wait_in(cuda_on_cpu::AT_BARRIER); }
inline void __syncwarp(unsigned mask = ~0u) { cuda_on_cpu::exchange(mask, 0, cuda_on_cpu::lane()); }
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

inline unsigned __ballot_sync(unsigned mask, int vote) {
    return cuda_on_cpu::exchange(mask, vote != 0, cuda_on_cpu::lane()).votes;
}
inline int __any_sync(unsigned mask, int vote) { return __ballot_sync(mask, vote) != 0; }
inline int __all_sync(unsigned mask, int vote) { return __ballot_sync(mask, !vote) == 0; }

#define SHUFFLE(name, from) \
    template <typename T> \
    T name(unsigned mask, T value, unsigned by, int width = 32) { \
        const long own = cuda_on_cpu::lane(), first = own / width * width; \
        return cuda_on_cpu::shuffle(mask, value, from, first, first + width); \
    }
SHUFFLE(__shfl_sync, first + by % width)
SHUFFLE(__shfl_up_sync, own - long(by))
SHUFFLE(__shfl_down_sync, own + long(by))
SHUFFLE(__shfl_xor_sync, own ^ long(by))
#undef SHUFFLE

// No two threads of a launch run at a time.
template <typename T>
T atomicAdd(T *at, T value) { const T was = *at; *at = was + value; return was; }
template <typename T>
T atomicMax(T *at, T value) { const T was = *at; *at = was > value ? was : value; return was; }
template <typename T>
T atomicCAS(T *at, T known, T value) { const T was = *at; if (was == known) *at = value; return was; }

template <typename T>
T __ldg(const T *at) { return *at; }

template <typename To, typename From>
To same_bits(From from) { To to; memcpy(&to, &from, sizeof to); return to; }
inline float __int_as_float(int bits) { return same_bits<float>(bits); }
inline int __float_as_int(float value) { return same_bits<int>(value); }
inline float __uint_as_float(unsigned bits) { return same_bits<float>(bits); }
inline unsigned __float_as_uint(float value) { return same_bits<unsigned>(value); }

inline float rsqrtf(float x) { return 1 / sqrtf(x); }
inline double rsqrt(double x) { return 1 / sqrt(x); }
inline float __expf(float x) { return expf(x); }

// Nanoseconds. Who asks for the time waits for something. STANDIN_TIMER_AHEAD=S sets it S times the process's number of
// seconds ahead, so that each has another clock.
inline unsigned long long global_timer() {
    static const char *planted = getenv("STANDIN_TIMER_AHEAD");
    static const unsigned long long ahead = planted ? strtoull(planted, nullptr, 10) * getpid() : 0;
    timespec now;
    sched_yield();
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec + ahead) * 1000000000ull + now.tv_nsec;
}
#endif
