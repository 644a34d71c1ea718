// What nccl.h says must be what src/backend/cuda/nccl/functions.rs takes it for.
#include <nccl.h>
#include <stddef.h>

#define IS(constant, number) _Static_assert((constant) == (number), #constant)
IS(ncclSuccess, 0);
IS(ncclUnhandledCudaError, 1);
IS(ncclSystemError, 2);
IS(ncclRemoteError, 6);
IS(ncclInProgress, 7);
IS(NCCL_WIN_COLL_SYMMETRIC, 1);
IS(NCCL_SPLIT_NOCOLOR, -1);
IS(sizeof(ncclWindow_t), sizeof(void *));
IS(sizeof(ncclUniqueId), 128);
IS(sizeof(ncclResult_t), sizeof(int));
IS(ncclFloat8e5m2, 11);
IS(ncclAvg, 4);
IS(ncclScalarHostImmediate, 1);
// The structure of 2.30, whose size and version the program passes on, is the first part of it.
IS(offsetof(ncclConfig_t, size), 0);
IS(offsetof(ncclConfig_t, magic), 8);
IS(offsetof(ncclConfig_t, version), 12);
IS(offsetof(ncclConfig_t, blocking), 16);
IS(offsetof(ncclConfig_t, netName), 32);
IS(offsetof(ncclConfig_t, commName), 48);
IS(offsetof(ncclConfig_t, maxP2pPeers), 88);

// Of the same types, but for pointers to what is behind handles.
#define HAS(function, ...) \
    static ncclResult_t (*const is_##function)(__VA_ARGS__) __attribute__((unused)) = function
HAS(ncclMemAlloc, void **, size_t);
HAS(ncclMemFree, void *);
HAS(ncclCommRegister, ncclComm_t, void *, size_t, void **);
HAS(ncclCommDeregister, ncclComm_t, void *);
HAS(ncclCommWindowRegister, ncclComm_t, void *, size_t, ncclWindow_t *, int);
HAS(ncclCommWindowDeregister, ncclComm_t, ncclWindow_t);
HAS(ncclCommInitRankConfig, ncclComm_t *, int, ncclUniqueId, int, ncclConfig_t *);
HAS(ncclCommSplit, ncclComm_t, int, int, ncclComm_t *, ncclConfig_t *);
HAS(ncclCommGetAsyncError, ncclComm_t, ncclResult_t *);
HAS(ncclAllReduce, const void *, void *, size_t, ncclDataType_t, ncclRedOp_t, ncclComm_t, cudaStream_t);
HAS(ncclSend, const void *, size_t, ncclDataType_t, int, ncclComm_t, cudaStream_t);
