// What the stand-in's driver and a kernel that runs on the CPU know of each other.
#ifndef ENTRY_H
#define ENTRY_H
#include <stdbool.h>
#include <stdint.h>

struct Launch {
    unsigned grid[3], block[3];
    uint64_t seed; // for the order of threads
};

// A kernel NAME is found under the name entry_NAME.
struct Entry {
    const unsigned *sizes; // bytes of each parameter, and 0
    bool (*run)(const struct Launch *launch, void *const *params); // false if its threads wait for ever
};
#endif
