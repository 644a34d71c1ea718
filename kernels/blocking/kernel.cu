// Holds a stream back until the host opens it, so that everything queued behind it starts at a moment
// of the host's choosing and launch costs stay out of the time. (The idea is nvbench's blocking kernel.)

// The device's clock. Where no GPU compiles this, another function of this name is at hand.
#ifdef __CUDA_ARCH__
__device__ unsigned long long global_timer() {
    unsigned long long now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    return now;
}
#endif

// In host memory: words[0] is the highest ticket that may pass, words[1] the last one that gave up,
// words[2] the last one that has come; stamps[0] is when that came, stamps[1] when it passed. One that nobody
// releases must not hang the device: it gives up after timeout_ns.
extern "C" __global__ void blocking(volatile unsigned int *words, volatile unsigned long long *stamps,
                                    unsigned int ticket, unsigned long long timeout_ns) {
    const unsigned long long begin = global_timer();
    stamps[0] = begin;
    __threadfence_system();
    words[2] = ticket;
    __threadfence_system();
    // The difference, so that tickets may wrap around.
    while ((int)(words[0] - ticket) < 0) {
        if (global_timer() - begin > timeout_ns) {
            words[1] = ticket;
            __threadfence_system();
            return;
        }
    }
    stamps[1] = global_timer();
}

// The smallest step between two readings of the device's clock: stamps[0].
extern "C" __global__ void clock_step(volatile unsigned long long *stamps) {
    unsigned long long smallest = ~0ull, last = global_timer();
    for (int steps = 0; steps < 16;) {
        const unsigned long long now = global_timer();
        if (now == last) continue;
        smallest = now - last < smallest ? now - last : smallest;
        last = now;
        steps++;
    }
    stamps[0] = smallest;
}
