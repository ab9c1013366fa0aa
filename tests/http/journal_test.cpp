// SPDX-License-Identifier: Apache-2.0
// The durable journal: real files, real kills.
#include "backends/http/server/journal.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>

#include "backends/http/server/failpoint.hpp"
#include "backends/http/server/journal_database.hpp"
#include "core/error.hpp"

namespace lockgate::server {
namespace {

namespace fs = std::filesystem;

struct Scratch {
  fs::path dir;
  explicit Scratch(const fs::path& where = fs::temp_directory_path())
      : dir(where / ("lockgate-journal." + std::to_string(::getpid()))) {
    fs::remove_all(dir);
    fs::create_directory(dir);
  }
  ~Scratch() { fs::remove_all(dir); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] std::string file() const { return dir / "sub" / "locks.db"; }
};

const Post kAtOnce = [](const std::function<void()>& work) { work(); };

HoldGranted hold(const std::string& handle, std::uint64_t token) {
  LeaseHolder holder;
  holder.handle = handle;
  holder.token = token;
  holder.ttl = std::chrono::seconds(15);
  holder.acquirer_id = "id";
  holder.about.host = "host";
  holder.about.pid = 4711;
  holder.about.user = "user";
  holder.about.published = {"make", "because", "10.1.1.1:80"};
  holder.about.since = WallTime(std::chrono::microseconds(1'000'000 + token));
  holder.about.principal = "ci";
  return {"deploy", holder, "request-" + handle};
}

Durability append(Journal& journal, JournalEntry entry) {
  std::promise<Durability> promise;
  journal.append(std::move(entry), [&promise](Durability how) { promise.set_value(how); });
  return promise.get_future().get();
}

ExitCode refusal(const std::string& file) {
  try {
    make_sqlite_journal(file, kAtOnce);
  } catch (const Error& error) {
    return error.code();
  }
  return ExitCode::done;
}

TEST_CASE("what was durable is there again, down to the last word") {
  const Scratch scratch;
  {
    const auto journal = make_sqlite_journal(scratch.file(), kAtOnce);
    CHECK(append(*journal, hold("a", 5)) == Durability::durable);
    CHECK(append(*journal, hold("b", 9)) == Durability::durable);
    CHECK(append(*journal, ValueChanged{"deploy", "a", std::nullopt}) == Durability::durable);
    CHECK(append(*journal, HoldEnded{"deploy", "b", "release-b", "acquire-b"}) == Durability::durable);
  }
  const auto content = make_sqlite_journal(scratch.file(), kAtOnce)->load();
  REQUIRE(content.holds.size() == 1);
  const HoldGranted& a = content.holds.front();
  CHECK(a.name == "deploy");
  CHECK(a.request_id == "request-a");
  CHECK(a.holder.token == 5);
  CHECK(a.holder.about.pid == 4711);
  CHECK(a.holder.about.published.reason == "because");
  CHECK_FALSE(a.holder.about.published.value);
  CHECK(a.holder.about.principal == "ci");
  REQUIRE(content.ended.size() == 1);
  CHECK(content.ended.front().hold.request_id == "release-b");
  CHECK(content.ended.front().hold.acquired == "acquire-b");
  CHECK(content.token_floor == 9);
}

TEST_CASE("the file is for its owner alone") {
  const Scratch scratch;
  const auto journal = make_sqlite_journal(scratch.file(), kAtOnce);
  struct stat st {};
  REQUIRE(::stat(scratch.file().c_str(), &st) == 0);
  CHECK((st.st_mode & 0777) == 0600);
  REQUIRE(::stat((scratch.dir / "sub").c_str(), &st) == 0);
  CHECK((st.st_mode & 0777) == 0700);
}

TEST_CASE("a second server on the same journal is refused") {
  const Scratch scratch;
  const auto journal = make_sqlite_journal(scratch.file(), kAtOnce);
  append(*journal, hold("a", 1));
  CHECK(refusal(scratch.file()) == ExitCode::conflict);
}

TEST_CASE("what is no journal is refused and left as it is") {
  const Scratch scratch;
  fs::create_directory(scratch.dir / "sub");
  const std::string text = "somebody's notes, which are longer than a header would be; " + std::string(4096, 'x');
  std::ofstream(scratch.file()) << text;
  CHECK(refusal(scratch.file()) == ExitCode::not_understood);
  std::ifstream in(scratch.file());
  CHECK(std::string(std::istreambuf_iterator<char>(in), {}) == text);
}

std::string bytes_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Changes a number in the header of a database (the format's documentation gives the offsets).
void set_header(const std::string& file, std::streamoff offset, char last_byte) {
  std::fstream out(file, std::ios::binary | std::ios::in | std::ios::out);
  out.seekp(offset + 3);
  out.put(last_byte);
}

TEST_CASE("a journal of a newer version, and another program's database, are left as they are") {
  constexpr std::streamoff kUserVersion = 60;
  constexpr std::streamoff kApplicationId = 68;
  for (const std::streamoff offset : {kUserVersion, kApplicationId}) {
    CAPTURE(offset);
    const Scratch scratch;
    { append(*make_sqlite_journal(scratch.file(), kAtOnce), hold("a", 1)); }
    set_header(scratch.file(), offset, 99);
    fs::permissions(scratch.file(), fs::perms(0644));
    const std::string before = bytes_of(scratch.file());
    CHECK(refusal(scratch.file()) == ExitCode::not_understood);
    CHECK(bytes_of(scratch.file()) == before);
    CHECK(fs::status(scratch.file()).permissions() == fs::perms(0644));
  }
}

TEST_CASE("a damaged journal is refused: half of it would be locks that are given twice") {
  const Scratch scratch;
  {
    const auto journal = make_sqlite_journal(scratch.file(), kAtOnce);
    for (std::uint64_t i = 1; i <= 200; ++i) {
      append(*journal, hold(std::to_string(i), i));
    }
  }
  std::fstream out(scratch.file(), std::ios::binary | std::ios::in | std::ios::out);
  out.seekp(static_cast<std::streamoff>(fs::file_size(scratch.file())) / 2 / 4096 * 4096);
  out << std::string(4096, '\x55');
  out.close();
  CHECK(refusal(scratch.file()) == ExitCode::not_understood);
}

TEST_CASE("a journal that others could read is closed to them") {
  const Scratch scratch;
  { append(*make_sqlite_journal(scratch.file(), kAtOnce), hold("a", 1)); }
  fs::permissions(scratch.file(), fs::perms(0644));
  make_sqlite_journal(scratch.file(), kAtOnce);
  CHECK(fs::status(scratch.file()).permissions() == fs::perms(0600));
}

TEST_CASE("F6: a TTL that was changed by a renewal is there again after a restart") {
  const Scratch scratch;
  {
    const auto journal = make_sqlite_journal(scratch.file(), kAtOnce);
    append(*journal, hold("a", 1));
    append(*journal, TtlChanged{"deploy", "a", std::chrono::seconds(40)});
    CHECK(append(*journal, Barrier{}) == Durability::durable);
  }
  CHECK(make_sqlite_journal(scratch.file(), kAtOnce)->load().holds.front().holder.ttl == std::chrono::seconds(40));
}

TEST_CASE("a directory and a name below a file are refused with the path") {
  const Scratch scratch;
  CHECK(refusal(scratch.dir) != ExitCode::done);
  std::ofstream(scratch.dir / "file") << "x";
  CHECK(refusal(scratch.dir / "file" / "locks.db") == ExitCode::cannot_create);
}

/// Grants one hold after the other in a process of its own, which is killed at a failpoint. Each that was durable is
/// told through a pipe. How many were.
int grants_before_the_kill(const std::string& file, const std::string& failpoint) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    set_failpoint(failpoint);
    const auto journal = make_sqlite_journal(file, kAtOnce);
    for (int i = 0; i < 20; ++i) {
      if (append(*journal, hold(std::to_string(i), static_cast<std::uint64_t>(i) + 1)) == Durability::durable) {
        [[maybe_unused]] const ssize_t told = ::write(ends[1], "x", 1);
      }
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  int told = 0;
  for (char byte = 0; ::read(ends[0], &byte, 1) == 1;) {
    ++told;
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status));
  return told;
}

TEST_CASE("F8: killed at any step, the journal has all that was told, and at most one grant more") {
  for (const char* failpoint : {"journal:begun:5", "journal:entry:5", "journal:written:5", "journal:committed:5"}) {
    CAPTURE(failpoint);
    const Scratch scratch;
    const int told = grants_before_the_kill(scratch.file(), failpoint);
    CHECK(told == 4);
    const auto content = make_sqlite_journal(scratch.file(), kAtOnce)->load();
    CHECK(content.holds.size() >= static_cast<std::size_t>(told));
    CHECK(content.holds.size() <= static_cast<std::size_t>(told) + 1);
    CHECK(content.token_floor == content.holds.size());
  }
}

// A write-ahead log, as the format's documentation has it: a header, then frames of 24 bytes and a page. In the last
// frame of a commit the size of the database, in pages, is told at byte 4; in the others there is 0.
constexpr std::size_t kHeader = 32;
constexpr std::size_t kFrame = 24 + 4096;

/// Where each commit ends.
std::vector<std::size_t> commit_ends(const std::string& wal) {
  std::vector<std::size_t> ends;
  for (std::size_t at = kHeader; at + kFrame <= wal.size(); at += kFrame) {
    if (wal.compare(at + 4, 4, std::string(4, '\0')) != 0) {
      ends.push_back(at + kFrame);
    }
  }
  return ends;
}

/// A journal of one commit that made its tables and three that granted a hold each; its writer was killed, and now
/// there is what became of its log.
struct TornJournal {
  // Thousands of journals are opened and closed here: in memory, if it can be had, where nothing waits for a disk.
  Scratch scratch{fs::exists("/dev/shm") ? "/dev/shm" : fs::temp_directory_path()};
  std::string database;
  std::string log;
  std::vector<std::size_t> ends;

  TornJournal() {
    grants_before_the_kill(scratch.file(), "journal:begun:4");
    database = bytes_of(scratch.file());
    log = bytes_of(scratch.file() + "-wal");
    ends = commit_ends(log);
    REQUIRE(ends.size() == 4);
    REQUIRE(ends.back() == log.size());
  }

  /// All commits that are whole are there, and nothing of any other.
  void check(const std::string& left) const {
    std::ofstream(scratch.file(), std::ios::binary) << database;
    std::ofstream(scratch.file() + "-wal", std::ios::binary) << left;
    std::size_t whole = 0;
    while (whole < ends.size() && left.compare(0, ends[whole], log, 0, ends[whole]) == 0) {
      ++whole;
    }
    const auto content = JournalDatabase(scratch.file()).load();
    CHECK(content.holds.size() == (whole == 0 ? 0 : whole - 1));
    CHECK(content.token_floor == content.holds.size());
  }
};

TEST_CASE("F8: a journal whose tail was torn off, at whichever byte, loads what was whole") {
  const TornJournal journal;
  // At every byte of the frame that makes the last commit one, and at many of those before.
  const std::size_t last_frame = journal.log.size() - kFrame;
  const std::size_t last_commit = journal.ends[journal.ends.size() - 2];
  REQUIRE(last_commit < last_frame);
  std::size_t step = 1;
  for (std::size_t cut = 0; cut <= journal.log.size(); cut += step) {
    CAPTURE(cut);
    journal.check(journal.log.substr(0, cut));
    step = cut < last_commit ? std::min<std::size_t>(64, last_commit - cut)
                             : (cut < last_frame ? std::min<std::size_t>(16, last_frame - cut) : 1);
  }
}

TEST_CASE("F8: a journal whose tail never came to the disk, though its length did, loads what was whole") {
  const TornJournal journal;
  for (std::size_t cut = 0; cut < journal.log.size(); cut += 127) {
    CAPTURE(cut);
    const std::size_t lost = journal.log.size() - cut;
    journal.check(journal.log.substr(0, cut) + std::string(lost, '\0'));
    journal.check(journal.log.substr(0, cut) + std::string(lost, '\x5A'));
  }
}

TEST_CASE("F19: a full disk is told, and what waited is written when there is room again") {
  const Scratch scratch;
  const auto journal = make_sqlite_journal(scratch.file(), kAtOnce);
  CHECK(append(*journal, hold("a", 1)) == Durability::durable);
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGXFSZ, &ignore, nullptr);
  const rlimit small{1024, limit.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  CHECK(append(*journal, hold("b", 2)) == Durability::failed);
  CHECK_FALSE(journal->healthy());
  ::setrlimit(RLIMIT_FSIZE, &limit);
  CHECK(append(*journal, hold("c", 3)) == Durability::durable);
  CHECK(journal->healthy());
  CHECK(journal->load().holds.size() == 3);
}

}  // namespace
}  // namespace lockgate::server
