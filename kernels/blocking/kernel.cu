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
// words[2] the last one that has come. One that nobody releases must not hang the device: it gives up
// after timeout_ns.
extern "C" __global__ void blocking(volatile unsigned int *words, unsigned int ticket,
                                unsigned long long timeout_ns) {
    words[2] = ticket;
    __threadfence_system();
    const unsigned long long begin = global_timer();
    // The difference, so that tickets may wrap around.
    while ((int)(words[0] - ticket) < 0) {
        if (global_timer() - begin > timeout_ns) {
            words[1] = ticket;
            __threadfence_system();
            return;
        }
    }
}
