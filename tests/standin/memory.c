// Memory of the device, pinned memory of the host, and copies between device and host.
#include "standin.h"

static struct block { struct block *next; char *base; size_t bytes; bool on_device; } *blocks;
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

int allocate(void **at, size_t bytes, bool on_device) {
    CHECK(bytes, CU_INVALID_VALUE);
    CHECK(!on_device || reserve(bytes), CU_OUT_OF_MEMORY);
    if (posix_memalign(at, 4096, bytes)) abort(); // the machine is too small for the tests
    memset(*at, 0xff, bytes); // NaN in every float type: a missing initialisation shows
    struct block *b = claim(sizeof *b);
    *b = (struct block){ NULL, *at, bytes, on_device };
    pthread_mutex_lock(&lock);
    b->next = blocks;
    blocks = b;
    pthread_mutex_unlock(&lock);
    return 0;
}

int release_memory(void *at, bool on_device) {
    wait_for_all(); // as the real driver does
    pthread_mutex_lock(&lock);
    struct block *b, **link = &blocks;
    while ((b = *link) && (b->base != at || b->on_device != on_device)) link = &b->next;
    if (b) *link = b->next;
    if (b && on_device) used -= b->bytes;
    pthread_mutex_unlock(&lock);
    CHECK(b, CU_INVALID_VALUE);
    free(b->base);
    free(b);
    return sticky;
}

EXPORT int cuMemAlloc_v2(void **at, size_t bytes) {
    TRY(context_call(__func__));
    TRY(uncaptured());
    return allocate(at, bytes, true);
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
    return allocate(at, bytes, false);
}

EXPORT int cuMemFree_v2(void *at) {
    TRY(context_call(__func__));
    TRY(uncaptured());
    return release_memory(at, true);
}

EXPORT int cuMemFreeHost(void *at) {
    TRY(context_call(__func__));
    TRY(uncaptured());
    return release_memory(at, false);
}

// ---- Copies. All host memory is taken for pageable, since the program pins no more than two words.

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
