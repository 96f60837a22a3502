// Failures inside the library, and the boundary where they become codes and messages.
#pragma once

#include <stdexcept>
#include <string>

#include "hpe_edge.h"

namespace hpe {

class Failure : public std::runtime_error {
public:
    Failure(hpe_status status, const std::string& message) : std::runtime_error(message), status_(status) {}
    hpe_status status() const { return status_; }

private:
    hpe_status status_;
};

// Throws; `format` as printf's.
#if defined(__MINGW32__)
__attribute__((format(gnu_printf, 2, 3)))
#elif defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
[[noreturn]] void fail(hpe_status status, const char* format, ...);

// The code of the exception that is being handled; its message is kept for the calling thread.
hpe_status report_exception() noexcept;

const char* last_error() noexcept;

// Runs what may throw; everything behind the interface goes through here.
template <typename Work>
hpe_status guarded(const Work& work) noexcept {
    try {
        work();
        return HPE_OK;
    } catch (...) {
        return report_exception();
    }
}

}  // namespace hpe
