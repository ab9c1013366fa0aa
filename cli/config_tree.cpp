// SPDX-License-Identifier: Apache-2.0
// From bytes to the tree, event by event, so that a bad file is refused before it has grown in memory.
#include "cli/config_tree.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string_view>
#include <utility>

#include "core/text.hpp"

namespace lockgate::configuration {

namespace {

constexpr std::size_t kMaxDepth = 16;

/// Builds the tree from the parser's events, and refuses on the way what could make a small file large or ambiguous.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const Source& source) : source_(source) {}

  TreeNode take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) {
      source_.refuse(node_at(mark), "a second document begins here",
                     "a configuration is one document: remove the \"---\"");
    }
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add(checked(mark, "", anchor)); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override { add(checked(mark, "", anchor)); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    TreeNode node = checked(mark, tag, anchor);
    node.type = TreeNode::Type::text;
    node.quoted = tag == "!";
    node.text = value;
    add(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(checked(mark, tag, anchor), TreeNode::Type::list);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(checked(mark, tag, anchor), TreeNode::Type::map);
  }
  void OnMapEnd() override {
    check_keys(open_.back());
    place_missing_values(open_.back());
    close();
  }

 private:
  static TreeNode node_at(const YAML::Mark& mark) {
    TreeNode node;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    return node;
  }

  [[nodiscard]] TreeNode checked(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) const {
    TreeNode node = node_at(mark);
    if (anchor != YAML::NullAnchor) {
      source_.refuse(node, "anchors (&) and aliases (*) are not allowed",
                     "write the value out; quote a text that begins with & or *");
    }
    if (!tag.empty() && tag != "?" && tag != "!") {
      source_.refuse(node, "tags (!) are not allowed", "quote a text that begins with !");
    }
    return node;
  }

  void open(TreeNode node, TreeNode::Type type) {
    if (open_.size() == kMaxDepth) {
      source_.refuse(node, fmt::format("nested deeper than {} levels", kMaxDepth));
    }
    node.type = type;
    open_.push_back(std::move(node));
  }

  void close() {
    TreeNode node = std::move(open_.back());
    open_.pop_back();
    add(std::move(node));
  }

  void add(TreeNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
    } else {
      open_.back().children.push_back(std::move(node));
    }
  }

  void check_keys(const TreeNode& map) const {
    std::map<std::string_view, int> line_of;
    for (std::size_t i = 0; i < map.children.size(); i += 2) {
      const TreeNode& key = map.children[i];
      if (key.type != TreeNode::Type::text) {
        source_.refuse(key, "a key must be a word");
      }
      if (key.text == "<<" && !key.quoted) {
        source_.refuse(key, "merge keys (<<) are not allowed", "write the keys out");
      }
      const auto [first, is_new] = line_of.emplace(key.text, key.line);
      if (!is_new) {
        source_.refuse(key, fmt::format("key {} is here twice, first in line {}", shown(key.text), first->second));
      }
    }
  }

  /// The parser sees that a value is missing only at whatever comes next, maybe lines below its key.
  static void place_missing_values(TreeNode& map) {
    for (std::size_t i = 0; i + 1 < map.children.size(); i += 2) {
      const TreeNode& key = map.children[i];
      TreeNode& value = map.children[i + 1];
      if (value.type == TreeNode::Type::nothing && value.line != key.line) {
        value.line = key.line;
        value.column = key.column;
      }
    }
  }

  const Source& source_;
  int documents_ = 0;
  TreeNode root_;
  std::vector<TreeNode> open_;  // maps and lists that have begun, outermost first
};

/// The parser takes a byte 4 for the end of the file, and other control bytes for text.
void check_bytes(const std::string& content, const Source& source) {
  std::string_view rest = content;
  if (rest.starts_with("\xEF\xBB\xBF")) {
    rest.remove_prefix(3);
  }
  TreeNode place;
  for (; !rest.empty(); ++place.line) {
    std::string line(rest.substr(0, rest.find('\n')));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.ends_with('\r')) {
      line.pop_back();
    }
    std::replace(line.begin(), line.end(), '\t', ' ');
    if (const auto flaw = find_flaw(line)) {
      place.column = static_cast<int>(flaw->offset) + 1;
      source.refuse(place, flaw->what, "a configuration is UTF-8 text");
    }
  }
}

}  // namespace

std::string shown(const std::string& text) {
  constexpr std::size_t kLongest = 80;
  return text.size() <= kLongest ? quote(text) : quote(text.substr(0, kLongest)) + "...";
}

TreeNode parse(const std::string& content, const Source& source) {
  check_bytes(content, source);
  TreeBuilder builder(source);
  try {
    // An end mark of our own: the parser takes the end of the file for the missing end of a quoted text.
    std::istringstream in(content + (content.ends_with('\n') ? "...\n" : "\n...\n"));
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& e) {
    throw Error(ExitCode::config,
                fmt::format("{}: not valid YAML: {}", source.place(e.mark.line + 1, e.mark.column + 1), e.msg),
                "look at indentation, colons, brackets and quotes there and in the line before");
  }
  return builder.take_root();
}

}  // namespace lockgate::configuration
