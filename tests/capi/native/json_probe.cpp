// Reads JSON texts from standard input, each after its length in bytes and a line feed; prints a line for each: what it
// was taken for, in one fixed form, or "refused".
#include <cstdio>
#include <iostream>
#include <string>

#include "capi/errors.h"
#include "capi/spec/json.h"

namespace {

void append_text(const std::string& text, std::string& out) {
    char hex[3];
    out += '"';
    for (const char c : text) {
        std::snprintf(hex, sizeof hex, "%02x", static_cast<unsigned char>(c));
        out += hex;
    }
    out += '"';
}

void append(const hpe::JsonValue& value, std::string& out) {
    using Kind = hpe::JsonValue::Kind;
    char number[64];
    switch (value.kind) {
        case Kind::kNull:
            out += "null";
            break;
        case Kind::kBoolean:
            out += value.boolean ? "true" : "false";
            break;
        case Kind::kNumber:
            std::snprintf(number, sizeof number, "%s%a", value.whole ? "whole " : "", value.number);
            out += number;
            break;
        case Kind::kString:
            append_text(value.text, out);
            break;
        case Kind::kArray:
        case Kind::kObject:
            out += value.kind == Kind::kArray ? '[' : '{';
            for (size_t i = 0; i < value.items.size(); ++i) {
                if (i) out += ',';
                if (value.kind == Kind::kObject) {
                    append_text(value.names[i], out);
                    out += ':';
                }
                append(value.items[i], out);
            }
            out += value.kind == Kind::kArray ? ']' : '}';
    }
}

}  // namespace

int main() {
    for (size_t length; std::cin >> length;) {
        std::cin.get();
        std::string text(length, '\0'), line;
        std::cin.read(text.data(), static_cast<std::streamsize>(length));
        try {
            append(hpe::parse_json(text.data(), length), line);
        } catch (const hpe::Failure&) {
            line = "refused";
        }
        std::puts(line.c_str());
    }
}
