// What NCCL queues: collectives and messages, alone and in groups.
#include "communicator.h"

enum kind { ALL_REDUCE, REDUCE, REDUCE_SCATTER, ALL_GATHER, BROADCAST, SEND, RECEIVE };
struct call {
    enum kind kind;
    const char *from;
    char *to;
    size_t count;
    int type, operation, other; // the root or the peer
    char factor[8];             // of an operator that was created
    size_t done;                // bytes of a message that are on their way, or have come
    bool over;
};
struct group { struct comm *comm; long number; unsigned work; size_t calls; struct call call[]; };

// ---- Collectives, a piece at a time: all lay down what they have, and then take what they want

static void take(struct comm *c, const struct call *call, size_t block, size_t begin, size_t part) {
    size_t size = type_bytes[call->type];
    char *to = call->to + begin * size;
    if (call->kind == BROADCAST) memcpy(to, c->shared->slots[call->other], part * size);
    if (call->kind == ALL_GATHER)
        for (int rank = 0; rank < c->size; rank++)
            memcpy(to + (size_t)rank * call->count * size, c->shared->slots[rank], part * size);
    bool reduces = call->kind == ALL_REDUCE || (call->kind == REDUCE && c->rank == call->other) ||
                   (call->kind == REDUCE_SCATTER && c->rank == (int)block);
    if (reduces) reduce_slots(c, call->type, call->operation, call->factor, to, part);
}

static int run_collective(struct comm *c, const struct call *call) {
    size_t size = type_bytes[call->type], most = CHUNK / size;
    size_t blocks = call->kind == REDUCE_SCATTER ? (size_t)c->size : 1;
    bool gives = call->kind != BROADCAST || c->rank == call->other;
    for (size_t block = 0; block < blocks; block++) {
        for (size_t begin = 0; begin < call->count; begin += most) {
            size_t part = call->count - begin < most ? call->count - begin : most;
            const char *from = call->from + (block * call->count + begin) * size;
            if (gives) memcpy(c->shared->slots[c->rank], from, part * size);
            TRY(barrier(c));
            take(c, call, block, begin, part);
            TRY(barrier(c));
        }
    }
    return 0;
}

// ---- Messages of a group, all at once, but those between two ranks in their order

static int move_on(struct comm *c, struct call *call, bool *moved) {
    bool sends = call->kind == SEND;
    typeof(&c->shared->letters[0][0]) letter =
        sends ? &c->shared->letters[c->rank][call->other] : &c->shared->letters[call->other][c->rank];
    if (letter->full == sends) return 0;
    size_t bytes = call->count * type_bytes[call->type], part = bytes - call->done;
    if (part > LETTER) part = LETTER;
    if (sends) {
        letter->message = bytes;
        memcpy(letter->piece, call->from + call->done, part);
    } else {
        if (letter->message != bytes) // the real one hangs, or worse
            return failure(c, INVALID_USAGE, "%zu bytes were sent where %zu are received", letter->message, bytes);
        memcpy(call->to + call->done, letter->piece, part);
    }
    letter->full = sends;
    call->done += part;
    call->over = call->done == bytes;
    *moved = true;
    return 0;
}

// Whether an earlier message the same way is not over yet.
static bool waits_for_another(const struct group *group, const struct call *call) {
    for (const struct call *other = group->call; other < call; other++)
        if (!other->over && other->kind == call->kind && other->other == call->other) return true;
    return false;
}

struct messages { struct comm *comm; struct group *group; size_t left; int code; };

// Moves what can be moved; whether anything did.
static bool have_moved(void *what) {
    struct messages *messages = what;
    struct group *group = messages->group;
    bool moved = false;
    messages->left = 0;
    for (struct call *call = group->call; call < group->call + group->calls; call++) {
        if (call->kind < SEND || call->over) continue;
        if (!waits_for_another(group, call)) messages->code |= move_on(messages->comm, call, &moved);
        messages->left += !call->over;
    }
    return moved || messages->code || !messages->left;
}

static int run_messages(struct comm *c, struct group *group) {
    struct messages messages = { c, group, 1, 0 };
    while (messages.left && !messages.code) TRY(wait_until(c, have_moved, &messages));
    return messages.code;
}

// ---- Groups of calls, each one operation of the stream

struct spans { size_t from, to; }; // bytes

static struct spans spans_of(const struct comm *c, const struct call *call) {
    size_t bytes = call->count * type_bytes[call->type], all = bytes * (size_t)c->size;
    bool at_root = c->rank == call->other;
    bool reads = call->kind != RECEIVE && (call->kind != BROADCAST || at_root);
    bool writes = call->kind != SEND && (call->kind != REDUCE || at_root);
    size_t from = call->kind == REDUCE_SCATTER ? all : bytes, to = call->kind == ALL_GATHER ? all : bytes;
    return (struct spans){ reads ? from : 0, writes ? to : 0 };
}

static bool is_memory(const struct comm *c, const struct call *call) {
    struct spans spans = spans_of(c, call);
    return valid(call->from, spans.from, 1) && valid(call->to, spans.to, 1);
}

static int run_group(const void *argument) {
    struct group *group = (struct group *)argument; // the stream's own copy
    struct comm *c = group->comm;
    CHECK(is(c, COMM), CU_ILLEGAL_ADDRESS); // a graph has outlived it
    for (size_t i = 0; i < group->calls; i++) {
        if (is_memory(c, &group->call[i])) continue;
        c->state = CUDA_ERROR;
        return CU_ILLEGAL_ADDRESS;
    }
    if (group->number == settings.nccl_death) {
        c->shared->aborted = 1;
        sleep(1);
        kill(getpid(), SIGKILL);
    }
    if (group->number == settings.nccl_error) {
        c->state = failure(c, (int)settings.nccl_code, "STANDIN_NCCL_ERROR asked for this");
    }
    int code = c->state;
    for (size_t i = 0; i < group->calls && !code; i++)
        if (group->call[i].kind < SEND) code = run_collective(c, &group->call[i]);
    if (!code) code = run_messages(c, group);
    c->state = code;
    c->consumed += group->work;
    while (code && !c->aborted) usleep(20); // what fails is in flight until it is aborted
    return 0;
}

static _Thread_local struct { int depth; struct group *group; struct stream *stream; } open_group;

// What does not fit the arguments of a kernel goes into a queue, which is waited for. A graph keeps it by itself.
static int queue_work(struct comm *c, struct group *group) {
    enum { ARGUMENTS = 4 << 10, OF_A_CALL = 160 };
    unsigned work = (unsigned)group->calls * OF_A_CALL;
    if (work <= ARGUMENTS || is_capturing(open_group.stream)) return 0;
    while (c->produced - c->consumed + work > settings.nccl_fifo) {
        CHECK(!c->aborted, INTERNAL_ERROR);
        usleep(20);
    }
    c->produced += work;
    group->work = work;
    return 0;
}

static int submit_group(void) {
    struct group *group = open_group.group;
    open_group.group = NULL;
    if (!group) return 0;
    struct comm *c = group->comm;
    int code = c->groups ? 0 : take_memory(c, settings.nccl_late_bytes); // ranks connect when they first have to
    if (!code) code = queue_work(c, group);
    if (code) free(group);
    TRY(code);
    group->number = ++c->groups;
    submit(open_group.stream, run_group, group, sizeof *group + group->calls * sizeof *group->call);
    c->stream = open_group.stream;
    free(group);
    return 0;
}

EXPORT int ncclGroupStart(void) {
    TRY(injected(__func__, INTERNAL_ERROR));
    open_group.depth++;
    return 0;
}

EXPORT int ncclGroupEnd(void) {
    CHECK(open_group.depth, INVALID_USAGE);
    open_group.depth--;
    int code = injected(__func__, INTERNAL_ERROR);
    if (code) {
        free(open_group.group);
        open_group.group = NULL;
    }
    return code ? code : open_group.depth ? 0 : submit_group();
}

static bool overlap(const char *a, size_t a_bytes, const char *b, size_t b_bytes) {
    return a_bytes && b_bytes && a < b + b_bytes && b < a + a_bytes;
}

// Whether a collective writes where it still reads: in place it has to be as nccl.h says.
static bool spoils_itself(const struct comm *c, const struct call *call) {
    size_t own = call->count * type_bytes[call->type] * (size_t)c->rank;
    const char *from = call->from + (call->kind == REDUCE_SCATTER ? own : 0);
    const char *to = call->to + (call->kind == ALL_GATHER ? own : 0);
    struct spans spans = spans_of(c, call);
    return call->kind < SEND && from != to && overlap(call->from, spans.from, call->to, spans.to);
}

// Whether a message comes in where another still goes out.
static bool collides(const struct group *group, const struct call *call) {
    struct spans own = spans_of(group->comm, call);
    for (const struct call *other = group->call; other < group->call + group->calls; other++) {
        struct spans others = spans_of(group->comm, other);
        if (call->kind < SEND || other->kind < SEND) continue;
        if (overlap(call->to, own.to, other->from, others.from)) return true;
        if (overlap(call->from, own.from, other->to, others.to)) return true;
    }
    return false;
}

// Adds a call to the group that is open, or makes it one of its own.
static int queue(struct call call, struct comm *c, struct stream *s) {
    CHECK(is(c, COMM) && is(s, STREAM), INVALID_ARGUMENT);
    CHECK(call.type >= 0 && call.type < TYPES, INVALID_ARGUMENT);
    CHECK(call.other >= 0 && call.other < c->size, INVALID_ARGUMENT);
    TRY(find_operator(c, call.type, &call.operation, call.factor));
    CHECK(!sticky, CUDA_ERROR);
    CHECK(c->state != IN_PROGRESS, INVALID_USAGE);
    TRY(c->state);
    CHECK(!c->stream || c->stream == s, INVALID_USAGE); // on two streams groups would not keep their order
    struct group *group = open_group.group;
    CHECK(!group || (group->comm == c && open_group.stream == s), INVALID_USAGE);
    struct spans spans = spans_of(c, &call);
    CHECK(use_registered(c, call.from, spans.from, call.to, spans.to), INVALID_USAGE);
    CHECK(!spoils_itself(c, &call) && !(group && collides(group, &call)), INVALID_ARGUMENT);
    size_t calls = group ? group->calls : 0;
    group = realloc(group, sizeof *group + (calls + 1) * sizeof *group->call);
    if (!group) abort(); // the machine is too small for the tests
    group->comm = c;
    group->call[calls] = call;
    group->calls = calls + 1;
    group->work = 0;
    open_group.group = group;
    open_group.stream = s;
    return open_group.depth ? 0 : submit_group();
}

EXPORT int ncclAllReduce(const void *from, void *to, size_t count, int type, int operation, struct comm *c,
                         struct stream *s) {
    TRY(injected(__func__, INTERNAL_ERROR));
    struct call call = { .kind = ALL_REDUCE, .from = from, .to = to, .count = count,
                         .type = type, .operation = operation };
    return queue(call, c, s);
}

EXPORT int ncclReduce(const void *from, void *to, size_t count, int type, int operation, int root, struct comm *c,
                      struct stream *s) {
    TRY(injected(__func__, INTERNAL_ERROR));
    struct call call = { .kind = REDUCE, .from = from, .to = to, .count = count,
                         .type = type, .operation = operation, .other = root };
    return queue(call, c, s);
}

EXPORT int ncclReduceScatter(const void *from, void *to, size_t count, int type, int operation, struct comm *c,
                             struct stream *s) {
    TRY(injected(__func__, INTERNAL_ERROR));
    struct call call = { .kind = REDUCE_SCATTER, .from = from, .to = to, .count = count,
                         .type = type, .operation = operation };
    return queue(call, c, s);
}

EXPORT int ncclAllGather(const void *from, void *to, size_t count, int type, struct comm *c, struct stream *s) {
    TRY(injected(__func__, INTERNAL_ERROR));
    struct call call = { .kind = ALL_GATHER, .from = from, .to = to, .count = count, .type = type };
    return queue(call, c, s);
}

EXPORT int ncclBroadcast(const void *from, void *to, size_t count, int type, int root, struct comm *c,
                         struct stream *s) {
    TRY(injected(__func__, INTERNAL_ERROR));
    struct call call = { .kind = BROADCAST, .from = from, .to = to, .count = count, .type = type, .other = root };
    return queue(call, c, s);
}

EXPORT int ncclSend(const void *from, size_t count, int type, int peer, struct comm *c, struct stream *s) {
    TRY(injected(__func__, INTERNAL_ERROR));
    struct call call = { .kind = SEND, .from = from, .count = count, .type = type, .other = peer };
    return queue(call, c, s);
}

EXPORT int ncclRecv(void *to, size_t count, int type, int peer, struct comm *c, struct stream *s) {
    TRY(injected(__func__, INTERNAL_ERROR));
    struct call call = { .kind = RECEIVE, .to = to, .count = count, .type = type, .other = peer };
    return queue(call, c, s);
}
