// The CUDA driver's functions that a batch calls, by their addresses: nothing is linked, so that one extension serves
// every host, also one that was built without nvcc, and tests can stand in for the driver.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace hpe {

struct DriverCalls {
    using Handle = void*;  // CUcontext, CUstream, CUevent, CUgraphExec: the runtime's handles are the same

    int (*push_context)(Handle context);
    int (*pop_context)(Handle* context);
    int (*copy_in)(uint64_t to, const void* from, size_t bytes, Handle stream);  // cuMemcpyHtoDAsync
    int (*record_event)(Handle event, Handle stream);
    int (*wait_event)(Handle stream, Handle event, unsigned flags);
    int (*launch_graph)(Handle graph, Handle stream);
    int (*synchronize)(Handle stream);
    int (*pointer_attribute)(void* value, int attribute, uint64_t address);
};

// A call that the driver refused: `code` is a CUresult.
class DriverError : public std::runtime_error {
public:
    DriverError(const char* doing, int code_) : std::runtime_error(doing), code(code_) {}
    int code;
};

inline void check_driver(const char* doing, int code) {
    if (code != 0) throw DriverError(doing, code);
}

// The context is the thread's current one while this lives.
class EnteredContext {
public:
    EnteredContext(const DriverCalls& calls, DriverCalls::Handle context) : calls_(calls) {
        check_driver("entering the CUDA context", calls.push_context(context));
    }
    ~EnteredContext() {
        DriverCalls::Handle popped = nullptr;
        calls_.pop_context(&popped);
    }
    EnteredContext(const EnteredContext&) = delete;
    EnteredContext& operator=(const EnteredContext&) = delete;

private:
    const DriverCalls& calls_;
};

// Launches a graph and waits for its end.
inline void run_graph(const DriverCalls& calls, DriverCalls::Handle context, DriverCalls::Handle graph,
                      DriverCalls::Handle stream) {
    const EnteredContext entered(calls, context);
    check_driver("launching a CUDA graph", calls.launch_graph(graph, stream));
    check_driver("running on the GPU", calls.synchronize(stream));
}

// Whether memory is a GPU's, and of a context or of none, as that of a pool is.
inline bool owns_memory(const DriverCalls& calls, uint64_t address, int gpu, DriverCalls::Handle context) {
    constexpr int kContext = 1, kDeviceOrdinal = 9;  // of CUpointer_attribute
    int ordinal = -1;
    DriverCalls::Handle owner = nullptr;
    return calls.pointer_attribute(&ordinal, kDeviceOrdinal, address) == 0 && ordinal == gpu &&
           calls.pointer_attribute(&owner, kContext, address) == 0 && (!owner || owner == context);
}

}  // namespace hpe
