// SPDX-License-Identifier: Apache-2.0
#include "backends/file/file_backend.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "backends/file/break_holds.hpp"
#include "backends/file/file_status.hpp"
#include "backends/file/gate.hpp"
#include "backends/file/kernel_wait.hpp"
#include "backends/file/lock_files.hpp"
#include "backends/file/marks.hpp"
#include "backends/file/notebook.hpp"
#include "core/error.hpp"
#include "core/handle.hpp"
#include "core/text.hpp"

namespace lockgate {
namespace file {
namespace {

/// A lock that this process holds or wants, with what is needed to give it back.
struct Held {
  Held(const Request& request, LockFile where, LockDir* dir)
      : grant{request.name, request.mode, new_handle(), 0, -1, {}},
        id(public_id(grant.handle)),
        file(std::move(where)),
        notebook(dir, file.key) {}

  Grant grant;
  std::uint64_t id;
  LockFile file;
  Notebook notebook;
  UniqueFd fd;
  std::optional<Gate> gate;
  std::unique_ptr<KernelWait> wait;  // last: its attendant uses the rest, and may still be tidying up after the grant
};

enum class Got { yes, no };

int operation(Mode mode) {
  return mode == Mode::shared ? LOCK_SH : LOCK_EX;
}

[[noreturn]] void fail_to_lock(const LockFile& file, int error) {
  throw Error(ExitCode::cannot_create, fmt::format("cannot lock {}: {}", quote(file.path), errno_text(error)),
              "the file system there may not know flock(2); choose another place");
}

class FileBackend final : public Backend {
 public:
  explicit FileBackend(FilePlace place) : place_(std::move(place)) {}

  std::variant<Grant, Busy> acquire(const Request& request, Waiting& waiting) override;
  Released release(const Grant& grant) override;
  Renewal renew(const Grant& grant, const Attempt& attempt) override;
  ValueSet set_value(const Grant& grant, const std::optional<std::string>& value) override;
  void watch(const Watched& what, int stop, const std::function<Hearing(const LockEvent&)>& hear) override;
  void abandon(const Grant& grant) override;
  std::optional<std::string> damage(const Grant& grant) override;
  bool is_live(const LockName& name, const std::string& handle, Mode wanted) override;
  std::vector<LockState> list(const std::vector<LockName>& names) override { return list_locks(place_, names); }
  std::string url() const override { return "file://" + percent_encode(place_.dir); }
  LockIdentity identity(const LockName& name) const override;
  bool is_same(const LockIdentity& lock, const LockName& name) const override;
  std::vector<Breaking> break_holds(const LockName& name, Duration patience) override {
    return break_file_holds(place_, name, patience);
  }
  std::string place() const override { return place_.name_is == NameIs::path ? "this host" : place_.dir; }
  std::vector<std::string> diagnose() override { return diagnose_place(place_); }

 private:
  static Got take(Held& held, const Request& request, Waiting& waiting);
  static Got wait_for(Held& held, const Request& request, Waiting& waiting);
  static void settle(Held& held, const Request& request);
  LockDir* dir_for_notes();
  std::unique_ptr<Held> forget(const Grant& grant);
  [[nodiscard]] const LockDir* dir() const { return dir_ ? &*dir_ : nullptr; }

  FilePlace place_;
  std::optional<LockDir> dir_;
  std::vector<std::unique_ptr<Held>> held_;
};

/// The open lock directory. With --path it is wanted for notes only, and done without where it cannot be had.
LockDir* FileBackend::dir_for_notes() {
  if (!dir_) {
    try {
      dir_.emplace(place_.dir, place_.insecure_dir, IfMissing::create);
      dir_->notes();
    } catch (const Error&) {
      if (place_.name_is == NameIs::key) {
        throw;
      }
      dir_.reset();
      return nullptr;
    }
  }
  return &*dir_;
}

std::variant<Grant, Busy> FileBackend::acquire(const Request& request, Waiting& waiting) {
  LockDir* notes = dir_for_notes();
  auto held = std::make_unique<Held>(request, locate(place_, request.name), notes);
  // Somebody may remove or replace the file between our opening and our locking it; a lock on a file that others do
  // not find excludes nobody.
  do {
    held->wait.reset();
    held->fd = open_to_lock(dir(), held->file);
    if (take(*held, request, waiting) == Got::no) {
      return Busy{waiting.nonblocking() ? Busy::Why::held : Busy::Why::timed_out, {}};
    }
  } while (replaced(dir(), held->file, held->fd.get()));
  settle(*held, request);
  held_.push_back(std::move(held));
  return held_.back()->grant;
}

Got FileBackend::take(Held& held, const Request& request, Waiting& waiting) {
  // A reader that would join other readers at once asks first whether a writer waits.
  const bool may_try = request.mode == Mode::exclusive || request.ancestor_shares ||
                       (waiting.nonblocking() ? !Gate(held.notebook, Mode::shared).would_overtake(held.fd)
                                              : !Gate(held.notebook, Mode::shared).is_shut());
  if (may_try) {
    if (flock(held.fd.get(), operation(request.mode) | LOCK_NB) == 0) {
      return Got::yes;
    }
    if (errno != EWOULDBLOCK) {
      fail_to_lock(held.file, errno);
    }
  }
  return waiting.nonblocking() ? Got::no : wait_for(held, request, waiting);
}

/// What a waiter says of itself, and how it takes that back.
KernelWait::Hooks hooks(Held& held, const Request& request) {
  Note note = note_about_this_process();
  note.name = request.name.text();
  note.id = held.id;
  note.mode = request.mode;
  note.published.command = request.published.command;
  return {.announce =
              [&held, note] {
                mark_waiter(held.fd.get(), held.id);
                held.notebook.write_waiter(note);
              },
          .farewell =
              [&held] {
                unmark_waiter(held.fd.get(), held.id);
                held.notebook.remove_waiter(held.id);
              },
          .before_suspend = [&held] { held.gate->open(); }};
}

Got FileBackend::wait_for(Held& held, const Request& request, Waiting& waiting) {
  held.gate.emplace(held.notebook, request.mode);
  held.wait = std::make_unique<KernelWait>(waiting, hooks(held, request));
  KernelWait& wait = *held.wait;
  if (request.mode == Mode::exclusive) {
    held.gate->shut(wait);
  } else if (!request.ancestor_shares) {
    held.gate->pass(wait, held.fd);
  }
  int error = EINTR;
  while (error == EINTR && wait.verdict() == WaitVerdict::go_on) {
    error = wait.lock(held.fd.get(), operation(request.mode));
  }
  wait.finish();
  held.gate->open();
  if (wait.verdict() == WaitVerdict::cancelled) {
    throw waiting.cancellation();
  }
  if (error == 0) {
    return Got::yes;
  }
  if (wait.verdict() == WaitVerdict::timed_out) {
    return Got::no;
  }
  fail_to_lock(held.file, error);
}

/// The lock is had: says so to those who look, and moves the token on.
void FileBackend::settle(Held& held, const Request& request) {
  if (marks_supported(held.fd.get()) == Marks::supported) {
    mark_holder(held.fd.get(), held.id, request.mode);
  }
  Note note = note_about_this_process();
  note.name = request.name.text();
  note.path = held.file.entry.empty() ? held.file.path : "";
  note.id = held.id;
  note.mode = request.mode;
  note.published = request.published;
  held.grant.token =
      request.mode == Mode::exclusive ? held.notebook.write_exclusive(note) : held.notebook.write_shared(note);
  held.grant.lifeline = held.fd.get();
}

std::unique_ptr<Held> FileBackend::forget(const Grant& grant) {
  const auto mine = [&](const auto& held) { return held->grant.handle == grant.handle; };
  const auto found = std::find_if(held_.begin(), held_.end(), mine);
  if (found == held_.end()) {
    return nullptr;
  }
  std::unique_ptr<Held> held = std::move(*found);
  held_.erase(found);
  return held;
}

Released FileBackend::release(const Grant& grant) {
  const std::unique_ptr<Held> held = forget(grant);
  if (!held) {
    return Released::was_lost;
  }
  // By hand, not by closing: a process that the command left behind may have the descriptor too.
  unmark_all(held->fd.get());
  flock(held->fd.get(), LOCK_UN);
  if (grant.mode == Mode::shared) {
    held->notebook.remove_shared(held->id);
  }
  return Released::done;
}

Renewal FileBackend::renew(const Grant& grant, const Attempt& /*attempt*/) {
  if (is_live(grant.name, grant.handle, Mode::shared)) {
    return {Renewal::Result::renewed, {Duration::max(), BootClock::now()}, ""};
  }
  return {Renewal::Result::lost, {}, "no process holds it with this handle any more"};
}

ValueSet FileBackend::set_value(const Grant& /*grant*/, const std::optional<std::string>& /*value*/) {
  throw Error(ExitCode::usage, "the value of a file lock is published when it is taken, and cannot be changed",
              "give it with --value, or use a backend that can: -b http");
}

void FileBackend::watch(const Watched& /*what*/, int /*stop*/,
                        const std::function<Hearing(const LockEvent&)>& /*hear*/) {
  throw Error(ExitCode::usage, "changes of file locks cannot be watched",
              "lockgate status --watch looks at them once a second");
}

void FileBackend::abandon(const Grant& grant) {
  forget(grant);
}

std::optional<std::string> FileBackend::damage(const Grant& grant) {
  for (const auto& held : held_) {
    if (held->grant.handle == grant.handle) {
      return replaced(dir(), held->file, held->fd.get());
    }
  }
  return std::nullopt;
}

bool FileBackend::is_live(const LockName& name, const std::string& handle, Mode wanted) {
  const LockFile file = locate(place_, name);
  std::optional<LockDir> looked_at;
  if (!file.entry.empty()) {
    looked_at.emplace(place_.dir, place_.insecure_dir, IfMissing::leave);
    if (!looked_at->exists()) {
      return false;
    }
  }
  const UniqueFd fd = open_to_look(looked_at ? &*looked_at : nullptr, file);
  const std::uint64_t id = public_id(handle);
  return fd && (is_marked_holder(fd.get(), id, Mode::exclusive) ||
                (wanted == Mode::shared && is_marked_holder(fd.get(), id, Mode::shared)));
}

LockIdentity FileBackend::identity(const LockName& name) const {
  if (place_.name_is == NameIs::path) {
    return {"file+path://", locate(place_, name).path};
  }
  return {url(), name.text()};
}

bool FileBackend::is_same(const LockIdentity& lock, const LockName& name) const {
  const LockIdentity mine = identity(name);
  if (lock.name != mine.name) {
    return false;
  }
  // "/locks" and "/locks/../locks" are one directory.
  const auto theirs = percent_decode(lock.url);
  constexpr std::string_view kScheme = "file://";
  return lock.url == mine.url || (place_.name_is == NameIs::key && theirs && theirs->starts_with(kScheme) &&
                                  real_path(theirs->substr(kScheme.size())) == real_path(place_.dir));
}

}  // namespace
}  // namespace file

std::unique_ptr<Backend> make_file_backend(const BackendPlace& place) {
  return std::make_unique<file::FileBackend>(place.file);
}

}  // namespace lockgate
