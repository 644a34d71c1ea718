// The driver's start, its devices and their contexts.
#include "standin.h"

atomic_bool initialised;
static struct device { atomic_int retained; } devices[MAX_DEVICES]; // a CUcontext points to one
static __thread struct device *current;

int driver_call(const char *symbol) {
    TRY(injected(symbol, CU_UNKNOWN));
    return initialised ? 0 : CU_NOT_INITIALIZED;
}

int context_call(const char *symbol) {
    TRY(driver_call(symbol));
    TRY(sticky);
    CHECK(current, CU_INVALID_CONTEXT);
    return current->retained > 0 ? 0 : CU_CONTEXT_DESTROYED;
}

static int device_call(const char *symbol, int device) {
    TRY(driver_call(symbol));
    return device >= 0 && device < settings.shown_count ? 0 : CU_INVALID_DEVICE;
}

// Instances are parts of the first device.
static int whole_device(int device) {
    return settings.instances ? 0 : settings.shown[device];
}

int current_device(void) {
    return whole_device(current ? (int)(current - devices) : 0);
}

EXPORT int cuInit(unsigned flags) {
    TRY(injected(__func__, CU_UNKNOWN));
    CHECK(settings.shown_count > 0, CU_NO_DEVICE);
    initialised = true;
    return 0;
}

EXPORT int cuDriverGetVersion(int *version) {
    TRY(injected(__func__, CU_UNKNOWN));
    *version = 12020;
    return 0;
}

// ---- Devices

EXPORT int cuDeviceGetCount(int *count) { TRY(driver_call(__func__)); *count = settings.shown_count; return 0; }

EXPORT int cuDeviceGet(int *device, int ordinal) {
    TRY(device_call(__func__, ordinal));
    *device = ordinal;
    return 0;
}

EXPORT int cuDeviceGetName(char *name, int length, int device) {
    TRY(device_call(__func__, device));
    snprintf(name, (size_t)length, "Stand-in GPU (computes on the CPU)");
    return 0;
}

EXPORT int cuDeviceGetUuid_v2(char uuid[16], int device) {
    TRY(device_call(__func__, device));
    uuid_of(settings.shown[device], uuid);
    return 0;
}

EXPORT int cuDeviceGetPCIBusId(char *id, int length, int device) {
    TRY(device_call(__func__, device));
    snprintf(id, (size_t)length, "0000:%02x:00.0", (unsigned)whole_device(device) + 1);
    return 0;
}

EXPORT int cuDeviceTotalMem_v2(size_t *bytes, int device) {
    TRY(device_call(__func__, device));
    *bytes = 64ull << 30;
    return 0;
}

EXPORT int cuDeviceGetAttribute(int *value, int attribute, int device) {
    TRY(device_call(__func__, device));
    switch (attribute) {
    case 13: *value = 1000000; break; // highest clock, kHz
    case 16: *value = 4; break; // multiprocessors
    case 36: *value = settings.memory_clock; break; // kHz
    case 37: *value = 64; break; // memory bus, bits
    case 38: *value = 4 << 20; break; // level 2 cache
    case 75: *value = settings.capability; break; // compute capability, major
    default: *value = 0;        // also its minor, and memory pools
    }
    return 0;
}

// ---- Contexts

EXPORT int cuDevicePrimaryCtxRetain(struct device **context, int device) {
    TRY(device_call(__func__, device));
    *context = &devices[device];
    devices[device].retained++;
    return 0;
}

EXPORT int cuDevicePrimaryCtxRelease_v2(int device) {
    TRY(device_call(__func__, device));
    CHECK(devices[device].retained > 0, CU_INVALID_CONTEXT);
    devices[device].retained--;
    return 0;
}

EXPORT int cuCtxGetCurrent(struct device **context) {
    TRY(driver_call(__func__));
    *context = current;
    return 0;
}

EXPORT int cuCtxSetCurrent(struct device *context) {
    TRY(driver_call(__func__));
    current = context;
    return sticky;
}

// ---- Profilers

static void profiler_note(const char *what) {
    const char *log = getenv("STANDIN_PROFILER_LOG");
    FILE *file = log ? fopen(log, "a") : NULL;
    if (!file) return;
    fprintf(file, "%s\n", what);
    fclose(file);
}

EXPORT int cuProfilerStart(void) {
    TRY(context_call(__func__));
    profiler_note("start");
    return 0;
}

EXPORT int cuProfilerStop(void) {
    TRY(context_call(__func__));
    profiler_note("stop");
    return 0;
}

// ---- Errors

static const struct error { int code; const char *name, *text; } errors[] = {
    { CU_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument" },
    { CU_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory" },
    { CU_NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error" },
    { CU_DEVICE_UNAVAILABLE, "CUDA_ERROR_DEVICE_UNAVAILABLE", "CUDA-capable device(s) is/are busy or unavailable" },
    { CU_NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected" },
    { CU_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal" },
    { CU_INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid" },
    { CU_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context" },
    { CU_ECC_UNCORRECTABLE, "CUDA_ERROR_ECC_UNCORRECTABLE", "uncorrectable ECC error encountered" },
    { CU_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle" },
    { CU_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found" },
    { CU_NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready" },
    { CU_ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered" },
    { CU_CONTEXT_DESTROYED, "CUDA_ERROR_CONTEXT_IS_DESTROYED", "context is destroyed" },
    { CU_LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure" },
    { CU_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing" },
    { CU_CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
      "operation failed due to a previous error during capture" },
    { CU_UNKNOWN, "CUDA_ERROR_UNKNOWN", "unknown error" },
};

static const struct error *error_of(int code) {
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == code) return &errors[i];
    return NULL;
}

EXPORT int cuGetErrorName(int code, const char **name) {
    const struct error *error = error_of(code);
    *name = error ? error->name : NULL;
    return error ? 0 : CU_INVALID_VALUE;
}

EXPORT int cuGetErrorString(int code, const char **text) {
    const struct error *error = error_of(code);
    *text = error ? error->text : NULL;
    return error ? 0 : CU_INVALID_VALUE;
}
