/* A plain C loop around MPI_Allreduce, with the protocol that tesserabench uses: rank 0 picks a start time,
 * all spin to it, stamp, reduce, stamp. Loaded into the same process, so that both run on the same MPI. */
#include <mpi.h>
#include <stdlib.h>
#include <time.h>

static MPI_Comm comm = MPI_COMM_NULL;

static long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

/* Three times the slowest of ten broadcasts, at least 2 us. */
static long lead(void) {
    long slowest = 0;
    for (int i = 0; i < 10; i++) {
        MPI_Barrier(comm);
        long sent = now(), own, largest;
        MPI_Bcast(&sent, 1, MPI_LONG, 0, comm);
        own = now() - sent;
        MPI_Allreduce(&own, &largest, 1, MPI_LONG, MPI_MAX, comm);
        if (largest > slowest) slowest = largest;
    }
    return 3 * slowest > 2000 ? 3 * slowest : 2000;
}

/* `warmup` rounds, then `rounds` rounds of `batch` sums over `count` floats, stamped into the arrays. */
void c_loop(int count, int warmup, int rounds, int batch, long *starts, long *ends, unsigned char *late) {
    if (comm == MPI_COMM_NULL) MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    int rank;
    MPI_Comm_rank(comm, &rank);
    /* On pages, and kept while the size stays, as our buffers are. */
    static float *in, *out;
    static int allocated = -1;
    if (count != allocated) {
        size_t bytes = (count * sizeof(float) / 4096 + 1) * 4096;
        free(in);
        free(out);
        in = aligned_alloc(4096, bytes);
        out = aligned_alloc(4096, bytes);
        for (int i = 0; i < count; i++) { in[i] = i % 7 + rank % 5; out[i] = 0; }
        allocated = count;
    }
    long ahead = lead();
    for (int i = -warmup; i < rounds; i++) {
        long at = now() + ahead;
        MPI_Bcast(&at, 1, MPI_LONG, 0, comm);
        unsigned char is_late = now() > at;
        while (now() < at) __builtin_ia32_pause();
        long start = now();
        for (int b = 0; b < batch; b++) MPI_Allreduce(in, out, count, MPI_FLOAT, MPI_SUM, comm);
        long end = now();
        if (i >= 0) { starts[i] = start; ends[i] = end; late[i] = is_late; }
    }
}
