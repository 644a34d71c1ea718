// nccl.h uses nothing of it.
