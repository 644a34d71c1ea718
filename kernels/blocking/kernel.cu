// Holds a stream back until the host opens it, so that everything queued behind it starts at a moment
// of the host's choosing and launch costs stay out of the time. (The idea is nvbench's blocking kernel.)

// In host memory: words[0] is the highest ticket that may pass, words[1] the last one that gave up,
// words[2] the last one that has come. One that nobody releases must not hang the device: it gives up
// after timeout_ns.
extern "C" __global__ void blocking(volatile unsigned int *words, unsigned int ticket,
                                unsigned long long timeout_ns) {
    unsigned long long begin, now;
    words[2] = ticket;
    __threadfence_system();
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(begin));
    // The difference, so that tickets may wrap around.
    while ((int)(words[0] - ticket) < 0) {
        asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
        if (now - begin > timeout_ns) {
            words[1] = ticket;
            __threadfence_system();
            return;
        }
    }
}
