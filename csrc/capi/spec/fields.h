// Fields of JSON objects, read strictly: of their types, none missing, none unknown.
#pragma once

#include <string>
#include <vector>

#include "capi/spec/json.h"

namespace hpe {

// A value and the name of its place in the document, for messages.
class Field {
public:
    Field(const JsonValue& value, std::string where) : value_(&value), where_(std::move(where)) {}

    const std::string& where() const { return where_; }
    bool is_null() const { return value_->kind == JsonValue::Kind::kNull; }

    bool boolean() const;
    double number() const;  // finite
    int whole(int least, int most) const;
    void any_whole() const;                                     // checks the type alone
    std::string text() const;                                   // a C string: without NUL
    int choice(const std::vector<const char*>& choices) const;  // the index
    std::vector<Field> list() const;
    std::vector<double> numbers(size_t count) const;
    std::vector<std::string> texts() const;
    void table(bool of_numbers) const;  // checks an object of texts or numbers

    [[noreturn]] void refuse(const std::string& wanted) const;

private:
    friend class Object;
    const JsonValue* value_;
    std::string where_;
};

// An object whose fields are taken by name; `take` refuses one that is missing, `done` those that nobody took.
class Object {
public:
    explicit Object(const Field& field);

    // A field was called `old` by earlier versions.
    void renamed(const char* old, const char* name);
    bool has(const char* name) const;
    Field take(const char* name);
    void done() const;

private:
    std::string actual(const std::string& name) const;

    const JsonValue* value_;
    std::string where_;
    std::string old_, new_;
    std::vector<std::string> taken_;
};

}  // namespace hpe
