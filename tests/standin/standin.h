// What the parts of the stand-in share.
//
// The stand-in takes the place of NVIDIA's driver, NVRTC, cuBLASLt, NCCL and NVML, and does the work on
// the CPU: kernels by their own sources (cuda_on_cpu.h). So the tests run the program's CUDA path (its calls, their order, its handling of errors,
// several ranks) on a machine without a GPU. It says nothing about speed. One shared object stands
// behind all five names, so that the libraries share one state, and it exports only the functions
// that the program may call: src/nvidia.rs lists them, and nvml-wrapper looks up NVML's by itself.
//
// It declares the little that it needs of NVIDIA's interfaces. A CUdeviceptr is an address of this
// process and is passed like a pointer.
#ifndef STANDIN_H
#define STANDIN_H
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// After all headers of the system: only what is marked is seen from outside, whatever the compiler is told.
#pragma GCC visibility push(hidden)
#define EXPORT __attribute__((visibility("default")))

// The signatures are NVIDIA's, so many parameters have no use here.
#pragma GCC diagnostic ignored "-Wunused-parameter"

#define CHECK(condition, code) do { if (!(condition)) return code; } while (0)
#define TRY(call) do { int code_ = (call); if (code_) return code_; } while (0)

enum { MAX_DEVICES = 9 }; // PCI buses are numbered from 1, in one digit

// ---- setting.c

extern struct settings {
    int devices;                 // STANDIN_DEVICES
    size_t memory;               // STANDIN_MEMORY: bytes of the device that can be allocated in all
    char fail_symbol[64];        // STANDIN_FAIL=SYMBOL[:N[:CODE]]: its Nth call fails
    long fail_call, fail_code;
    long nccl_error;             // STANDIN_NCCL_ERROR=N: the Nth group of calls of a communicator fails late
    int nccl_version;            // STANDIN_NCCL_VERSION: what it says it is, such as 22809
    long hang;                   // STANDIN_HANG=N[@RANK]: the Nth matrix product (of this rank) never ends
    int blocking;                // STANDIN_BLOCKING=1: a launch waits for its end
    const char *sed;             // STANDIN_SED: an edit of kernels' sources by sed, so that they are wrong
    uint64_t seed;               // STANDIN_SEED: for the order of threads
    bool sanitise;               // STANDIN_SANITISE=1: kernels run under AddressSanitizer, which must be preloaded
    unsigned long long throttle; // STANDIN_THROTTLE: NVML's reasons for low clocks
} settings;

// The error that this call shall return on purpose, or 0. Every function that returns a code asks.
int injected(const char *symbol, int usual);

// Whether this matrix product shall never end.
bool hangs(void);

// ---- handle.c

enum tag { DEAD, STREAM, EVENT, MODULE, FUNCTION, PROGRAM, BLAS, OPERATION, LAYOUT, PREFERENCE, COMM };
struct handle { _Atomic enum tag tag; }; // the first member of what a handle points to

void *claim(size_t bytes); // zeroed memory, for sure
void *new_handle(enum tag tag, size_t bytes);
bool is(const void *handle, enum tag tag);
void kill_handle(void *handle);

// ---- driver.c

enum { CU_INVALID_VALUE = 1, CU_OUT_OF_MEMORY = 2, CU_NOT_INITIALIZED = 3, CU_NO_DEVICE = 100,
       CU_INVALID_DEVICE = 101, CU_INVALID_IMAGE = 200, CU_INVALID_CONTEXT = 201,
       CU_INVALID_HANDLE = 400, CU_NOT_FOUND = 500, CU_NOT_READY = 600, CU_ILLEGAL_ADDRESS = 700,
       CU_CONTEXT_DESTROYED = 709, CU_LAUNCH_FAILED = 719, CU_UNKNOWN = 999 };

extern atomic_bool initialised;
int driver_call(const char *symbol);  // what every function of the driver checks first,
int context_call(const char *symbol); // and what those check that work in a context
int current_device(void);

// ---- memory.c

bool valid(const void *at, size_t count, size_t size); // whether the span lies in one allocation

// ---- stream.c

struct stream;
typedef int run_function(const void *argument); // a CUresult; an error becomes sticky

extern atomic_int sticky; // after an error in a stream every later call returns it, as on a GPU
uint64_t submit(struct stream *s, run_function *run, const void *argument, size_t bytes);
void wait_for(struct stream *s, uint64_t operation);
void wait_for_all(void);
uint64_t now_ns(void);

// ---- kernel.c

enum { DYNAMIC_SHARED_BYTES = 227 << 10 }; // of a block, as on an H200
extern const char cubin_head[]; // a "cubin" is this line and the path of a shared object

// ---- number.c: element types, by NCCL's numbers

enum { I8 = 0, U8, I32, U32, I64, U64, F16, F32, F64, BF16, F8E4M3, F8E5M2, TYPES };
extern const size_t type_bytes[TYPES];
double get(const void *from, int type, size_t i); // floats only
void put(void *to, int type, size_t i, double value);
int64_t get_whole(const void *from, int type, size_t i); // integers only; those of 64 bits without a sign wrap

#endif
