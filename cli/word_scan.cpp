// SPDX-License-Identifier: Apache-2.0
// One pass over the words. The table of options says which of them take the next word with them.
#include "cli/word_scan.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace lockgate {
namespace {

class Scanner {
 public:
  explicit Scanner(std::vector<std::string> words) : words_(std::move(words)) {}

  Scanned scan() {
    while (at_ < words_.size()) {
      const std::string& word = words_[at_++];
      if (options_ended_ || word.size() < 2 || word[0] != '-') {
        take_operand(word);
      } else if (word == "--") {
        end_options();
      } else if (word[1] == '-') {
        take_long(word);
      } else {
        take_cluster(word);
      }
    }
    return std::move(out_);
  }

 private:
  void end_options() {
    options_ended_ = true;
    out_.dashes_first = !command_seen();
    if (out_.command == CommandKind::exec && !out_.names.empty()) {
      take_rest();
    }
  }

  void take_operand(const std::string& word) {
    if (!command_seen()) {
      take_command(word);
    } else if (out_.command == CommandKind::exec && !out_.names.empty()) {
      --at_;
      take_rest();
    } else {
      out_.names.push_back(word);
      if (out_.command == CommandKind::exec && options_ended_) {
        // The `--` that let NAME begin with a dash is used up, so a second one may part NAME and COMMAND.
        at_ += at_ < words_.size() && words_[at_] == "--" ? 1 : 0;
        take_rest();
      }
    }
  }

  [[nodiscard]] bool command_seen() const { return out_.command.has_value() || out_.unknown_command.has_value(); }

  void take_command(const std::string& word) {
    if (word == "help") {
      out_.command = CommandKind::help;
      return;
    }
    for (const CommandSpec& command : command_table()) {
      if (command.name == word) {
        out_.command = command.kind;
        return;
      }
    }
    out_.unknown_command = word;
  }

  void take_rest() {
    out_.argv.assign(words_.begin() + static_cast<std::ptrdiff_t>(at_), words_.end());
    at_ = words_.size();
  }

  void note(std::string text, const OptionSpec* option, Found::Flaw flaw) {
    out_.found.push_back({std::move(text), option, flaw, !command_seen()});
  }

  void take_long(const std::string& word) {
    const std::size_t equals = word.find('=');
    std::string text = word.substr(0, equals);
    const OptionSpec* const option = find_option(std::string_view(text).substr(2));
    const bool attached = equals != std::string::npos;
    if (option == nullptr || (attached && !option->takes_value())) {
      note(std::move(text), option, option == nullptr ? Found::Flaw::unknown : Found::Flaw::unwanted_value);
    } else if (attached) {
      // Two words, because CLI11 takes `--value=` for an option whose value is still to come.
      out_.option_words.insert(out_.option_words.end(), {text, word.substr(equals + 1)});
      note(std::move(text), option, Found::Flaw::none);
    } else {
      out_.option_words.push_back(word);
      note(std::move(text), option, option->takes_value() ? take_value() : Found::Flaw::none);
    }
  }

  /// `-n`, `-sn`, `-w5`, `-nw5`, `-nw 5`.
  void take_cluster(const std::string& word) {
    out_.option_words.push_back(word);
    for (std::size_t i = 1; i < word.size(); ++i) {
      const OptionSpec* const option = find_option(word[i]);
      if (word[i] == '=' && i > 1) {
        note({'-', word[i - 1]}, find_option(word[i - 1]), Found::Flaw::unwanted_value);
        return;
      }
      if (option == nullptr) {
        note(word, nullptr, Found::Flaw::unknown);
        return;
      }
      const bool last = i + 1 == word.size();
      note({'-', word[i]}, option, option->takes_value() && last ? take_value() : Found::Flaw::none);
      if (option->takes_value()) {
        return;
      }
    }
  }

  Found::Flaw take_value() {
    if (at_ == words_.size()) {
      return Found::Flaw::no_value;
    }
    out_.option_words.push_back(words_[at_++]);
    return Found::Flaw::none;
  }

  std::vector<std::string> words_;
  std::size_t at_ = 0;
  bool options_ended_ = false;
  Scanned out_;
};

}  // namespace

bool Scanned::asks_for(std::string_view option) const {
  return std::any_of(found.begin(), found.end(), [option](const Found& f) {
    return f.option != nullptr && f.option->name == option && f.flaw == Found::Flaw::none;
  });
}

Scanned scan_words(std::vector<std::string> words) {
  return Scanner(std::move(words)).scan();
}

}  // namespace lockgate
