// NCCL's communicators.
#include "communicator.h"

struct unique_id { unsigned char bytes[128]; };
struct config { size_t size; unsigned magic, version; int blocking; }; // the first of its fields

static char last_error[sizeof ((struct comm *)0)->error]; // of what needs no communicator

int failure(struct comm *c, int code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(c ? c->error : last_error, sizeof last_error, format, arguments);
    va_end(arguments);
    return code;
}

// ---- Waiting for other ranks

static bool process_gone(int pid) {
    char path[32], state = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file) return errno == ENOENT;
    bool known = fscanf(file, "%*d (%*[^)]) %c", &state) == 1;
    fclose(file);
    return !known || state == 'Z' || state == 'X'; // dead, though nobody may have asked for its status yet
}

static bool peer_gone(struct comm *c) {
    for (int i = 0; i < c->size; i++) {
        int pid = c->shared->ranks[i].pid;
        if (pid && process_gone(pid)) return true;
    }
    return false;
}

int wait_until(struct comm *c, bool (*done)(void *), void *what) {
    for (uint64_t checked = now_ns();; usleep(20)) { // not a busy wait: the peer may need this CPU
        bool gone = c->shared->aborted;
        if (now_ns() - checked > 1000000) { // the real one knows within a millisecond, too
            gone |= peer_gone(c);
            checked = now_ns();
        }
        if (done(what)) return 0; // asked after `gone`: a peer may leave once it has done its part
        if (c->aborted) return INTERNAL_ERROR;
        if (gone) return failure(c, REMOTE_ERROR, "A peer of rank %d aborted or died", c->rank);
    }
}

struct change { atomic_uint *word; unsigned old; };

static bool has_changed(void *what) {
    struct change *change = what;
    return *change->word != change->old;
}

// Waits until the word is no longer `old`.
static int wait_change(struct comm *c, atomic_uint *word, unsigned old) {
    return wait_until(c, has_changed, &(struct change){ word, old });
}

int barrier(struct comm *c) {
    struct shared *shared = c->shared;
    unsigned turn = shared->turn;
    if (atomic_fetch_add(&shared->count, 1) + 1 < (unsigned)c->size) return wait_change(c, &shared->turn, turn);
    shared->count = 0;
    shared->turn = turn + 1;
    return 0;
}

// ---- Connecting

static int map_shared(struct comm *c) {
    size_t bytes = sizeof *c->shared;
    int file = open(c->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int code = file < 0 ? errno : posix_fallocate(file, 0, (off_t)bytes); // or a full disk were a SIGBUS
    void *at = code ? MAP_FAILED : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (!code && at == MAP_FAILED) code = errno;
    if (file >= 0) close(file);
    if (code) return failure(c, SYSTEM_ERROR, "%s: %s", c->path, strerror(code));
    c->shared = at;
    return 0;
}

int take_memory(struct comm *c, size_t bytes) {
    if (!reserve(bytes)) return failure(c, CUDA_ERROR, "Failed to CUDA calloc %zu bytes", bytes);
    c->bytes += bytes;
    return 0;
}

// As in the real NCCL a host has one rank on each device, and NCCL_HOSTID may feign several hosts.
static int find_duplicate(struct comm *c) {
    typeof(&c->shared->ranks[0]) ranks = c->shared->ranks, own = &ranks[c->rank];
    const char *several = getenv("NCCL_MULTI_RANK_GPU_ENABLE");
    if (settings.nccl_version >= 23000 && several && !strcmp(several, "1")) return 0;
    for (int i = 0; i < c->size; i++)
        if (i != c->rank && ranks[i].device == own->device && !strcmp(ranks[i].host, own->host))
            return failure(c, INVALID_USAGE, "Duplicate GPU detected : rank %d and rank %d both on CUDA device %x",
                           c->rank, i, (unsigned)(c->device + 1) << 12);
    return 0;
}

static int attach(struct comm *c) {
    TRY(map_shared(c));
    TRY(take_memory(c, settings.nccl_bytes));
    struct shared *shared = c->shared;
    const char *host = getenv("NCCL_HOSTID");
    snprintf(shared->ranks[c->rank].host, sizeof shared->ranks[0].host, "%s", host ? host : "");
    shared->ranks[c->rank].device = c->device;
    shared->ranks[c->rank].pid = getpid();
    if (atomic_fetch_add(&shared->attached, 1) + 1 == (unsigned)c->size) {
        unlink(c->path);
        shared->ready = 1;
    }
    TRY(wait_change(c, &shared->ready, 0));
    return find_duplicate(c);
}

static void *connect_ranks(void *argument) {
    struct comm *c = argument;
    int code = attach(c);
    if (code) unlink(c->path); // nobody can complete the group any more
    c->state = code; // the last touch: who sees it may close the communicator
    return NULL;
}

EXPORT int ncclGetVersion(int *version) {
    TRY(injected(__func__, INTERNAL_ERROR));
    *version = settings.nccl_version;
    return 0;
}

EXPORT int ncclGetUniqueId(struct unique_id *id) {
    TRY(injected(__func__, INTERNAL_ERROR));
    return getrandom(id, sizeof *id, 0) == sizeof *id ? 0 : SYSTEM_ERROR;
}

// Only for communicators that do not block, as the program's. A test leaves it out for an NCCL that is too old.
#ifdef WITHOUT_COMM_CONFIG
#define ncclCommInitRankConfig ncclCommInitRankOtherwise
#endif
EXPORT int ncclCommInitRankConfig(struct comm **comm, int size, struct unique_id id, int rank,
                                  const struct config *config) {
    TRY(injected(__func__, INTERNAL_ERROR));
    CHECK(size >= 1 && size <= MAX_RANKS && rank >= 0 && rank < size, INVALID_ARGUMENT);
    CHECK(config && config->magic == 0xcafebeef && config->blocking == 0, INVALID_ARGUMENT);
    CHECK(!sticky, CUDA_ERROR);
    struct comm *c = *comm = new_handle(COMM, sizeof *c);
    c->size = size;
    c->rank = rank;
    c->device = current_device();
    c->state = IN_PROGRESS;
    const char *folder = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
    int length = snprintf(c->path, sizeof c->path, "%s/standin-nccl-", folder);
    for (int i = 0; i < 16; i++) length += sprintf(c->path + length, "%02x", id.bytes[i]);
    pthread_t thread;
    if (pthread_create(&thread, NULL, connect_ranks, c)) abort();
    pthread_detach(thread);
    return IN_PROGRESS;
}

// A test leaves it out for an NCCL that is too old.
#ifndef WITHOUT_SPLIT
struct split { struct comm *parent, **made; };

// The ranks of one color, in the order of their keys and then of their numbers.
static int attach_part(struct comm *parent, struct comm *part) {
    TRY(barrier(parent));
    typeof(&parent->shared->ranks[0]) ranks = parent->shared->ranks, own = &ranks[parent->rank];
    for (int i = 0; i < parent->size; i++) {
        if (ranks[i].color != own->color) continue;
        part->size++;
        part->rank += ranks[i].key < own->key || (ranks[i].key == own->key && i < parent->rank);
    }
    int length = snprintf(part->path, sizeof part->path, "%s-%u-%d", parent->path, parent->splits, own->color);
    CHECK(length < (int)sizeof part->path, INTERNAL_ERROR);
    TRY(barrier(parent));
    int code = attach(part);
    return code ? failure(parent, code, "%s", part->error) : 0;
}

static void *split_ranks(void *argument) {
    struct split split = *(struct split *)argument;
    free(argument);
    struct comm *parent = split.parent, *part = new_handle(COMM, sizeof *part);
    part->device = parent->device;
    int code = attach_part(parent, part);
    if (!code) *split.made = part;
    parent->state = code;
    return NULL;
}

EXPORT int ncclCommSplit(struct comm *c, int color, int key, struct comm **made, const struct config *config) {
    TRY(injected(__func__, INTERNAL_ERROR));
    CHECK(is(c, COMM) && color >= 0, INVALID_ARGUMENT);
    CHECK(config && config->magic == 0xcafebeef && config->blocking == 0, INVALID_ARGUMENT);
    CHECK(c->state != IN_PROGRESS, INVALID_USAGE);
    TRY(c->state);
    c->splits++;
    c->shared->ranks[c->rank].color = color;
    c->shared->ranks[c->rank].key = key;
    *made = NULL;
    c->state = IN_PROGRESS;
    struct split *split = claim(sizeof *split);
    *split = (struct split){ c, made };
    pthread_t thread;
    if (pthread_create(&thread, NULL, split_ranks, split)) abort();
    pthread_detach(thread);
    return IN_PROGRESS;
}
#endif

EXPORT int ncclCommGetAsyncError(struct comm *c, int *result) {
    TRY(injected(__func__, INTERNAL_ERROR));
    CHECK(is(c, COMM), INVALID_ARGUMENT);
    *result = c->state;
    return 0;
}

static void release(struct comm *c, const char *how) {
    if (settings.nccl_tells) fprintf(stderr, "stand-in: a communicator was %s\n", how);
    kill_handle(c);
    if (c->shared) munmap(c->shared, sizeof *c->shared);
    unreserve(c->bytes);
}

// Ends what is in flight, here and at the peers, and waits for its stream to come to that.
EXPORT int ncclCommAbort(struct comm *c) {
    TRY(injected(__func__, INTERNAL_ERROR));
    CHECK(is(c, COMM), INVALID_ARGUMENT);
    c->aborted = true;
    while (c->state == IN_PROGRESS) usleep(20); // until then c->shared is the other thread's
    if (c->shared) c->shared->aborted = 1;
    uint64_t began = now_ns();
    if (c->stream) wait_for_stream(c->stream);
    // A blocking kernel that nobody opens holds a stream for two.
    release(c, now_ns() - began < 1000000000 ? "aborted" : "aborted behind a closed blocking kernel");
    return 0;
}

static bool all_have_finalized(void *what) {
    struct comm *c = what;
    return c->shared->finalized == (unsigned)c->size;
}

// Waits for what is in flight, and for the peers.
static void *finalize(void *argument) {
    struct comm *c = argument;
    if (c->stream) wait_for_stream(c->stream);
    if (!settings.nccl_absent) c->shared->finalized++;
    int code = wait_until(c, all_have_finalized, c);
    c->finalized = !code;
    c->state = code;
    return NULL;
}

EXPORT int ncclCommFinalize(struct comm *c) {
    TRY(injected(__func__, INTERNAL_ERROR));
    CHECK(is(c, COMM) && c->state != IN_PROGRESS && !c->finalized, INVALID_ARGUMENT);
    TRY(c->state);
    c->state = IN_PROGRESS;
    pthread_t thread;
    if (pthread_create(&thread, NULL, finalize, c)) abort();
    pthread_detach(thread);
    return IN_PROGRESS;
}

// Of what was not finalized it does that first, and waits.
EXPORT int ncclCommDestroy(struct comm *c) {
    TRY(injected(__func__, INTERNAL_ERROR));
    CHECK(is(c, COMM) && c->state != IN_PROGRESS, INVALID_ARGUMENT);
    if (!c->finalized && c->shared && !c->state) finalize(c);
    release(c, "destroyed");
    return 0;
}

EXPORT const char *ncclGetErrorString(int code) {
    static const char *const texts[] = { "no error", "unhandled cuda error", "unhandled system error",
        "internal error", "invalid argument", "invalid usage",
        "remote process exited or there was a network error", "NCCL operation in progress" };
    return code >= 0 && code <= IN_PROGRESS ? texts[code] : "unknown result code";
}

EXPORT const char *ncclGetLastError(struct comm *c) { return is(c, COMM) ? c->error : last_error; }
