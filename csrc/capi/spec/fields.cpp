#include "capi/spec/fields.h"

#include <algorithm>
#include <cmath>

#include "capi/errors.h"

namespace hpe {
namespace {

using Kind = JsonValue::Kind;

constexpr double kLargest = 1e300;

std::string shown(const JsonValue& value) {
    switch (value.kind) {
        case Kind::kNull:
            return "null";
        case Kind::kBoolean:
            return value.boolean ? "true" : "false";
        case Kind::kNumber:
            return value.text.substr(0, 40);
        case Kind::kString:
            return "'" + value.text.substr(0, 40) + "'";
        case Kind::kArray:
            return "a list of " + std::to_string(value.items.size());
        case Kind::kObject:
            return "an object";
    }
    return "";
}

}  // namespace

void Field::refuse(const std::string& wanted) const {
    fail(HPE_INVALID_SPEC, "%s must be %s, got %s; export the model again", where_.c_str(), wanted.c_str(),
         shown(*value_).c_str());
}

bool Field::boolean() const {
    if (value_->kind != Kind::kBoolean) refuse("true or false");
    return value_->boolean;
}

double Field::number() const {
    if (value_->kind != Kind::kNumber) refuse("a number");
    if (!(std::fabs(value_->number) < kLargest)) refuse("a finite number");
    return value_->number;
}

void Field::any_whole() const {
    if (value_->kind != Kind::kNumber || !value_->whole) refuse("a whole number");
}

int Field::whole(int least, int most) const {
    any_whole();
    if (!(value_->number >= least && value_->number <= most))
        refuse(std::to_string(least) + ".." + std::to_string(most));
    return static_cast<int>(value_->number);
}

std::string Field::text() const {
    if (value_->kind != Kind::kString) refuse("text");
    if (value_->text.find('\0') != std::string::npos) refuse("text without the character NUL");
    return value_->text;
}

int Field::choice(const std::vector<const char*>& choices) const {
    std::string names;
    for (size_t i = 0; i < choices.size(); ++i) {
        if (value_->kind == Kind::kString && value_->text == choices[i]) return static_cast<int>(i);
        names += (i ? ", " : "one of ") + std::string(choices[i]);
    }
    refuse(names);
}

std::vector<Field> Field::list() const {
    if (value_->kind != Kind::kArray) refuse("a list");
    std::vector<Field> fields;
    for (size_t i = 0; i < value_->items.size(); ++i)
        fields.emplace_back(value_->items[i], where_ + "[" + std::to_string(i) + "]");
    return fields;
}

std::vector<double> Field::numbers(size_t count) const {
    std::vector<double> found;
    for (const Field& each : list()) found.push_back(each.number());
    if (found.size() != count) refuse("a list of " + std::to_string(count));
    return found;
}

std::vector<std::string> Field::texts() const {
    std::vector<std::string> found;
    for (const Field& each : list()) found.push_back(each.text());
    return found;
}

void Field::table(bool of_numbers) const {
    if (value_->kind != Kind::kObject) refuse("an object");
    for (size_t i = 0; i < value_->items.size(); ++i) {
        const Field each(value_->items[i], where_ + "." + value_->names[i]);
        if (of_numbers)
            each.number();
        else
            each.text();
    }
}

Object::Object(const Field& field) : value_(field.value_), where_(field.where_) {
    if (value_->kind != Kind::kObject) field.refuse("an object");
}

void Object::renamed(const char* old, const char* name) {
    if (value_->find(name)) return;
    old_ = old;
    new_ = name;
}

std::string Object::actual(const std::string& name) const {
    return !new_.empty() && name == new_ ? old_ : name;
}

bool Object::has(const char* name) const {
    return value_->find(actual(name)) != nullptr;
}

Field Object::take(const char* name) {
    const std::string stored = actual(name);
    const JsonValue* found = value_->find(stored);
    if (!found) fail(HPE_INVALID_SPEC, "%s lacks the field '%s'; export the model again", where_.c_str(), name);
    taken_.push_back(stored);
    return Field(*found, where_ + "." + name);
}

void Object::done() const {
    for (const std::string& name : value_->names)
        if (std::find(taken_.begin(), taken_.end(), name) == taken_.end())
            fail(HPE_INVALID_SPEC,
                 "%s has the unknown field '%s'; it was written by another version: upgrade libhpe_edge or export the "
                 "model again",
                 where_.c_str(), name.c_str());
}

}  // namespace hpe
