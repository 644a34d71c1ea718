// Memory of the device, pinned memory of the host, and copies.
#include "standin.h"

static struct block { struct block *next; char *base; size_t bytes; enum memory kind; } *blocks;
static size_t used; // of settings.memory
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// ---- Allocations

// Pinned memory counts too: host and device have one space of addresses.
bool valid(const void *at, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) return false;
    bool found = bytes == 0;
    pthread_mutex_lock(&lock);
    for (struct block *b = blocks; b && !found; b = b->next) {
        uintptr_t offset = (uintptr_t)at - (uintptr_t)b->base; // huge when below the base
        found = bytes <= b->bytes && offset <= b->bytes - bytes;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

bool reserve(size_t bytes) {
    pthread_mutex_lock(&lock);
    bool fits = bytes <= settings.memory - used;
    if (fits) used += bytes;
    pthread_mutex_unlock(&lock);
    return fits;
}

void unreserve(size_t bytes) {
    pthread_mutex_lock(&lock);
    used -= bytes;
    pthread_mutex_unlock(&lock);
}

static void know(void *at, size_t bytes, enum memory kind) {
    struct block *b = claim(sizeof *b);
    pthread_mutex_lock(&lock);
    *b = (struct block){ blocks, at, bytes, kind };
    blocks = b;
    pthread_mutex_unlock(&lock);
}

int allocate(void **at, size_t bytes, enum memory kind) {
    CHECK(bytes, CU_INVALID_VALUE);
    CHECK(kind != ON_DEVICE || reserve(bytes), CU_OUT_OF_MEMORY);
    if (posix_memalign(at, 4096, bytes)) abort(); // the machine is too small for the tests
    memset(*at, 0xff, bytes); // NaN in every float type: a missing initialisation shows
    know(*at, bytes, kind);
    return 0;
}

int release_memory(void *at, enum memory kind) {
    wait_for_all(); // as the real driver does
    pthread_mutex_lock(&lock);
    struct block *b, **link = &blocks;
    while ((b = *link) && (b->base != at || b->kind != kind)) link = &b->next;
    if (b) *link = b->next;
    if (b && kind == ON_DEVICE) used -= b->bytes;
    pthread_mutex_unlock(&lock);
    CHECK(b, CU_INVALID_VALUE);
    if (kind != LENT) free(b->base);
    free(b);
    return sticky;
}

EXPORT int cuMemAlloc_v2(void **at, size_t bytes) {
    TRY(context_call(__func__));
    TRY(uncaptured());
    return allocate(at, bytes, ON_DEVICE);
}

EXPORT int cuMemGetInfo_v2(size_t *left, size_t *all) {
    TRY(context_call(__func__));
    pthread_mutex_lock(&lock);
    *left = settings.memory - used;
    pthread_mutex_unlock(&lock);
    *all = settings.memory;
    return 0;
}

EXPORT int cuMemHostAlloc(void **at, size_t bytes, unsigned flags) {
    TRY(context_call(__func__));
    TRY(uncaptured());
    return allocate(at, bytes, PINNED);
}

EXPORT int cuMemFree_v2(void *at) {
    TRY(context_call(__func__));
    TRY(uncaptured());
    return release_memory(at, ON_DEVICE);
}

EXPORT int cuMemFreeHost(void *at) {
    TRY(context_call(__func__));
    TRY(uncaptured());
    return release_memory(at, PINNED);
}

EXPORT int cuMemHostRegister_v2(void *at, size_t bytes, unsigned flags) {
    enum { PORTABLE = 1, DEVICEMAP = 2 };
    TRY(context_call(__func__));
    CHECK(at && bytes && flags == (PORTABLE | DEVICEMAP), CU_INVALID_VALUE);
    know(at, bytes, LENT);
    return 0;
}

EXPORT int cuMemHostUnregister(void *at) { TRY(context_call(__func__)); return release_memory(at, LENT); }

EXPORT int cuMemHostGetDevicePointer_v2(void **pointer, void *at, unsigned flags) {
    TRY(context_call(__func__));
    CHECK(valid(at, 1, 1) && !flags, CU_INVALID_VALUE);
    *pointer = at;
    return 0;
}

// ---- Copies. These two take all host memory for pageable.

struct fill { void *to; size_t bytes; int value; };
struct upload { void *to; size_t bytes; char from[]; };
struct download { void *to; const void *from; size_t bytes; };

static int run_fill(const void *argument) {
    const struct fill *fill = argument;
    CHECK(valid(fill->to, fill->bytes, 1), CU_ILLEGAL_ADDRESS);
    memset(fill->to, fill->value, fill->bytes);
    return 0;
}

static int run_upload(const void *argument) {
    const struct upload *upload = argument;
    CHECK(valid(upload->to, upload->bytes, 1), CU_ILLEGAL_ADDRESS);
    memcpy(upload->to, upload->from, upload->bytes);
    return 0;
}

static int run_download(const void *argument) {
    const struct download *download = argument;
    CHECK(valid(download->from, download->bytes, 1), CU_ILLEGAL_ADDRESS);
    memcpy(download->to, download->from, download->bytes);
    return 0;
}

EXPORT int cuMemsetD8Async(void *to, unsigned char value, size_t bytes, struct stream *s) {
    TRY(context_call(__func__));
    CHECK(is(s, STREAM), CU_INVALID_HANDLE);
    submit(s, run_fill, &(struct fill){ to, bytes, value }, sizeof(struct fill));
    return 0;
}

// The host's memory is the caller's again when this returns, and the device has not got it yet.
EXPORT int cuMemcpyHtoDAsync_v2(void *to, const void *from, size_t bytes, struct stream *s) {
    TRY(context_call(__func__));
    TRY(uncaptured());
    CHECK(is(s, STREAM), CU_INVALID_HANDLE);
    struct upload *upload = claim(sizeof *upload + bytes);
    upload->to = to;
    upload->bytes = bytes;
    memcpy(upload->from, from, bytes);
    submit(s, run_upload, upload, sizeof *upload + bytes);
    free(upload);
    return 0;
}

// The host's memory has it when this returns.
EXPORT int cuMemcpyDtoHAsync_v2(void *to, const void *from, size_t bytes, struct stream *s) {
    TRY(context_call(__func__));
    TRY(uncaptured());
    CHECK(is(s, STREAM), CU_INVALID_HANDLE);
    wait_for(s, submit(s, run_download, &(struct download){ to, from, bytes }, sizeof(struct download)));
    return sticky;
}

// Memory that is neither the device's nor pinned is pageable: the driver stages it, and returns when that is done. Behind a
// kernel that waits for the host it would never be.
struct copy { void *to; const void *from; size_t bytes; };

static int run_copy(const void *argument) {
    const struct copy *copy = argument;
    const void *ends[] = { copy->to, copy->from };
    for (int i = 0; i < 2; i++) CHECK(!valid(ends[i], 1, 1) || valid(ends[i], copy->bytes, 1), CU_ILLEGAL_ADDRESS);
    memcpy(copy->to, copy->from, copy->bytes - (settings.dropped < copy->bytes ? settings.dropped : copy->bytes));
    return 0;
}

EXPORT int cuMemcpyAsync(void *to, const void *from, size_t bytes, struct stream *s) {
    TRY(context_call(__func__));
    CHECK(is(s, STREAM), CU_INVALID_HANDLE);
    uint64_t number = submit(s, run_copy, &(struct copy){ to, from, bytes }, sizeof(struct copy));
    if (valid(to, 1, 1) && valid(from, 1, 1)) return 0;
    wait_for(s, number);
    return sticky;
}
