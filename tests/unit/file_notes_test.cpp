// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "backends/file/note.hpp"
#include "backends/file/notebook.hpp"
#include "backends/file/proc_locks.hpp"
#include "core/error.hpp"

using namespace lockgate;
using namespace lockgate::file;

namespace {

Note some_note() {
  Note note = note_about_this_process();
  note.name = "a name\nwith = and %";
  note.id = 0x12345;
  note.mode = Mode::shared;
  note.published = {"make", "release 1.9", "10.0.0.1:80\n"};
  return note;
}

}  // namespace

TEST_CASE("a note comes back as it was written") {
  const Note note = some_note();
  const auto back = parse_note(to_text(note));
  REQUIRE(back.has_value());
  CHECK(back->name == note.name);
  CHECK(back->id == note.id);
  CHECK(back->mode == note.mode);
  CHECK(back->pid == note.pid);
  CHECK(back->uid == note.uid);
  CHECK(back->host == note.host);
  CHECK(back->since == note.since);
  CHECK(back->since_boot == note.since_boot);
  CHECK(back->published.command == "make");
  CHECK(back->published.reason == "release 1.9");
  CHECK(back->published.value == "10.0.0.1:80\n");
}

TEST_CASE("a note that was cut anywhere, or that another note runs into, is no note") {
  const std::string text = to_text(some_note());
  for (std::size_t length = 0; length < text.size(); ++length) {
    CAPTURE(length);
    CHECK_FALSE(parse_note(std::string_view(text).substr(0, length)).has_value());
  }
  Note other = some_note();
  other.id = 0x99999;
  const std::string mixed = text.substr(0, text.size() / 2) + to_text(other).substr(text.size() / 2);
  CHECK_FALSE(parse_note(mixed).has_value());
}

TEST_CASE("what stands behind the end of a note is what is left of a longer one") {
  CHECK(parse_note(to_text(some_note()) + "value=old\nend=0000099999\n")->published.value == "10.0.0.1:80\n");
}

TEST_CASE("a later version may write more into a note") {
  std::string text = to_text(some_note());
  text.insert(text.find("mode="), "colour=blue\n");
  CHECK(parse_note(text).has_value());
}

TEST_CASE("a token has a fixed length, and anything else in its place is an error, never overwritten") {
  CHECK(token_to_text(42) == "00000000000000000042\n");
  CHECK(parse_token(token_to_text(42) + "more", "f") == 42);
  CHECK_FALSE(parse_token("", "f").has_value());
  for (const char* bad : {"42\n", "0000000000000000004x\n", "00000000000000000042", "99999999999999999999\n"}) {
    CAPTURE(bad);
    try {
      parse_token(bad, "/locks/.lockgate/f");
      FAIL("taken for a token");
    } catch (const Error& error) {
      CHECK(error.code() == ExitCode::not_understood);
      CHECK(std::string(error.what()) == "\"/locks/.lockgate/f\" holds no fencing token");
    }
  }
}

TEST_CASE("the kernel's list tells holders and waiters of flock(2) locks") {
  const auto locks = parse_proc_locks(
      "1: FLOCK  ADVISORY  WRITE 1234 08:02:131 0 EOF\n"
      "1: -> FLOCK  ADVISORY  READ 1235 08:02:131 0 EOF\n"
      "2: POSIX  ADVISORY  WRITE 99 08:02:131 0 EOF\n"
      "3: OFDLCK ADVISORY  READ -1 08:02:131 4611686018427387904 4611686018427387904\n"
      "4: FLOCK  ADVISORY  READ 7 fe:1a:7 0 EOF\n"
      "5: rubbish\n");
  REQUIRE(locks.size() == 3);
  CHECK(locks[0].role == ProcLock::Role::holds);
  CHECK(locks[0].mode == Mode::exclusive);
  CHECK(locks[0].pid == 1234);
  CHECK(locks[0].file == FileKey{8, 2, 131});
  CHECK(locks[1].role == ProcLock::Role::waits);
  CHECK(locks[1].mode == Mode::shared);
  CHECK(locks[2].file == FileKey{0xfe, 0x1a, 7});
}

TEST_CASE("what the kernel's list says twice is there once, a holder that also waits twice") {
  const auto locks = parse_proc_locks(
      "1: FLOCK  ADVISORY  READ 1234 08:02:131 0 EOF\n"
      "1: -> FLOCK  ADVISORY  WRITE 1235 08:02:131 0 EOF\n"
      "1: -> FLOCK  ADVISORY  WRITE 1234 08:02:131 0 EOF\n"
      "2: FLOCK  ADVISORY  READ 1234 08:02:131 0 EOF\n"
      "2: -> FLOCK  ADVISORY  WRITE 1235 08:02:131 0 EOF\n"
      "3: FLOCK  ADVISORY  READ 1234 08:02:132 0 EOF\n");
  REQUIRE(locks.size() == 4);
  CHECK(locks[1].pid == 1235);
  CHECK(locks[2].role == ProcLock::Role::waits);
  CHECK(locks[3].file.inode == 132);
}

TEST_CASE("only entries of ours have a key") {
  const std::string key(64, 'a');
  CHECK(key_of_entry(key) == key);
  CHECK(key_of_entry(key + ".s-0000000001") == key);
  CHECK(key_of_entry(key + ".gate") == key);
  CHECK_FALSE(key_of_entry(key + "a").has_value());
  CHECK_FALSE(key_of_entry("readme").has_value());
  CHECK_FALSE(key_of_entry(std::string(63, 'a') + "g").has_value());
}
