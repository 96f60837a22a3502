#include "capi/errors.h"

#include <cstdarg>
#include <cstdio>
#include <new>

namespace hpe {
namespace {

constexpr size_t kMessageBytes = 1024;

// Of a fixed size: keeping a message must not fail where memory is exhausted.
thread_local char message[kMessageBytes] = "";

// Cut before a character of several bytes, not within it.
void keep(const char* text) noexcept {
    size_t length = 0;
    while (length + 1 < kMessageBytes && text[length]) ++length;
    if (text[length])
        while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
    for (size_t i = 0; i < length; ++i) message[i] = text[i];
    message[length] = '\0';
}

}  // namespace

void fail(hpe_status status, const char* format, ...) {
    // Longer than what is kept, which is cut between characters.
    char text[2 * kMessageBytes];
    va_list values;
    va_start(values, format);
    std::vsnprintf(text, sizeof text, format, values);
    va_end(values);
    throw Failure(status, text);
}

hpe_status report_exception() noexcept {
    try {
        throw;
    } catch (const Failure& failure) {
        keep(failure.what());
        return failure.status();
    } catch (const std::bad_alloc&) {
        keep("memory is exhausted; pass fewer faces at once");
        return HPE_OUT_OF_MEMORY;
    } catch (const std::exception& error) {
        keep(error.what());
        return HPE_INTERNAL;
    } catch (...) {
        keep("an unknown exception");
        return HPE_INTERNAL;
    }
}

const char* last_error() noexcept {
    return message;
}

}  // namespace hpe
