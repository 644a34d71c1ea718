// NVML: readings of a GPU that draws 100 W in the mean, and 120 W just now, at a constant clock, its highest unless told otherwise. Its handle is the number of its
// PCI bus; those of MIG instances lie above all of these.
#include "standin.h"

enum { UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, GPU_IS_LOST = 15,
       UNKNOWN = 999 };
enum { FIRST_INSTANCE = 100 };

static atomic_int users;

static int call(const char *symbol) {
    TRY(injected(symbol, UNKNOWN));
    return users > 0 ? 0 : UNINITIALIZED;
}

static int device_call(const char *symbol, uintptr_t bus) {
    TRY(call(symbol));
    CHECK(!settings.lost, GPU_IS_LOST);
    return bus >= 1 && bus <= (uintptr_t)settings.devices ? 0 : INVALID_ARGUMENT;
}

EXPORT int nvmlInit_v2(void) { TRY(injected(__func__, UNKNOWN)); users++; return 0; }
EXPORT int nvmlShutdown(void) { TRY(call(__func__)); users--; return 0; }

EXPORT const char *nvmlErrorString(int code) {
    switch (code) {
    case 0: return "Success";
    case UNINITIALIZED: return "Uninitialized";
    case INVALID_ARGUMENT: return "Invalid Argument";
    case NOT_SUPPORTED: return "Not Supported";
    case NOT_FOUND: return "Not Found";
    case GPU_IS_LOST: return "GPU is lost";
    default: return "Unknown Error";
    }
}

EXPORT int nvmlSystemGetDriverVersion(char *version, unsigned length) {
    TRY(call(__func__));
    snprintf(version, length, "000.00");
    return 0;
}

EXPORT int nvmlDeviceGetHandleByPciBusId_v2(const char *id, uintptr_t *bus) {
    TRY(call(__func__));
    unsigned number;
    CHECK(sscanf(id, "0000:%x:00.0", &number) == 1, INVALID_ARGUMENT);
    CHECK(number >= 1 && number <= (unsigned)settings.devices, NOT_FOUND);
    CHECK(!settings.lost, GPU_IS_LOST);
    *bus = number;
    return 0;
}

EXPORT int nvmlDeviceGetHandleByUUID(const char *text, uintptr_t *handle) {
    TRY(call(__func__));
    int all = settings.instances ? settings.instances : settings.devices;
    for (int i = 0; i < all; i++) {
        char uuid[16];
        uuid_of(i, uuid);
        *handle = settings.instances ? FIRST_INSTANCE + (uintptr_t)i : 1 + (uintptr_t)i;
        if (is_uuid(text, settings.instances ? "MIG-" : "GPU-", uuid)) return 0;
    }
    return NOT_FOUND;
}

EXPORT int nvmlDeviceIsMigDeviceHandle(uintptr_t handle, unsigned *is_instance) {
    TRY(call(__func__));
    *is_instance = handle >= FIRST_INSTANCE;
    return 0;
}

EXPORT int nvmlDeviceGetPersistenceMode(uintptr_t bus, int *mode) {
    TRY(device_call(__func__, bus));
    *mode = settings.persistent;
    return 0;
}

EXPORT int nvmlDeviceGetClockInfo(uintptr_t bus, int type, unsigned *mhz) {
    TRY(device_call(__func__, bus));
    *mhz = type == 2 ? 2000 : settings.clock; // memory, and all else
    return 0;
}

EXPORT int nvmlDeviceGetTemperature(uintptr_t bus, int sensor, unsigned *celsius) {
    TRY(device_call(__func__, bus));
    *celsius = 40;
    return 0;
}

struct field { unsigned field, scope; long long time, latency; int type, code; union { unsigned number; uint64_t all; } value; };

EXPORT int nvmlDeviceGetFieldValues(uintptr_t bus, int count, struct field *fields) {
    enum { POWER_INSTANT = 186, UNSIGNED = 1 };
    TRY(device_call(__func__, bus));
    for (int i = 0; i < count; i++) {
        bool known = fields[i].field == POWER_INSTANT && !strcmp(settings.power, "instant");
        fields[i].code = known ? 0 : NOT_SUPPORTED;
        fields[i].type = UNSIGNED;
        fields[i].value.number = 120000;
    }
    return 0;
}

EXPORT int nvmlDeviceGetPowerUsage(uintptr_t bus, unsigned *milliwatts) {
    TRY(device_call(__func__, bus));
    CHECK(strcmp(settings.power, "none"), NOT_SUPPORTED);
    *milliwatts = 100000;
    return 0;
}

EXPORT int nvmlDeviceGetTotalEnergyConsumption(uintptr_t bus, unsigned long long *millijoules) {
    TRY(device_call(__func__, bus));
    CHECK(settings.energy, NOT_SUPPORTED);
    *millijoules = now_ns() / 10000;
    return 0;
}

EXPORT int nvmlDeviceGetCurrentClocksThrottleReasons(uintptr_t bus, unsigned long long *bits) {
    TRY(device_call(__func__, bus));
    *bits = settings.throttle;
    return 0;
}

EXPORT int nvmlDeviceGetCurrentClocksEventReasons(uintptr_t bus, unsigned long long *bits) {
    TRY(device_call(__func__, bus));
    *bits = settings.throttle;
    return 0;
}
