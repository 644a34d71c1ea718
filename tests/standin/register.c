// Memory that NCCL gives, and buffers that its communicators know.
#include "communicator.h"

struct known {
    struct handle handle;
    struct known *next;
    char *base;
    size_t bytes;
    struct comm *comm;
    bool symmetric;
    atomic_long uses; // by calls
};
static struct known *all_known;

// A test leaves them out for an NCCL that is too old.
#ifndef WITHOUT_REGISTER
static struct given { struct given *next; void *base; } *all_given; // what ncclMemAlloc gave
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

EXPORT int ncclMemAlloc(void **at, size_t bytes) {
    TRY(injected(__func__, CUDA_ERROR));
    if (allocate(at, bytes, ON_DEVICE)) return failure(NULL, CUDA_ERROR, "Failed to CUDA malloc %zu bytes", bytes);
    struct given *given = claim(sizeof *given);
    pthread_mutex_lock(&lock);
    *given = (struct given){ all_given, *at };
    all_given = given;
    pthread_mutex_unlock(&lock);
    return 0;
}

// The real one frees it, and what still uses it reads what is no longer there.
EXPORT int ncclMemFree(void *at) {
    TRY(injected(__func__, CUDA_ERROR));
    for (struct known *k = all_known; k; k = k->next)
        if (is(k, REGISTERED) && k->base == at)
            return failure(NULL, INVALID_USAGE, "%zu bytes were freed while they are registered", k->bytes);
    struct given **link = &all_given;
    while (*link && (*link)->base != at) link = &(*link)->next;
    CHECK(*link, INVALID_ARGUMENT);
    *link = (*link)->next;
    return release_memory(at, ON_DEVICE) ? CUDA_ERROR : 0;
}

static bool was_given(const void *at) {
    struct given *given = all_given;
    while (given && given->base != at) given = given->next;
    return given;
}

static struct known *know(struct comm *c, void *at, size_t bytes, bool symmetric) {
    struct known *known = new_handle(REGISTERED, sizeof *known);
    known->base = at;
    known->bytes = bytes;
    known->comm = c;
    known->symmetric = symmetric;
    pthread_mutex_lock(&lock);
    known->next = all_known;
    all_known = known;
    pthread_mutex_unlock(&lock);
    return known;
}

static int forget(struct comm *c, struct known *known, bool symmetric) {
    CHECK(is(c, COMM) && is(known, REGISTERED), INVALID_ARGUMENT);
    CHECK(known->comm == c && known->symmetric == symmetric, INVALID_USAGE);
    if (settings.nccl_tells)
        fprintf(stderr, "stand-in: %s buffer of %zu bytes, used by %ld calls\n", symmetric ? "symmetric" : "local",
                known->bytes, (long)known->uses);
    if (!settings.nccl_keeps) kill_handle(known);
    return 0;
}

EXPORT int ncclCommRegister(struct comm *c, void *at, size_t bytes, void **handle) {
    TRY(injected(__func__, INTERNAL_ERROR));
    CHECK(is(c, COMM) && was_given(at) && valid(at, bytes, 1), INVALID_ARGUMENT);
    *handle = settings.nccl_registers ? know(c, at, bytes, false) : NULL;
    return 0;
}

EXPORT int ncclCommDeregister(struct comm *c, void *handle) {
    TRY(injected(__func__, INTERNAL_ERROR));
    return forget(c, handle, false);
}
#endif

#if !defined WITHOUT_REGISTER && !defined WITHOUT_WINDOWS
struct window { struct comm *comm; void *at; size_t bytes; void **handle; };

// All ranks register as much.
static int meet(struct window *window) {
    struct comm *c = window->comm;
    c->shared->ranks[c->rank].window = window->bytes;
    TRY(barrier(c));
    for (int i = 0; i < c->size; i++)
        if (c->shared->ranks[i].window != window->bytes)
            return failure(c, INVALID_USAGE, "rank %d registers a window of another size", i);
    TRY(barrier(c));
    *window->handle = settings.nccl_registers ? know(c, window->at, window->bytes, true) : NULL;
    return 0;
}

static void *register_window(void *argument) {
    struct window window = *(struct window *)argument;
    free(argument);
    window.comm->state = meet(&window);
    return NULL;
}

EXPORT int ncclCommWindowRegister(struct comm *c, void *at, size_t bytes, void **handle, int flags) {
    enum { COLL_SYMMETRIC = 1 };
    TRY(injected(__func__, INTERNAL_ERROR));
    CHECK(is(c, COMM) && was_given(at) && valid(at, bytes, 1) && flags == COLL_SYMMETRIC, INVALID_ARGUMENT);
    CHECK(c->state != IN_PROGRESS, INVALID_USAGE);
    TRY(c->state);
    *handle = NULL;
    c->state = IN_PROGRESS;
    struct window *window = claim(sizeof *window);
    *window = (struct window){ c, at, bytes, handle };
    pthread_t thread;
    if (pthread_create(&thread, NULL, register_window, window)) abort();
    pthread_detach(thread);
    return IN_PROGRESS;
}

EXPORT int ncclCommWindowDeregister(struct comm *c, void *handle) {
    TRY(injected(__func__, INTERNAL_ERROR));
    return forget(c, handle, true);
}
#endif

// The buffer that a span lies in, or NULL.
static struct known *find(const struct comm *c, const char *at, size_t bytes) {
    for (struct known *k = all_known; k; k = k->next)
        if (is(k, REGISTERED) && k->comm == c && at >= k->base && at + bytes <= k->base + k->bytes) return k;
    return NULL;
}

bool use_registered(const struct comm *c, const char *from, size_t from_bytes, const char *to, size_t to_bytes) {
    struct known *source = from_bytes ? find(c, from, from_bytes) : NULL;
    struct known *target = to_bytes ? find(c, to, to_bytes) : NULL;
    if (from_bytes && to_bytes && !source != !target) return false;
    if (source) source->uses++;
    if (target && target != source) target->uses++;
    return true;
}
