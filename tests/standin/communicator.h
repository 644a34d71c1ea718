// What the parts of the stand-in for NCCL share: ranks are processes that meet in a file of shared memory, which the
// unique id names.
#ifndef COMMUNICATOR_H
#define COMMUNICATOR_H
#include "standin.h"

enum { CUDA_ERROR = 1, SYSTEM_ERROR = 2, INTERNAL_ERROR = 3, INVALID_ARGUMENT = 4, INVALID_USAGE = 5,
       REMOTE_ERROR = 6, IN_PROGRESS = 7 };
enum { MAX_RANKS = 32, CHUNK = 128 << 10, LETTER = 4 << 10, MAX_OPERATORS = 8 };
enum { SUM, PROD, MAX, MIN, AVG, OWN_OPERATORS, OPERATOR_MASK = 0x40000000 }; // created ones are no small numbers

struct shared {
    atomic_uint attached, ready; // the last to attach unlinks the file, and then says ready
    atomic_uint count, turn;     // a barrier: ranks that have come, and how often all have
    atomic_uint aborted, finalized;
    struct { atomic_int pid; int device; size_t window; int color, key; char host[64]; } ranks[MAX_RANKS];
    _Alignas(64) char slots[MAX_RANKS][CHUNK];
    // From each rank to each: a piece of a message, and how long the whole message is.
    struct { atomic_uint full; size_t message; char piece[LETTER]; } letters[MAX_RANKS][MAX_RANKS];
};
struct comm {
    struct handle handle;
    int size, rank, device;
    char path[96];
    struct shared *shared;
    atomic_int state;      // what ncclCommGetAsyncError says
    char error[256];       // in words; written before the state
    atomic_bool aborted, finalized;
    size_t bytes;          // of the device's memory
    struct { bool alive; int type; char factor[8]; } operators[MAX_OPERATORS];
    long groups;           // queued so far
    struct stream *stream; // of the last one
    unsigned splits;       // so far
    atomic_uint produced, consumed; // bytes of the queue of work, in all
};

// ---- nccl.c

__attribute__((format(printf, 3, 4))) int failure(struct comm *c, int code, const char *format, ...);
int wait_until(struct comm *c, bool (*done)(void *), void *what); // an error where that will not come
int barrier(struct comm *c);
int take_memory(struct comm *c, size_t bytes); // as NCCL says it where there is none

// ---- register.c

// Counts a call that uses registered buffers. False where it reads one and writes another that is none.
bool use_registered(const struct comm *c, const char *from, size_t from_bytes, const char *to, size_t to_bytes);

// ---- reduction.c

// One piece of the slots of all ranks becomes one. `factor` is that of an operator that was created.
void reduce_slots(struct comm *c, int type, int operation, const char *factor, char *to, size_t count);
int find_operator(struct comm *c, int type, int *operation, char *factor); // makes a created one OWN_OPERATORS

#endif
