// What plain CUDA reads on this device: copies, empty kernels, the resolution of events. One JSON line each.
// nvcc -O3 -arch=native -o cuda_loop cuda_loop.cu; cuda_loop copy BYTES | empty | event
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

// Launches wait in a queue of about a thousand; a batch must fit, or launching would be timed.
constexpr int LONGEST_BATCH = 1000;
constexpr int GROUPS = 51;

static void check(cudaError_t code, const char *call) {
    if (code == cudaSuccess) return;
    fprintf(stderr, "cuda_loop: %s: %s\n", call, cudaGetErrorString(code));
    exit(7);
}
#define TRY(call) check(call, #call)

__global__ void empty() {}

// Keeps the stream busy while the host fills the queue behind it.
__global__ void hold(long long nanoseconds) {
    long long began, now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(began));
    do asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    while (now - began < nanoseconds);
}

__global__ void fill(uint4 *out, size_t count) {
    size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x;
    if (i >= count) return;
    unsigned mixed = (unsigned)i * 2654435761u;
    mixed ^= mixed >> 15;
    out[i] = make_uint4(mixed, mixed * 2246822519u, mixed * 3266489917u, mixed * 668265263u);
}

__global__ void copy(const uint4 *in, uint4 *out, size_t count) {
    size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x;
    if (i < count) out[i] = in[i];
}

static unsigned blocks(size_t count) { return (unsigned)((count + 255) / 256); }

static double median(std::vector<double> of) {
    std::sort(of.begin(), of.end());
    return of[of.size() / 2];
}

// Milliseconds of `batch` operations back to back.
template <typename Operation> static double group(Operation operation, int batch) {
    static cudaEvent_t start, end;
    if (!start) {
        TRY(cudaEventCreate(&start));
        TRY(cudaEventCreate(&end));
    }
    hold<<<1, 1>>>(100000 + batch * 10000LL);
    TRY(cudaGetLastError());
    TRY(cudaEventRecord(start));
    for (int i = 0; i < batch; i++) operation();
    TRY(cudaEventRecord(end));
    TRY(cudaEventSynchronize(end));
    float milliseconds;
    TRY(cudaEventElapsedTime(&milliseconds, start, end));
    return milliseconds;
}

// Half a second of work: its code is loaded, and clocks have risen from idle ones.
template <typename Operation> static void warm_up(Operation operation) {
    auto since = std::chrono::steady_clock::now();
    do group(operation, 10);
    while (std::chrono::steady_clock::now() - since < std::chrono::milliseconds(500));
}

template <typename Operation> static double groups(Operation operation, int batch) {
    std::vector<double> times;
    for (int i = 0; i < GROUPS; i++) times.push_back(group(operation, batch) / batch);
    return median(times);
}

// Median milliseconds of one operation, once two medians in succession agree within 1 %.
template <typename Operation> static double stable(Operation operation, int batch) {
    double before = groups(operation, batch), now = groups(operation, batch);
    for (int i = 0; i < 20 && std::fabs(now - before) > 0.01 * before; i++) {
        before = now;
        now = groups(operation, batch);
    }
    return now;
}

// Long enough to make the steps of events small; at most 100, which is what tesserabench batches.
template <typename Operation> static int batch_for(Operation operation) {
    warm_up(operation);
    double once = groups(operation, 10);
    return (int)std::min(100.0, std::max(1.0, std::ceil(1 / once)));
}

template <typename Operation> static void print_copy(const char *what, size_t bytes, Operation operation) {
    int batch = batch_for(operation);
    double milliseconds = stable(operation, batch);
    printf("{\"what\": \"%s\", \"bytes\": %zu, \"batch\": %d, \"median_ms\": %.9f, \"rate\": %.6f, "
           "\"unit\": \"GB/s\"}\n", what, bytes, batch, milliseconds, 2.0 * bytes / milliseconds / 1e6);
}

static void copies(size_t bytes) {
    uint4 *in, *out;
    TRY(cudaMalloc(&in, bytes));
    TRY(cudaMalloc(&out, bytes));
    size_t count = bytes / sizeof(uint4);
    fill<<<blocks(count), 256>>>(in, count);
    TRY(cudaGetLastError());
    print_copy("memcpy", bytes, [=] { TRY(cudaMemcpyAsync(out, in, bytes, cudaMemcpyDeviceToDevice)); });
    print_copy("kernel", bytes, [=] {
        copy<<<blocks(count), 256>>>(in, out, count);
        TRY(cudaGetLastError());
    });
    TRY(cudaFree(in));
    TRY(cudaFree(out));
}

static void empties() {
    auto launch = [] {
        empty<<<1, 1>>>();
        TRY(cudaGetLastError());
    };
    warm_up(launch);
    printf("{\"what\": \"empty\", \"batch\": %d, \"median_ms\": %.9f}\n", LONGEST_BATCH,
           stable(launch, LONGEST_BATCH));
}

// Times of nothing and of one empty kernel differ by whole steps of the events' clock.
static void events() {
    auto launch = [] { empty<<<1, 1>>>(); };
    warm_up(launch);
    std::vector<double> times;
    for (int i = 0; i < 1000; i++) times.push_back(group(launch, i % 2));
    TRY(cudaGetLastError());
    std::sort(times.begin(), times.end());
    double step = INFINITY;
    for (size_t i = 1; i < times.size(); i++)
        // Elapsed times are floats: smaller differences than a nanosecond are their rounding.
        if (times[i] - times[i - 1] > 1e-6) step = std::min(step, times[i] - times[i - 1]);
    printf("{\"what\": \"event\", \"resolution_ms\": %.9f, \"median_ms\": %.9f}\n",
           std::isfinite(step) ? step : 0.0, median(times));
}

int main(int count, char **words) {
    size_t bytes = count == 3 ? strtoull(words[2], nullptr, 10) : 0;
    if (count == 3 && !strcmp(words[1], "copy") && bytes && bytes % sizeof(uint4) == 0) copies(bytes);
    else if (count == 2 && !strcmp(words[1], "empty")) empties();
    else if (count == 2 && !strcmp(words[1], "event")) events();
    else {
        fprintf(stderr, "usage: cuda_loop copy BYTES (a multiple of 16) | empty | event\n");
        return 2;
    }
    return 0;
}
