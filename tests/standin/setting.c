// Settings: the environment variables with which a test makes the stand-in fail, each in standin.h.
#include "standin.h"

struct settings settings;

static unsigned long long variable(const char *name, unsigned long long otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

// Whether a setting is meant for this rank, by the number that the launcher gave the process: all are, but those with @RANK.
static bool is_meant(const char *text) {
    const char *at = strchr(text, '@');
    return !at || strtoull(at + 1, NULL, 10) == variable("OMPI_COMM_WORLD_RANK", variable("PMI_RANK", 0));
}

static long long of_rank(const char *name) {
    const char *text = getenv(name);
    return text && is_meant(text) ? strtoll(text, NULL, 10) : 0;
}

// ---- Devices

void uuid_of(int device, char uuid[16]) {
    memcpy(uuid, settings.instances ? "standin-mig-0000" : "standin-gpu-0000", 16);
    uuid[15] = (char)('0' + device);
}

bool is_uuid(const char *text, const char *kind, const char uuid[16]) {
    char whole[64];
    int length = snprintf(whole, sizeof whole, "%s", kind);
    for (int i = 0; i < 16; i++)
        length += sprintf(whole + length, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", (unsigned char)uuid[i]);
    return !strncmp(text, whole, strlen(whole));
}

// Which device a word of CUDA_VISIBLE_DEVICES means, or -1. Instances have no numbers there.
static int device_of(const char *word) {
    int all = settings.instances ? settings.instances : settings.devices;
    for (int i = 0; i < all; i++) {
        char uuid[16];
        uuid_of(i, uuid);
        if (is_uuid(word, settings.instances ? "MIG-" : "GPU-", uuid)) return i;
    }
    char *end;
    long number = strtol(word, &end, 10);
    return end != word && number >= 0 && number < (settings.instances ? 1 : all) ? (int)number : -1;
}

// An unknown word ends the list, as it does for the driver. An empty list is all, because the tests hide real GPUs so.
static void show_devices(void) {
    const char *list = getenv("CUDA_VISIBLE_DEVICES");
    int most = settings.instances ? 1 : settings.devices;
    if (!list || !*list) {
        for (int i = 0; i < most; i++) settings.shown[settings.shown_count++] = i;
        return;
    }
    for (const char *word = list; word && settings.shown_count < most; word = strchr(word, ',')) {
        int device = device_of(word += *word == ',');
        if (device < 0) return;
        settings.shown[settings.shown_count++] = device;
    }
}

static void read_archs(void) {
    const char *list = getenv("STANDIN_ARCHS");
    if (!list || !*list) list = "75,80,86,89,90,100,120";
    for (; list && settings.arch_count < 16; list = strchr(list, ',')) {
        list += *list == ',';
        settings.archs[settings.arch_count++] = atoi(list);
    }
}

__attribute__((constructor)) static void read_settings(void) {
    unsigned long long devices = variable("STANDIN_DEVICES", 1);
    settings.devices = devices < MAX_DEVICES ? (int)devices : MAX_DEVICES;
    settings.memory = variable("STANDIN_MEMORY", 1ull << 30);
    settings.instances = (int)variable("STANDIN_MIG", 0);
    show_devices();
    settings.queue = (unsigned)variable("STANDIN_QUEUE", 1024);
    settings.nccl_code = 6; // a peer has gone
    const char *late = getenv("STANDIN_NCCL_ERROR");
    if (late) sscanf(late, "%ld:%ld", &settings.nccl_error, &settings.nccl_code);
    settings.nccl_bytes = (size_t)of_rank("STANDIN_NCCL_BYTES");
    settings.nccl_late_bytes = (size_t)of_rank("STANDIN_NCCL_LATE_BYTES");
    settings.nccl_death = (long)of_rank("STANDIN_NCCL_DEATH");
    settings.nccl_tells = variable("STANDIN_NCCL_TELLS", 0) != 0;
    settings.nccl_fifo = (unsigned)variable("STANDIN_NCCL_FIFO", 1 << 20);
    settings.nccl_registers = variable("STANDIN_NCCL_REGISTERS", 1) != 0;
    settings.nccl_keeps = variable("STANDIN_NCCL_KEEPS", 0) != 0;
    settings.nccl_absent = of_rank("STANDIN_NCCL_ABSENT") != 0;
    settings.nccl_version = (int)variable("STANDIN_NCCL_VERSION", 22809);
    settings.dropped = (size_t)variable("STANDIN_DROP", 0);
    settings.capture = (long)of_rank("STANDIN_CAPTURE");
    settings.hang = (long)of_rank("STANDIN_HANG");
    settings.old_compiler = variable("STANDIN_OLD_COMPILER", 0) != 0;
    read_archs();
    settings.blocking = variable("STANDIN_BLOCKING", 0) != 0;
    settings.sed = getenv("STANDIN_SED") ? getenv("STANDIN_SED") : "";
    settings.seed = variable("STANDIN_SEED", 1);
    settings.sanitise = variable("STANDIN_SANITISE", 0) != 0;
    settings.capability = (int)variable("STANDIN_CAPABILITY", 9);
    settings.memory_clock = (int)variable("STANDIN_MEMORY_CLOCK", 10000000);
    settings.cluster = (unsigned)variable("STANDIN_CLUSTER", 0);
    settings.clock = (unsigned)variable("STANDIN_CLOCK", 1000);
    settings.energy = variable("STANDIN_ENERGY", 0) != 0;
    settings.throttle = variable("STANDIN_THROTTLE", 0);
    settings.power = getenv("STANDIN_POWER") ? getenv("STANDIN_POWER") : "instant";
    settings.lost = variable("STANDIN_LOST", 0) != 0;
    settings.persistent = variable("STANDIN_PERSISTENT", 1) != 0;
    settings.fail_call = 1;
    settings.fail_code = -1;
    const char *fail = getenv("STANDIN_FAIL");
    if (fail && is_meant(fail))
        sscanf(fail, "%63[^:@]:%ld:%ld", settings.fail_symbol, &settings.fail_call, &settings.fail_code);
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
