// Streams, each with a thread that runs its operations in order, and events.
#include "standin.h"

struct operation {
    struct operation *next;
    run_function *run;
    _Alignas(max_align_t) char argument[];
};

// Operations that were captured: nodes, each of them an operation that is never taken from its list.
struct graph {
    struct handle handle;
    struct node { struct node *next; size_t bytes; struct operation *operation; } *first, **last;
    bool invalid;
};
struct exec { struct handle handle; struct graph *graph; };

struct stream {
    struct handle handle;
    struct stream *next;
    struct graph *capture; // what takes its operations instead
    struct operation *first, **last;
    uint64_t submitted, done; // operations run in order, so two counters tell the state of each
    bool closing;
};

struct event {
    struct handle handle;
    unsigned flags;
    struct stream *stream; // where it was recorded last, and as which operation
    uint64_t operation;
    uint64_t ns;
};

atomic_int sticky;
static struct stream *streams; // the destroyed ones too
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // for all streams, as speed does not matter
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// ---- Graphs. A capture in the mode THREAD_LOCAL forbids the thread that began it what might wait for the stream.

EXPORT int cuMemAlloc_v2(void **at, size_t bytes);
static _Thread_local struct stream *capturing;

int uncaptured(void) {
    if (!capturing) return 0;
    capturing->capture->invalid = true;
    return CU_CAPTURE_UNSUPPORTED;
}

bool is_capturing(struct stream *s) {
    return s->capture;
}

static void capture(struct graph *graph, struct operation *added, size_t bytes) {
    static long captured;
    void *memory;
    if (++captured == settings.capture && cuMemAlloc_v2(&memory, 1) != CU_CAPTURE_UNSUPPORTED) abort();
    struct node *node = claim(sizeof *node);
    *node = (struct node){ NULL, bytes, added };
    *graph->last = node;
    graph->last = &node->next;
}

EXPORT int cuStreamBeginCapture_v2(struct stream *s, unsigned mode) {
    enum { THREAD_LOCAL = 1 };
    TRY(context_call(__func__));
    CHECK(is(s, STREAM), CU_INVALID_HANDLE);
    CHECK(mode == THREAD_LOCAL && !capturing && !s->capture, CU_INVALID_VALUE);
    s->capture = new_handle(GRAPH, sizeof *s->capture);
    s->capture->last = &s->capture->first;
    capturing = s;
    return 0;
}

// It ends whatever the answer is.
EXPORT int cuStreamEndCapture(struct stream *s, struct graph **graph) {
    CHECK(is(s, STREAM) && capturing == s, CU_INVALID_VALUE);
    struct graph *captured = s->capture;
    s->capture = NULL;
    capturing = NULL;
    *graph = NULL;
    TRY(context_call(__func__));
    CHECK(!captured->invalid, CU_CAPTURE_INVALIDATED);
    *graph = captured;
    return 0;
}

EXPORT int cuGraphInstantiateWithFlags(struct exec **exec, struct graph *graph, unsigned long long flags) {
    TRY(context_call(__func__));
    CHECK(is(graph, GRAPH), CU_INVALID_HANDLE);
    CHECK(!flags, CU_INVALID_VALUE);
    *exec = new_handle(GRAPH_EXEC, sizeof **exec);
    (*exec)->graph = graph;
    return 0;
}

// Each operation works on a copy of its argument, which it may change.
static int run_graph(const void *argument) {
    const struct exec *const *exec = argument;
    int code = 0;
    for (struct node *node = (*exec)->graph->first; node && !code; node = node->next) {
        void *copy = claim(node->bytes);
        memcpy(copy, node->operation->argument, node->bytes);
        code = node->operation->run(copy);
        free(copy);
    }
    return code;
}

EXPORT int cuGraphLaunch(struct exec *exec, struct stream *s) {
    TRY(context_call(__func__));
    CHECK(is(exec, GRAPH_EXEC) && is(s, STREAM), CU_INVALID_HANDLE);
    submit(s, run_graph, &exec, sizeof exec);
    return 0;
}

EXPORT int cuGraphExecDestroy(struct exec *exec) {
    TRY(context_call(__func__));
    CHECK(is(exec, GRAPH_EXEC), CU_INVALID_HANDLE);
    kill_handle(exec);
    return 0;
}

EXPORT int cuGraphDestroy(struct graph *graph) {
    TRY(context_call(__func__));
    CHECK(is(graph, GRAPH), CU_INVALID_HANDLE);
    kill_handle(graph);
    return 0;
}

// ---- The queue

// The next operation, or NULL when there will be none.
static struct operation *take(struct stream *s) {
    pthread_mutex_lock(&lock);
    while (!s->first && !s->closing) pthread_cond_wait(&changed, &lock);
    struct operation *taken = s->first;
    if (taken && !(s->first = taken->next)) s->last = &s->first;
    pthread_mutex_unlock(&lock);
    return taken;
}

static void *work(void *argument) {
    struct stream *s = argument;
    for (struct operation *taken; (taken = take(s));) {
        int code = sticky ? 0 : taken->run(taken->argument);
        if (code) sticky = code;
        free(taken);
        pthread_mutex_lock(&lock);
        s->done++;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

// Queues `run` with a copy of its argument, once there is room; the operation's number in the stream. Or it is captured.
uint64_t submit(struct stream *s, run_function *run, const void *argument, size_t bytes) {
    struct operation *added = claim(sizeof *added + bytes);
    added->run = run;
    memcpy(added->argument, argument, bytes);
    if (s->capture) {
        capture(s->capture, added, bytes);
        return s->submitted;
    }
    pthread_mutex_lock(&lock);
    while (s->submitted - s->done >= settings.queue) pthread_cond_wait(&changed, &lock);
    *s->last = added;
    s->last = &added->next;
    uint64_t number = ++s->submitted;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return number;
}

void wait_for(struct stream *s, uint64_t operation) {
    pthread_mutex_lock(&lock);
    while (s->done < operation) pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static bool passed(struct stream *s, uint64_t operation) {
    pthread_mutex_lock(&lock);
    bool done = s->done >= operation;
    pthread_mutex_unlock(&lock);
    return done;
}

void wait_for_stream(struct stream *s) {
    pthread_mutex_lock(&lock);
    for (uint64_t last = s->submitted; s->done < last;) pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

void wait_for_all(void) {
    pthread_mutex_lock(&lock);
    for (struct stream *s = streams; s; s = s->next)
        for (uint64_t last = s->submitted; s->done < last;) pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

// ---- Streams

EXPORT int cuStreamCreate(struct stream **stream, unsigned flags) {
    TRY(context_call(__func__));
    struct stream *s = *stream = new_handle(STREAM, sizeof *s);
    s->last = &s->first;
    pthread_mutex_lock(&lock);
    s->next = streams;
    streams = s;
    pthread_mutex_unlock(&lock);
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, s)) abort();
    pthread_detach(thread);
    return 0;
}

// What is queued still runs to the end.
EXPORT int cuStreamDestroy_v2(struct stream *s) {
    TRY(context_call(__func__));
    CHECK(is(s, STREAM), CU_INVALID_HANDLE);
    kill_handle(s);
    pthread_mutex_lock(&lock);
    s->closing = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return 0;
}

EXPORT int cuStreamSynchronize(struct stream *s) {
    TRY(context_call(__func__));
    TRY(uncaptured());
    CHECK(is(s, STREAM), CU_INVALID_HANDLE);
    wait_for(s, s->submitted); // of this thread's operations the last
    return sticky;
}

// ---- Events

static int run_record(const void *argument) {
    struct event *const *e = argument;
    (*e)->ns = now_ns();
    return 0;
}

EXPORT int cuEventCreate(struct event **event, unsigned flags) {
    TRY(context_call(__func__));
    *event = new_handle(EVENT, sizeof **event);
    (*event)->flags = flags;
    return 0;
}

EXPORT int cuEventRecord(struct event *e, struct stream *s) {
    TRY(context_call(__func__));
    TRY(uncaptured()); // allowed, but nobody could ask for the event
    CHECK(is(s, STREAM) && is(e, EVENT), CU_INVALID_HANDLE);
    e->stream = s;
    e->operation = submit(s, run_record, &e, sizeof e);
    return 0;
}

static int run_wait(const void *argument) {
    const struct event *e = argument;
    wait_for(e->stream, e->operation);
    return 0;
}

// What it waits for is what has been recorded by now.
EXPORT int cuStreamWaitEvent(struct stream *s, struct event *e, unsigned flags) {
    TRY(context_call(__func__));
    CHECK(is(s, STREAM) && is(e, EVENT), CU_INVALID_HANDLE);
    if (e->stream) submit(s, run_wait, e, sizeof *e);
    return 0;
}

// A test leaves it out for a driver that is too old for the program.
#ifndef WITHOUT_EVENT_QUERY
EXPORT int cuEventQuery(struct event *e) {
    TRY(context_call(__func__));
    CHECK(is(e, EVENT), CU_INVALID_HANDLE);
    bool done = !e->stream || passed(e->stream, e->operation);
    return sticky ? sticky : done ? 0 : CU_NOT_READY;
}
#endif

EXPORT int cuEventElapsedTime(float *ms, struct event *from, struct event *to) {
    TRY(context_call(__func__));
    enum { DISABLE_TIMING = 2 };
    CHECK(is(from, EVENT) && is(to, EVENT) && from->stream && to->stream, CU_INVALID_HANDLE);
    CHECK(!((from->flags | to->flags) & DISABLE_TIMING), CU_INVALID_HANDLE);
    bool done = passed(from->stream, from->operation) && passed(to->stream, to->operation);
    TRY(sticky);
    CHECK(done, CU_NOT_READY);
    *ms = (float)((double)(int64_t)(to->ns - from->ns) / 1e6);
    return 0;
}

EXPORT int cuEventDestroy_v2(struct event *e) {
    TRY(context_call(__func__));
    CHECK(is(e, EVENT), CU_INVALID_HANDLE);
    kill_handle(e);
    return 0;
}
