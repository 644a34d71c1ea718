// NVML: readings of a GPU that draws 100 W at constant clocks. Its handle is the number of its PCI bus.
#include "standin.h"

enum { UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_FOUND = 6, UNKNOWN = 999 };

static atomic_int users;

static int call(const char *symbol) {
    TRY(injected(symbol, UNKNOWN));
    return users > 0 ? 0 : UNINITIALIZED;
}

static int device_call(const char *symbol, uintptr_t bus) {
    TRY(call(symbol));
    return bus >= 1 && bus <= (uintptr_t)settings.devices ? 0 : INVALID_ARGUMENT;
}

EXPORT int nvmlInit_v2(void) { TRY(injected(__func__, UNKNOWN)); users++; return 0; }
EXPORT int nvmlShutdown(void) { TRY(call(__func__)); users--; return 0; }

EXPORT const char *nvmlErrorString(int code) {
    switch (code) {
    case 0: return "Success";
    case UNINITIALIZED: return "Uninitialized";
    case INVALID_ARGUMENT: return "Invalid Argument";
    case NOT_FOUND: return "Not Found";
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
    *bus = number;
    return 0;
}

EXPORT int nvmlDeviceGetClockInfo(uintptr_t bus, int type, unsigned *mhz) {
    TRY(device_call(__func__, bus));
    *mhz = type == 2 ? 2000 : 1000; // memory, and all else
    return 0;
}

EXPORT int nvmlDeviceGetTemperature(uintptr_t bus, int sensor, unsigned *celsius) {
    TRY(device_call(__func__, bus));
    *celsius = 40;
    return 0;
}

EXPORT int nvmlDeviceGetPowerUsage(uintptr_t bus, unsigned *milliwatts) {
    TRY(device_call(__func__, bus));
    *milliwatts = 100000;
    return 0;
}

EXPORT int nvmlDeviceGetTotalEnergyConsumption(uintptr_t bus, unsigned long long *millijoules) {
    TRY(device_call(__func__, bus));
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
