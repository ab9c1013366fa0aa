// SPDX-License-Identifier: Apache-2.0
#include "cli/keeper_notes.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "core/error.hpp"
#include "core/process_table.hpp"
#include "core/text.hpp"
#include "core/user.hpp"

namespace lockgate {
namespace {

std::string state_home() {
  const char* xdg = std::getenv("XDG_STATE_HOME");
  if (xdg != nullptr && *xdg == '/') {
    return xdg;
  }
  const char* variable = std::getenv("HOME");
  std::string home = variable == nullptr ? "" : variable;
  if (home.empty()) {
    home = find_user(geteuid()).value_or(User{}).home;  // a system service may have no HOME
  }
  if (!home.starts_with('/')) {
    throw Error(ExitCode::config, "no place for the note about the lock that stays held: no HOME",
                "set HOME or XDG_STATE_HOME");
  }
  return home + "/.local/state";
}

void make_private_folder(const std::string& path) {
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    mkdir(path.substr(0, slash).c_str(), 0700);
  }
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    throw Error(exit_code_for_file_errno(errno), fmt::format("cannot create {}: {}", quote(path), errno_text(errno)),
                "the note about the lock that stays held belongs there; set XDG_STATE_HOME to another place");
  }
}

template <typename Number>
Number number_in(const std::map<std::string, std::string>& values, const char* key) {
  Number number{};
  const auto found = values.find(key);
  if (found != values.end()) {
    std::from_chars(found->second.data(), found->second.data() + found->second.size(), number);
  }
  return number;
}

std::string to_text(const KeeperNote& note) {
  return fmt::format(
      "handle={}\nurl={}\nname={}\nmode={}\nkeeper={}\nsince={}\nboot={}\nacquirer={}\nacquirer_since={}\nlost={}\n"
      "not_released={}\nend=\n",
      note.handle, percent_encode(note.lock.url), percent_encode(note.lock.name), to_string(note.mode), note.keeper,
      note.since.time_since_epoch().count(), note.boot, note.acquirer, note.acquirer_since.time_since_epoch().count(),
      percent_encode(note.lost), percent_encode(note.not_released));
}

std::optional<KeeperNote> parse(const std::string& id, const std::string& text) {
  std::map<std::string, std::string> values;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t equals = line.find('=');
    if (equals != std::string::npos) {
      values[line.substr(0, equals)] = percent_decode(line.substr(equals + 1)).value_or("");
    }
  }
  if (!values.contains("end")) {
    return std::nullopt;
  }
  KeeperNote note;
  note.id = id;
  note.handle = values["handle"];
  note.lock = {values["url"], values["name"]};
  note.mode = values["mode"] == "shared" ? Mode::shared : Mode::exclusive;
  note.keeper = number_in<pid_t>(values, "keeper");
  note.since = BootTime(Duration(number_in<BootTime::rep>(values, "since")));
  note.boot = values["boot"];
  note.acquirer = number_in<pid_t>(values, "acquirer");
  note.acquirer_since = BootTime(Duration(number_in<BootTime::rep>(values, "acquirer_since")));
  note.lost = values["lost"];
  note.not_released = values["not_released"];
  return note;
}

}  // namespace

std::string boot_id() {
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(in, id);
  return id;
}

std::optional<Process> KeeperNote::find_keeper() const {
  return boot == boot_id() ? Process::find(keeper, since) : std::nullopt;
}

bool KeeperNote::acquirer_runs() const {
  const auto process = read_process(acquirer);
  return boot == boot_id() && process && process->alive() && Process::find(acquirer, acquirer_since);
}

KeeperNotes::KeeperNotes() : folder_(state_home() + "/lockgate/keepers") {
}

void KeeperNotes::write(const KeeperNote& note) const {
  make_private_folder(folder_);
  const std::string path = folder_ + "/" + note.id;
  const std::string fresh = path + ".new";
  const std::string text = to_text(note);
  const UniqueFd file(open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  const bool written = file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (!written || rename(fresh.c_str(), path.c_str()) != 0) {
    const int error = errno == 0 ? ENOSPC : errno;
    unlink(fresh.c_str());
    throw Error(exit_code_for_file_errno(error), fmt::format("cannot write {}: {}", quote(path), errno_text(error)));
  }
}

void KeeperNotes::remove(const std::string& id) const {
  unlink((folder_ + "/" + id).c_str());
}

UniqueFd KeeperNotes::claim(const std::string& id) const {
  UniqueFd note(open((folder_ + "/" + id).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  struct stat st {};
  const bool is_there = note && flock(note.get(), LOCK_EX) == 0 && fstat(note.get(), &st) == 0 && st.st_nlink > 0;
  return is_there ? std::move(note) : UniqueFd();
}

std::vector<KeeperNote> KeeperNotes::read() const {
  std::vector<KeeperNote> notes;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, ignored)) {
    std::ifstream in(entry.path());
    std::ostringstream text;
    text << in.rdbuf();
    if (auto note = parse(entry.path().filename().string(), text.str())) {
      notes.push_back(std::move(*note));
    }
  }
  return notes;
}

}  // namespace lockgate
