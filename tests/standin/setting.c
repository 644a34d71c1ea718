// Settings: the environment variables with which a test makes the stand-in fail, each in standin.h.
#include "standin.h"

struct settings settings;

static unsigned long long variable(const char *name, unsigned long long otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

// Which product never ends, where the launcher gave this process the rank that is meant.
static long hang(void) {
    const char *text = getenv("STANDIN_HANG");
    long call = 0;
    unsigned long long rank = 0;
    if (!text || sscanf(text, "%ld@%llu", &call, &rank) < 2) return call;
    return variable("OMPI_COMM_WORLD_RANK", variable("PMI_RANK", 0)) == rank ? call : 0;
}

__attribute__((constructor)) static void read_settings(void) {
    unsigned long long devices = variable("STANDIN_DEVICES", 1);
    settings.devices = devices < MAX_DEVICES ? (int)devices : MAX_DEVICES;
    settings.memory = variable("STANDIN_MEMORY", 1ull << 30);
    settings.nccl_error = (long)variable("STANDIN_NCCL_ERROR", 0);
    settings.nccl_version = (int)variable("STANDIN_NCCL_VERSION", 22809);
    settings.hang = hang();
    settings.blocking = variable("STANDIN_BLOCKING", 0) != 0;
    settings.sed = getenv("STANDIN_SED") ? getenv("STANDIN_SED") : "";
    settings.seed = variable("STANDIN_SEED", 1);
    settings.sanitise = variable("STANDIN_SANITISE", 0) != 0;
    settings.throttle = variable("STANDIN_THROTTLE", 0);
    settings.fail_call = 1;
    settings.fail_code = -1;
    const char *fail = getenv("STANDIN_FAIL");
    if (fail) sscanf(fail, "%63[^:]:%ld:%ld", settings.fail_symbol, &settings.fail_call, &settings.fail_code);
}

int injected(const char *symbol, int usual) {
    static atomic_long calls;
    if (strcmp(symbol, settings.fail_symbol)) return 0;
    if (atomic_fetch_add(&calls, 1) + 1 != settings.fail_call) return 0;
    return settings.fail_code >= 0 ? (int)settings.fail_code : usual;
}

bool hangs(void) {
    static atomic_long calls;
    return atomic_fetch_add(&calls, 1) + 1 == settings.hang;
}
