#include "capi/spec/json.h"

#include <algorithm>
#include <limits>
#include <locale>
#include <sstream>

#include "capi/errors.h"

namespace hpe {
namespace {

constexpr int kMostDepth = 64;        // a spec has five levels
constexpr size_t kMostDigits = 4300;  // of a whole number, as in Python

class Parser {
public:
    Parser(const char* text, size_t length) : at_(text), begin_(text), end_(text + length) {}

    JsonValue document() {
        JsonValue value = any(0);
        skip_space();
        if (at_ != end_) refuse("more follows the end");
        return value;
    }

private:
    [[noreturn]] void refuse(const char* what) const {
        fail(HPE_INVALID_SPEC, "the model's spec is not JSON (%s at byte %zu); export the model again", what,
             static_cast<size_t>(at_ - begin_));
    }

    char peek() const { return at_ == end_ ? '\0' : *at_; }
    bool digit() const { return peek() >= '0' && peek() <= '9'; }

    bool take(char c) {
        if (at_ == end_ || *at_ != c) return false;
        ++at_;
        return true;
    }

    void skip_space() {
        while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') ++at_;
    }

    void word(const char* rest) {
        for (; *rest; ++rest)
            if (!take(*rest)) refuse("an unknown word");
    }

    JsonValue any(int depth) {
        if (depth > kMostDepth) refuse("too many levels");
        skip_space();
        JsonValue value;
        switch (peek()) {
            case '{':
                object(depth, value);
                break;
            case '[':
                array(depth, value);
                break;
            case '"':
                value.kind = JsonValue::Kind::kString;
                value.text = string();
                break;
            case 't':
            case 'f':
                value.kind = JsonValue::Kind::kBoolean;
                value.boolean = peek() == 't';
                word(value.boolean ? "true" : "false");
                break;
            case 'n':
                word("null");
                break;
            default:
                number(value);
        }
        return value;
    }

    void object(int depth, JsonValue& value) {
        value.kind = JsonValue::Kind::kObject;
        ++at_;
        skip_space();
        if (take('}')) return;
        do {
            skip_space();
            if (peek() != '"') refuse("a field's name was expected");
            std::string name = string();
            if (std::find(value.names.begin(), value.names.end(), name) != value.names.end())
                refuse("a field that is named twice");
            skip_space();
            if (!take(':')) refuse("a colon was expected");
            value.names.push_back(std::move(name));
            value.items.push_back(any(depth + 1));
            skip_space();
        } while (take(','));
        if (!take('}')) refuse("a comma or } was expected");
    }

    void array(int depth, JsonValue& value) {
        value.kind = JsonValue::Kind::kArray;
        ++at_;
        skip_space();
        if (take(']')) return;
        do {
            value.items.push_back(any(depth + 1));
            skip_space();
        } while (take(','));
        if (!take(']')) refuse("a comma or ] was expected");
    }

    void number(JsonValue& value) {
        const char* start = at_;
        take('-');
        const char* digits = at_;
        if (!take('0')) skip_digits("a value was expected");
        value.whole = true;
        if (static_cast<size_t>(at_ - digits) > kMostDigits) refuse("a number of too many digits");
        if (take('.')) {
            value.whole = false;
            skip_digits("a digit was expected");
        }
        if (take('e') || take('E')) {
            value.whole = false;
            if (!take('+')) take('-');
            skip_digits("a digit was expected");
        }
        value.kind = JsonValue::Kind::kNumber;
        value.text.assign(start, at_);
        value.number = to_double(value.text);
    }

    void skip_digits(const char* otherwise) {
        if (!digit()) refuse(otherwise);
        while (digit()) ++at_;
    }

    // strtod would follow the process's locale, and from_chars of doubles came with GCC 11.
    static double to_double(const std::string& text) {
        std::istringstream stream(text);
        stream.imbue(std::locale::classic());
        double number = 0.0;
        if (stream >> number) return number;
        const bool overflowed = number > 1.0 || number < -1.0;
        if (!overflowed) return number;
        return number > 0 ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
    }

    std::string string() {
        ++at_;
        std::string out;
        for (;;) {
            if (at_ == end_) refuse("a string without an end");
            const char c = *at_;
            if (static_cast<unsigned char>(c) < 0x20) refuse("a control character in a string");
            ++at_;
            if (c == '"') return out;
            if (c == '\\')
                escape(out);
            else
                out.push_back(c);
        }
    }

    void escape(std::string& out) {
        static const char letters[] = "\"\\/bfnrt";
        static const char meanings[] = "\"\\/\b\f\n\r\t";
        const char c = peek();
        const char* found = c ? std::find(letters, letters + 8, c) : letters + 8;
        if (found != letters + 8) {
            ++at_;
            out.push_back(meanings[found - letters]);
            return;
        }
        if (!take('u')) refuse("an unknown escape");
        unsigned code = hex();
        if (code >= 0xD800 && code < 0xDC00) {
            if (!take('\\') || !take('u')) refuse("half a character");
            const unsigned low = hex();
            if (low < 0xDC00 || low > 0xDFFF) refuse("half a character");
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        } else if (code >= 0xDC00 && code <= 0xDFFF) {
            refuse("half a character");
        }
        append_utf8(code, out);
    }

    unsigned hex() {
        unsigned code = 0;
        for (int i = 0; i < 4; ++i) {
            const char c = peek();
            const bool lower = c >= 'a' && c <= 'f', upper = c >= 'A' && c <= 'F';
            if (!digit() && !lower && !upper) refuse("four hexadecimal digits were expected");
            code = code * 16 + static_cast<unsigned>(digit() ? c - '0' : lower ? c - 'a' + 10 : c - 'A' + 10);
            ++at_;
        }
        return code;
    }

    static void append_utf8(unsigned code, std::string& out) {
        const auto put = [&](unsigned byte) { out.push_back(static_cast<char>(byte)); };
        if (code < 0x80) return put(code);
        if (code < 0x800) {
            put(0xC0 | (code >> 6));
        } else {
            if (code < 0x10000) {
                put(0xE0 | (code >> 12));
            } else {
                put(0xF0 | (code >> 18));
                put(0x80 | ((code >> 12) & 0x3F));
            }
            put(0x80 | ((code >> 6) & 0x3F));
        }
        put(0x80 | (code & 0x3F));
    }

    const char* at_;
    const char* begin_;
    const char* end_;
};

}  // namespace

const JsonValue* JsonValue::find(const std::string& name) const {
    const auto found = std::find(names.begin(), names.end(), name);
    return found == names.end() ? nullptr : &items[found - names.begin()];
}

bool is_utf8(const char* text, size_t length) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
    for (size_t i = 0; i < length;) {
        const unsigned first = byte(i);
        const int more = first < 0x80   ? 0
                         : first < 0xC2 ? -1
                         : first < 0xE0 ? 1
                         : first < 0xF0 ? 2
                         : first < 0xF5 ? 3
                                        : -1;
        if (more < 0 || i + static_cast<size_t>(more) >= length) return false;
        for (int k = 1; k <= more; ++k)
            if ((byte(i + k) & 0xC0) != 0x80) return false;
        const unsigned second = more > 0 ? byte(i + 1) : 0;
        if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)) return false;
        if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) return false;
        i += static_cast<size_t>(more) + 1;
    }
    return true;
}

JsonValue parse_json(const char* text, size_t length) {
    if (!is_utf8(text, length))
        fail(HPE_INVALID_SPEC, "the model's spec is not JSON (it is not UTF-8); export the model again");
    return Parser(text, length).document();
}

}  // namespace hpe
