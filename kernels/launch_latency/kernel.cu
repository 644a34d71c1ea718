// Nothing: what is timed is its launch.

extern "C" __global__ void launch_latency() {}
