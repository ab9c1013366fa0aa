// SPDX-License-Identifier: Apache-2.0
// The configuration file as a small tree that keeps the place of everything. config_tree.cpp alone knows the parser.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "core/error.hpp"

namespace lockgate::configuration {

struct TreeNode {
  enum class Type { nothing, text, list, map };
  Type type = Type::nothing;
  int line = 1;
  int column = 1;
  bool quoted = false;
  std::string text;
  std::vector<TreeNode> children;  // of a map: key, value, key, value...
};

/// The file as messages name it, and what its relative paths are relative to.
struct Source {
  std::string shown;
  std::string folder;

  [[nodiscard]] std::string place(int line, int column) const { return fmt::format("{}:{}:{}", shown, line, column); }
  [[nodiscard]] std::string place(const TreeNode& node) const { return place(node.line, node.column); }
  [[noreturn]] void refuse(const TreeNode& node, const std::string& what, std::string next_step = {}) const {
    throw Error(ExitCode::config, place(node) + ": " + what, std::move(next_step));
  }
};

/// Quoted and short: a value may be as long as the file.
std::string shown(const std::string& text);

/// Throws Error(config) for what is no YAML, and for what could make a small file large or ambiguous.
TreeNode parse(const std::string& content, const Source& source);

}  // namespace lockgate::configuration
