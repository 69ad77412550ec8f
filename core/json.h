// JSON from outside: configuration files, headers and metadata of checkpoints, result files. The library's parser accepts
// any depth, and its writer and copies then run out of stack; its messages are meant for programmers.
#pragma once

#include <exception>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace qcface {

/// Deeper than anything that is read here (five), and far from the end of the stack.
constexpr int kDeepestJson = 64;

/// Json: nlohmann::json, or nlohmann::ordered_json, which keeps the order of keys. Throws Error without a file name, for
/// example: parse error at line 3, column 7: ...; values nest deeper than 64; number overflow parsing '1e999' (at "lr").
template <class Json = nlohmann::json>
Json parse_json(std::string_view text, bool ignore_comments = false);

/// The same; nothing where the text is no JSON or nests too deep.
template <class Json = nlohmann::json>
std::optional<Json> try_parse_json(std::string_view text);

/// The sentence in an exception of the JSON library, without its "[json.exception.type_error.302] " and without control
/// characters: "type must be string, but is null".
std::string json_problem(const std::exception& error);

}  // namespace qcface
