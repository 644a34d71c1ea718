// Follows a chain through device memory: each place holds the index of the next.

extern "C" __global__ void pointer_chase(unsigned *last, const unsigned *chain, unsigned long long steps) {
    unsigned place = 0;
    for (unsigned long long step = 0; step < steps; ++step) place = chain[place];
    *last = place;
}
