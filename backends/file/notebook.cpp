// SPDX-License-Identifier: Apache-2.0
#include "backends/file/notebook.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <memory>

#include "core/error.hpp"
#include "core/text.hpp"

namespace lockgate::file {
namespace {

constexpr std::size_t kKeyLength = 64;

std::string shared_entry(const std::string& key, std::uint64_t id) {
  return fmt::format("{}.s-{:010x}", key, id);
}
std::string waiter_entry(const std::string& key, std::uint64_t id) {
  return fmt::format("{}.w-{:010x}", key, id);
}

std::string read_text(int fd, std::size_t most) {
  struct stat st {};
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
    return "";
  }
  std::string text(std::min(most, static_cast<std::size_t>(st.st_size)), '\0');
  std::size_t length = 0;
  while (length < text.size()) {
    const ssize_t got = pread(fd, text.data() + length, text.size() - length, static_cast<off_t>(length));
    if (got <= 0) {
      break;
    }
    length += static_cast<std::size_t>(got);
  }
  text.resize(length);
  return text;
}

/// A note with a value of the largest size, every byte of it encoded as three.
constexpr std::size_t kMaxNote = 4 * kMaxValue;

std::string read_entry(int dir, const std::string& entry) {
  const UniqueFd file(open_entry(dir, entry.c_str(), O_RDONLY, 0));
  return file ? read_text(file.get(), kMaxNote) : std::string();
}

std::uint64_t next_token(std::optional<std::uint64_t> last, const std::string& path) {
  const auto clock = static_cast<std::uint64_t>(wall_now().time_since_epoch().count());
  if (!last) {
    return clock;
  }
  if (*last == std::numeric_limits<std::uint64_t>::max()) {
    throw Error(ExitCode::not_understood, fmt::format("the fencing token in {} cannot grow any more", quote(path)),
                "somebody wrote the largest number there is; remove the file: tokens then go on from the clock");
  }
  return std::max(*last + 1, clock);
}

}  // namespace

UniqueFd Notebook::open_note(const std::string& entry) {
  const int dir = notes();
  UniqueFd file(open_entry(dir, entry.c_str(), O_RDWR, 0));
  if (!file && errno == ENOENT) {
    const ExactModes exact;
    file.reset(open_entry(dir, entry.c_str(), O_RDWR | O_CREAT, dir_->note_mode()));
  }
  if (!file) {
    throw Error(exit_code_for_file_errno(errno),
                fmt::format("cannot open {} for the fencing token: {}", quote(describe(entry)), errno_text(errno)),
                "whoever may take this lock must be allowed to write there");
  }
  struct stat st {};
  if (fstat(file.get(), &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink > 1) {
    throw Error(ExitCode::not_allowed, fmt::format("{} is no plain file of its own", quote(describe(entry))),
                "somebody put a link or a device there; look at it, then remove it");
  }
  return file;
}

void Notebook::write_file(const UniqueFd& file, const std::string& entry, const std::string& text) {
  const ssize_t written = pwrite(file.get(), text.data(), text.size(), 0);
  if (written != static_cast<ssize_t>(text.size())) {
    const int error = written < 0 ? errno : ENOSPC;
    throw Error(ExitCode::io_error, fmt::format("cannot write {}: {}", quote(describe(entry)), errno_text(error)),
                "make room there; the command was not run");
  }
}

std::uint64_t Notebook::write_exclusive(const Note& note) {
  if (notes() < 0) {
    return next_token(std::nullopt, {});
  }
  if (is_read_only()) {
    return next_token(last_token(), describe(key_));
  }
  note_ = open_note(key_);
  flock(note_.get(), LOCK_SH | LOCK_NB);
  const std::string path = describe(key_);
  const std::uint64_t token = next_token(parse_token(read_text(note_.get(), kTokenLength), path), path);
  write_file(note_, key_, token_to_text(token) + to_text(note));
  return token;
}

std::uint64_t Notebook::write_shared(const Note& note) {
  if (notes() < 0) {
    return 0;
  }
  try {
    if (!is_read_only()) {
      const std::string entry = shared_entry(key_, note.id);
      note_ = open_note(entry);
      flock(note_.get(), LOCK_SH | LOCK_NB);
      write_file(note_, entry, to_text(note));
    }
  } catch (const Error&) {
    // A reader's note is for people only, but for a value: whoever publishes one counts on its being seen.
    if (note.published.value) {
      throw;
    }
  }
  return last_token().value_or(0);
}

std::optional<std::uint64_t> Notebook::last_token() {
  const UniqueFd main(open_entry(notes(), key_.c_str(), O_RDONLY, 0));
  return main ? parse_token(read_text(main.get(), kTokenLength), describe(key_)) : std::nullopt;
}

bool Notebook::is_read_only() {
  // Asked without the permissions: a directory that only this user may not write to is an error that is told.
  struct statvfs fs {};
  return fstatvfs(notes(), &fs) == 0 && (fs.f_flag & ST_RDONLY) != 0;
}

void Notebook::remove_shared(std::uint64_t id) noexcept {
  if (dir_ != nullptr && dir_->notes_if_there() >= 0) {
    unlinkat(dir_->notes_if_there(), shared_entry(key_, id).c_str(), 0);
  }
}

void Notebook::write_waiter(const Note& note) noexcept {
  const int dir = dir_ == nullptr ? -1 : dir_->notes_if_there();
  if (dir >= 0) {
    const UniqueFd file(
        open_entry(dir, waiter_entry(key_, note.id).c_str(), O_WRONLY | O_CREAT | O_EXCL, dir_->note_mode()));
    const std::string text = to_text(note);
    [[maybe_unused]] const ssize_t hint = pwrite(file.get(), text.data(), text.size(), 0);
  }
}

void Notebook::remove_waiter(std::uint64_t id) noexcept {
  const int dir = dir_ == nullptr ? -1 : dir_->notes_if_there();
  if (dir >= 0) {
    unlinkat(dir, waiter_entry(key_, id).c_str(), 0);
  }
}

UniqueFd Notebook::open_gate(IfMissing if_missing) noexcept {
  const int dir = dir_ == nullptr ? -1 : dir_->notes_if_there();
  if (dir < 0) {
    return UniqueFd();
  }
  const std::string entry = key_ + ".gate";
  UniqueFd gate(open_entry(dir, entry.c_str(), O_RDWR, 0));
  if (!gate && errno == ENOENT && if_missing == IfMissing::create) {
    const ExactModes exact;
    gate.reset(open_entry(dir, entry.c_str(), O_RDWR | O_CREAT, dir_->note_mode()));
  }
  return gate;
}

StoredNotes read_notes(int notes_fd, const std::string& key, const std::vector<std::string>& entries) {
  StoredNotes stored;
  const std::string main = read_entry(notes_fd, key);
  try {
    stored.token = parse_token(main, key);
  } catch (const Error&) {
    // Told by whoever wants the lock; to look at the others it does not matter.
    stored.token = std::nullopt;
  }
  if (stored.token) {
    stored.exclusive = parse_note(std::string_view(main).substr(kTokenLength));
  }
  for (const std::string& entry : entries) {
    const bool is_shared = entry.starts_with(key + ".s-");
    if (is_shared || entry.starts_with(key + ".w-")) {
      if (auto note = parse_note(read_entry(notes_fd, entry))) {
        (is_shared ? stored.shared : stored.waiters).push_back(std::move(*note));
      }
    }
  }
  const auto by_time = [](const Note& a, const Note& b) { return a.since < b.since; };
  std::sort(stored.shared.begin(), stored.shared.end(), by_time);
  std::sort(stored.waiters.begin(), stored.waiters.end(), by_time);
  return stored;
}

std::vector<std::string> directory_entries(int fd) {
  std::vector<std::string> entries;
  // A descriptor of its own: reading moves the position, and closedir() closes.
  const int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(again < 0 ? nullptr : fdopendir(again), closedir);
  if (!dir) {
    return entries;
  }
  while (const dirent* entry = readdir(dir.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") {
      entries.push_back(name);
    }
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

std::optional<std::string> key_of_entry(const std::string& entry) {
  const bool is_key = entry.size() >= kKeyLength && entry.find_first_not_of("0123456789abcdef") >= kKeyLength;
  const bool ends_there = entry.size() == kKeyLength || (is_key && entry[kKeyLength] == '.');
  return is_key && ends_there ? std::optional(entry.substr(0, kKeyLength)) : std::nullopt;
}

}  // namespace lockgate::file
