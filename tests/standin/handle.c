// Handles: what they point to is never freed, so a stale one is known by its tag and is no crash.
#include "standin.h"

void *claim(size_t bytes) {
    void *memory = calloc(1, bytes + !bytes);
    if (!memory) abort(); // the machine is too small for the tests
    return memory;
}

void *new_handle(enum tag tag, size_t bytes) {
    struct handle *h = claim(bytes);
    h->tag = tag;
    return h;
}

bool is(const void *handle, enum tag tag) {
    return handle && ((const struct handle *)handle)->tag == tag;
}

void kill_handle(void *handle) {
    ((struct handle *)handle)->tag = DEAD;
}
