// SPDX-License-Identifier: Apache-2.0
// Where the notes of one lock lie, and who may write which:
//
//   DIR/.lockgate/<key>          fencing token and the note of the exclusive holder; written under the exclusive lock
//   DIR/.lockgate/<key>.s-<id>   one for each shared holder
//   DIR/.lockgate/<key>.w-<id>   one for each process that has been waiting for a while
//   DIR/.lockgate/<key>.gate     the gate that keeps readers from overtaking waiting writers for ever
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backends/file/lock_dir.hpp"
#include "backends/file/note.hpp"

namespace lockgate::file {

/// The notes of one lock, for a process that takes it.
class Notebook {
 public:
  /// `dir` null: nothing is kept, and tokens are the clock.
  Notebook(LockDir* dir, std::string key) : dir_(dir), key_(std::move(key)) {}

  /// Moves the token on and publishes the note, in one write. To be called with the exclusive lock held. Throws Error:
  /// 65 where the stored token is none, 74 where it cannot be stored.
  std::uint64_t write_exclusive(const Note& note);
  /// Publishes the note of a shared holder, and tells the last exclusive owner's token; 0 where there was none.
  std::uint64_t write_shared(const Note& note);
  void remove_shared(std::uint64_t id) noexcept;

  /// Best effort, callable from another thread than the rest.
  void write_waiter(const Note& note) noexcept;
  void remove_waiter(std::uint64_t id) noexcept;

  /// An open gate file, made if wanted; none where it cannot be had (the gate is a courtesy).
  UniqueFd open_gate(IfMissing if_missing) noexcept;

 private:
  int notes() { return dir_ == nullptr ? -1 : dir_->notes(); }
  std::optional<std::uint64_t> last_token();
  /// The whole file system, that is: then nothing is kept, and tokens are the clock.
  bool is_read_only();
  UniqueFd open_note(const std::string& entry);
  void write_file(const UniqueFd& file, const std::string& entry, const std::string& text);
  [[nodiscard]] std::string describe(const std::string& entry) const { return dir_->path_of(".lockgate/" + entry); }

  LockDir* dir_;
  std::string key_;
  UniqueFd note_;  // kept open and locked: the Go library's clean-up removes files that nobody has locked
};

/// What lies in a directory of notes, for a process that only looks.
struct StoredNotes {
  std::optional<std::uint64_t> token;
  std::optional<Note> exclusive;
  std::vector<Note> shared;
  std::vector<Note> waiters;
};

/// The notes of the lock `key` in the open directory `notes_fd`; unreadable and torn ones are left out.
StoredNotes read_notes(int notes_fd, const std::string& key, const std::vector<std::string>& entries);

/// Every entry of an open directory but "." and ".."; empty where it cannot be read.
std::vector<std::string> directory_entries(int fd);

/// The key that an entry of the notes' directory belongs to: its first 64 characters, if it is one of ours.
std::optional<std::string> key_of_entry(const std::string& entry);

}  // namespace lockgate::file
