// What the parts of the stand-in share.
//
// The stand-in takes the place of NVIDIA's driver, NVRTC, cuBLASLt, NCCL and NVML, and does the work on
// the CPU: kernels by their own sources (cuda_on_cpu.h). So the tests run the program's CUDA path (its calls, their order, its handling of errors,
// several ranks) on a machine without a GPU. It says nothing about speed. One shared object stands
// behind all five names, so that the libraries share one state, and it exports only the functions
// that the program may call: src/machine/nvidia.rs lists them, and nvml-wrapper looks up NVML's by itself.
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
#include <signal.h>
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
    int instances;               // STANDIN_MIG=N: the first device is split, and a process sees one part of it
    int shown[MAX_DEVICES];      // what CUDA_VISIBLE_DEVICES leaves of the devices, or the one instance of the first
    int shown_count;
    unsigned queue;              // STANDIN_QUEUE: entries that a stream takes before launching waits
    size_t memory;               // STANDIN_MEMORY: bytes of the device that can be allocated in all
    char fail_symbol[64];        // STANDIN_FAIL=SYMBOL[:N[:CODE]][@RANK]: its Nth call fails
    long fail_call, fail_code;
    long nccl_error, nccl_code;  // STANDIN_NCCL_ERROR=N[:CODE]: the Nth group of calls of a communicator fails late
    size_t nccl_bytes;           // STANDIN_NCCL_BYTES=N[@RANK]: memory that a communicator takes when it is made,
    size_t nccl_late_bytes;      // STANDIN_NCCL_LATE_BYTES=N[@RANK]: and with its first operation
    long nccl_death;             // STANDIN_NCCL_DEATH=N[@RANK]: in its Nth group the process dies, a second after NCCL elsewhere knows
    bool nccl_tells;             // STANDIN_NCCL_TELLS=1: it says on standard error how communicators end
    unsigned nccl_fifo;          // STANDIN_NCCL_FIFO: bytes of its queue of work, which a large group waits for
    bool nccl_registers;         // STANDIN_NCCL_REGISTERS=0: it takes buffers and registers none, which it says nowhere
    bool nccl_keeps;             // STANDIN_NCCL_KEEPS=1: it still knows buffers that were taken back
    bool nccl_absent;            // STANDIN_NCCL_ABSENT=1[@RANK]: it never comes to the end of a communicator
    int nccl_version;            // STANDIN_NCCL_VERSION: what it says it is, such as 22809
    size_t dropped;              // STANDIN_DROP=N: cuMemcpyAsync leaves out the last N bytes
    long capture;                // STANDIN_CAPTURE=N[@RANK]: with the Nth captured operation memory is asked for
    long hang;                   // STANDIN_HANG=N[@RANK]: the Nth matrix product (of this rank) never ends
    int blocking;                // STANDIN_BLOCKING=1: a launch waits for its end
    bool old_compiler;           // STANDIN_OLD_COMPILER=1: it cannot time itself
    int archs[16], arch_count;   // STANDIN_ARCHS=80,90: what the compiler compiles for, ascending
    const char *sed;             // STANDIN_SED: an edit of kernels' sources by sed, so that they are wrong
    uint64_t seed;               // STANDIN_SEED: for the order of threads
    bool sanitise;               // STANDIN_SANITISE=1: kernels run under AddressSanitizer, which must be preloaded
    int capability;              // STANDIN_CAPABILITY: the major number of its compute capability
    int memory_clock;            // STANDIN_MEMORY_CLOCK: the highest of its memory, kHz
    unsigned cluster;            // STANDIN_CLUSTER=N: kernels in clusters of another number of blocks are refused
    unsigned clock;              // STANDIN_CLOCK: of its multiprocessors, MHz
    unsigned long long throttle; // STANDIN_THROTTLE: NVML's reasons for low clocks
    bool energy;                 // STANDIN_ENERGY=1: NVML counts energy, so that a run first learns what an idle GPU draws
    const char *power;           // STANDIN_POWER: whether NVML knows power, "instant" or only as a "mean", or "none"
    bool lost;                   // STANDIN_LOST=1: NVML finds the GPU gone
    bool persistent;             // STANDIN_PERSISTENT=0: the driver goes with the last program
} settings;

// The error that this call shall return on purpose, or 0. Every function that returns a code asks.
int injected(const char *symbol, int usual);

// Whether this matrix product shall never end.
bool hangs(void);

void uuid_of(int device, char uuid[16]); // of a visible one: an instance's own
bool is_uuid(const char *text, const char *kind, const char uuid[16]); // whether text is this UUID, with "GPU-" or "MIG-"

// ---- handle.c

enum tag { DEAD, STREAM, EVENT, MODULE, FUNCTION, PROGRAM, BLAS, OPERATION, LAYOUT, PREFERENCE, COMM, REGISTERED, GRAPH,
           GRAPH_EXEC };
struct handle { _Atomic enum tag tag; }; // the first member of what a handle points to

void *claim(size_t bytes); // zeroed memory, for sure
void *new_handle(enum tag tag, size_t bytes);
bool is(const void *handle, enum tag tag);
void kill_handle(void *handle);

// ---- driver.c

enum { CU_INVALID_VALUE = 1, CU_OUT_OF_MEMORY = 2, CU_NOT_INITIALIZED = 3, CU_DEVICE_UNAVAILABLE = 46, CU_NO_DEVICE = 100,
       CU_INVALID_DEVICE = 101, CU_INVALID_IMAGE = 200, CU_INVALID_CONTEXT = 201, CU_ECC_UNCORRECTABLE = 214,
       CU_INVALID_HANDLE = 400, CU_NOT_FOUND = 500, CU_NOT_READY = 600, CU_ILLEGAL_ADDRESS = 700,
       CU_CONTEXT_DESTROYED = 709, CU_LAUNCH_FAILED = 719, CU_CAPTURE_UNSUPPORTED = 900,
       CU_CAPTURE_INVALIDATED = 901, CU_UNKNOWN = 999 };

extern atomic_bool initialised;
int driver_call(const char *symbol);  // what every function of the driver checks first,
int context_call(const char *symbol); // and what those check that work in a context
int current_device(void); // its number among all, not among the visible ones

// ---- memory.c

bool valid(const void *at, size_t count, size_t size); // whether the span lies in one allocation
enum memory { ON_DEVICE, PINNED, LENT }; // LENT is the program's own, which the driver has pinned

int allocate(void **at, size_t bytes, enum memory kind);
int release_memory(void *at, enum memory kind);
bool reserve(size_t bytes); // memory of the device without an address
void unreserve(size_t bytes);

// ---- stream.c

struct stream;
typedef int run_function(const void *argument); // a CUresult; an error becomes sticky

extern atomic_int sticky; // after an error in a stream every later call returns it, as on a GPU
uint64_t submit(struct stream *s, run_function *run, const void *argument, size_t bytes);
void wait_for(struct stream *s, uint64_t operation);
bool is_capturing(struct stream *s);
void wait_for_stream(struct stream *s); // for all that was submitted to it
int uncaptured(void); // an error, with the end of the capture, where this thread captures
void wait_for_all(void);
uint64_t now_ns(void);

// ---- kernel.c

enum { DYNAMIC_SHARED_BYTES = 227 << 10 }; // of a block, as on an H200
// "Machine code" is an ELF header, behind which stands the path of a shared object, and sections of the functions' names;
// "PTX" begins with a remark that has the path.
enum { ELF_HEADER = 64 };
extern const char elf_magic[], ptx_head[];

// ---- number.c: element types, by NCCL's numbers

enum { I8 = 0, U8, I32, U32, I64, U64, F16, F32, F64, BF16, F8E4M3, F8E5M2, TYPES };
extern const size_t type_bytes[TYPES];
double get(const void *from, int type, size_t i); // floats only
void put(void *to, int type, size_t i, double value);
int64_t get_whole(const void *from, int type, size_t i); // integers only; those of 64 bits without a sign wrap

#endif
