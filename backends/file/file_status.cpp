// SPDX-License-Identifier: Apache-2.0
#include "backends/file/file_status.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "backends/file/lock_files.hpp"
#include "backends/file/marks.hpp"
#include "backends/file/notebook.hpp"
#include "backends/file/proc_locks.hpp"
#include "core/error.hpp"
#include "core/handle.hpp"
#include "core/process_table.hpp"
#include "core/user.hpp"

namespace lockgate::file {
namespace {

/// All that is needed to look at one lock after another.
class Look {
 public:
  explicit Look(const FilePlace& place)
      : dir_(place.dir, InsecureDir::allow, IfMissing::leave), locks_(read_proc_locks()) {
    if (dir_.exists() && dir_.notes_if_there() >= 0) {
      note_entries_ = directory_entries(dir_.notes_if_there());
    }
  }

  LockState at(const LockFile& file, const std::optional<std::string>& name);
  std::vector<LockState> everything();

 private:
  /// What is known of one lock while it is being looked at.
  struct Seen {
    UniqueFd fd;
    bool exists = false;
    bool marks = false;  // the file can be asked for marks
    std::vector<ProcLock> holds;
    std::vector<ProcLock> waits;
    StoredNotes notes;
  };

  Seen see(const LockFile& file);
  [[nodiscard]] bool is_live(const Seen& seen, const Note& note) const;
  [[nodiscard]] bool is_waiting(const Seen& seen, const Note& note) const;
  HolderInfo describe(const Note& note);
  HolderInfo describe_foreign(const ProcLock& lock);
  std::vector<HolderInfo> holders(Seen& seen);
  std::vector<WaiterInfo> waiters(const Seen& seen);
  void sweep(const Seen& seen, const std::string& key);
  const std::string& user_name(uid_t uid);

  LockDir dir_;
  std::vector<ProcLock> locks_;
  std::vector<std::string> note_entries_;
  std::uint64_t pid_namespace_ = this_pid_namespace();
  bool sees_all_ = sees_all_processes();
  std::map<uid_t, std::string> user_names_;
};

Look::Seen Look::see(const LockFile& file) {
  Seen seen;
  if (!file.entry.empty() && !dir_.exists()) {
    return seen;
  }
  // The notes first and the marks after: a note without its mark is then one that is over.
  if (dir_.exists() && dir_.notes_if_there() >= 0) {
    seen.notes = read_notes(dir_.notes_if_there(), file.key, note_entries_);
  }
  seen.fd = open_to_look(dir_.exists() ? &dir_ : nullptr, file);
  seen.marks = seen.fd && marks_supported(seen.fd.get()) == Marks::supported;
  struct stat st {};
  seen.exists = seen.fd              ? fstat(seen.fd.get(), &st) == 0
                : file.entry.empty() ? stat(file.path.c_str(), &st) == 0
                                     : fstatat(dir_.fd(), file.entry.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0;
  if (!seen.exists) {
    return seen;
  }
  const FileKey lock_key = file_key(seen.fd ? seen.fd.get() : dir_.fd(), st.st_ino);
  for (const ProcLock& lock : locks_) {
    if (lock.file == lock_key) {
      (lock.role == ProcLock::Role::waits ? seen.waits : seen.holds).push_back(lock);
    }
  }
  return seen;
}

bool Look::is_live(const Seen& seen, const Note& note) const {
  if (seen.marks) {
    return is_marked_holder(seen.fd.get(), note.id, note.mode);
  }
  return std::any_of(seen.holds.begin(), seen.holds.end(), [&](const ProcLock& lock) {
    return lock.pid == note.pid && lock.mode == note.mode && note.pid_namespace == pid_namespace_;
  });
}

bool Look::is_waiting(const Seen& seen, const Note& note) const {
  if (seen.marks) {
    return is_marked_waiter(seen.fd.get(), note.id);
  }
  return std::any_of(seen.waits.begin(), seen.waits.end(), [&](const ProcLock& lock) {
    return lock.pid == note.pid && note.pid_namespace == pid_namespace_;
  });
}

const std::string& Look::user_name(uid_t uid) {
  auto [entry, is_new] = user_names_.try_emplace(uid);
  if (is_new) {
    const auto user = find_user(uid);
    entry->second = user ? user->name : std::to_string(uid);
  }
  return entry->second;
}

HolderInfo Look::describe(const Note& note) {
  HolderInfo holder;
  holder.id = fmt::format("{:010x}", note.id);
  holder.mode = note.mode;
  holder.host = note.host;
  if (note.pid_namespace == pid_namespace_) {
    holder.pid = note.pid;
  }
  holder.user = user_name(note.uid);
  holder.published = note.published;
  holder.acquired_at = note.since;
  holder.acquired_at_boot = note.since_boot;
  return holder;
}

HolderInfo Look::describe_foreign(const ProcLock& lock) {
  HolderInfo holder;
  holder.foreign = true;
  holder.mode = lock.mode;
  holder.pid = lock.pid;
  holder.host = note_about_this_process().host;
  if (const auto process = read_process(lock.pid)) {
    holder.published.command = process->command;
    struct stat st {};
    if (stat(fmt::format("/proc/{}", lock.pid).c_str(), &st) == 0) {
      holder.user = user_name(st.st_uid);
    }
  }
  return holder;
}

std::vector<HolderInfo> Look::holders(Seen& seen) {
  std::vector<HolderInfo> found;
  std::vector<ProcLock> unexplained = seen.holds;
  std::vector<Note> notes = seen.notes.shared;
  if (seen.notes.exclusive) {
    notes.push_back(*seen.notes.exclusive);
  }
  for (const Note& note : notes) {
    if (!is_live(seen, note)) {
      continue;
    }
    HolderInfo holder = describe(note);
    // A holder of another pid namespace that this one contains stands in the kernel's list under a pid of ours.
    auto in_list = std::find_if(unexplained.begin(), unexplained.end(),
                                [&](const ProcLock& lock) { return !holder.pid || lock.pid == *holder.pid; });
    if (in_list != unexplained.end()) {
      holder.pid = in_list->pid;
      unexplained.erase(in_list);
    }
    found.push_back(std::move(holder));
  }
  for (const ProcLock& lock : unexplained) {
    found.push_back(describe_foreign(lock));
  }
  if (found.empty() && seen.marks && is_marked_held(seen.fd.get())) {
    found.emplace_back();  // lockgate holds it; its note is gone, or on its way
  }
  return found;
}

std::vector<WaiterInfo> Look::waiters(const Seen& seen) {
  std::vector<WaiterInfo> found;
  std::vector<Note> notes;
  std::copy_if(seen.notes.waiters.begin(), seen.notes.waiters.end(), std::back_inserter(notes),
               [&](const Note& note) { return is_waiting(seen, note); });
  const auto from_note = [&](const Note& note) {
    return WaiterInfo{note.host, note.pid_namespace == pid_namespace_ ? std::optional(note.pid) : std::nullopt,
                      user_name(note.uid), note.mode, note.since};
  };
  for (const ProcLock& lock : seen.waits) {
    const auto note = std::find_if(notes.begin(), notes.end(), [&](const Note& n) {
      return n.pid == lock.pid && n.pid_namespace == pid_namespace_;
    });
    if (note != notes.end()) {
      found.push_back(from_note(*note));
      notes.erase(note);
    } else {
      const HolderInfo stranger = describe_foreign(lock);
      found.push_back({stranger.host, stranger.pid, stranger.user, stranger.mode, std::nullopt});
    }
  }
  for (const Note& note : notes) {
    found.push_back(from_note(note));
  }
  return found;
}

/// Removes what crashed holders and waiters left: their marks are gone, so nobody believes these notes any more.
void Look::sweep(const Seen& seen, const std::string& key) {
  if (!seen.marks) {
    return;
  }
  Notebook notebook(&dir_, key);
  for (const Note& note : seen.notes.shared) {
    if (!is_live(seen, note)) {
      notebook.remove_shared(note.id);
    }
  }
  for (const Note& note : seen.notes.waiters) {
    if (!is_waiting(seen, note)) {
      notebook.remove_waiter(note.id);
    }
  }
}

LockState Look::at(const LockFile& file, const std::optional<std::string>& name) {
  Seen seen = see(file);
  LockState state;
  state.name = name;
  state.key = file.path;
  state.token = seen.notes.token;
  if (!state.name && seen.notes.exclusive) {
    state.name = seen.notes.exclusive->name;
  } else if (!state.name && !seen.notes.shared.empty()) {
    state.name = seen.notes.shared.front().name;
  }
  state.holders = holders(seen);
  state.waiters = waiters(seen);
  if (!state.holders.empty()) {
    state.state = LockState::State::held;
    state.mode = state.holders.front().mode;
  } else if (!seen.exists || (sees_all_ && seen.marks)) {
    state.state = LockState::State::free;
  }
  sweep(seen, file.key);
  return state;
}

std::vector<LockState> Look::everything() {
  std::vector<LockState> states;
  if (!dir_.exists()) {
    return states;
  }
  const std::vector<std::string> entries = directory_entries(dir_.fd());
  for (const std::string& entry : entries) {
    if (entry == key_of_entry(entry)) {
      states.push_back(at({entry, entry, dir_.path_of(entry)}, std::nullopt));
    }
  }
  // Files of the user's own (--path) are known by their notes alone.
  for (const std::string& entry : note_entries_) {
    const auto key = key_of_entry(entry);
    if (!key || std::binary_search(entries.begin(), entries.end(), *key)) {
      continue;
    }
    const StoredNotes notes = read_notes(dir_.notes_if_there(), *key, {entry});
    const Note* note = notes.exclusive ? &*notes.exclusive : notes.shared.empty() ? nullptr : &notes.shared.front();
    if (note != nullptr && !note->path.empty()) {
      states.push_back(at({*key, "", note->path}, std::nullopt));
    }
  }
  return states;
}

}  // namespace

std::vector<LockState> list_locks(const FilePlace& place, const std::vector<LockName>& names) {
  Look look(place);
  if (names.empty()) {
    return look.everything();
  }
  std::vector<LockState> states;
  states.reserve(names.size());
  for (const LockName& name : names) {
    states.push_back(look.at(locate(place, name), name.text()));
  }
  return states;
}

std::vector<std::string> diagnose_place(const FilePlace& place) {
  std::vector<std::string> findings;
  const LockDir dir(place.dir, place.insecure_dir, IfMissing::leave);
  if (!dir.exists()) {
    return findings;  // made by the first lock
  }
  if (faccessat(dir.fd(), ".", W_OK, AT_EACCESS) != 0) {
    findings.push_back(fmt::format("{} is not writable for this user: only locks that are there already can be taken",
                                   quote(place.dir)));
  }
  if (marks_supported(dir.fd()) == Marks::unsupported) {
    findings.push_back(fmt::format(
        "{} is on a network file system: flock(2) may hold between hosts or not (see the mount options local_lock, "
        "nolock), and status cannot show holders",
        quote(place.dir)));
  }
  if (access("/proc/locks", R_OK) != 0) {
    findings.emplace_back("/proc/locks cannot be read here: holders that are no lockgate are unknown");
  }
  return findings;
}

}  // namespace lockgate::file
