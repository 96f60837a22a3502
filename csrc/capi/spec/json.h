// A strict reader of JSON (RFC 8259), for specs: no comments, no NaN, valid UTF-8 alone.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace hpe {

struct JsonValue {
    enum class Kind { kNull, kBoolean, kNumber, kString, kArray, kObject };

    Kind kind = Kind::kNull;
    bool boolean = false;
    bool whole = false;              // a number without fraction and exponent
    double number = 0.0;             // infinite where double ends
    std::string text;                // of a string; of a number, as it was written
    std::vector<std::string> names;  // of an object's fields, in their order, all different
    std::vector<JsonValue> items;    // of an array; of an object, the fields' values

    // The value of a field; null where an object has none.
    const JsonValue* find(const std::string& name) const;
};

// Throws Failure (HPE_INVALID_SPEC), with the place, for anything that is not one JSON text.
JsonValue parse_json(const char* text, size_t length);

// True for UTF-8 without overlong forms and surrogates.
bool is_utf8(const char* text, size_t length);

}  // namespace hpe
