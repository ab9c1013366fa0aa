// SPDX-License-Identifier: Apache-2.0
#include "backends/http/server/journal_database.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "backends/http/server/failpoint.hpp"
#include "core/error.hpp"
#include "core/text.hpp"
#include "core/unique_fd.hpp"

namespace lockgate::server {
namespace {

constexpr int kApplication = 0x6C6B6774;  // "lkgt"
constexpr int kSchema = 2;
constexpr std::int64_t kMostReleases = 1'000'000;

constexpr auto kTables = R"(
  CREATE TABLE hold (handle TEXT PRIMARY KEY, name TEXT NOT NULL, shared INTEGER NOT NULL, acquirer TEXT NOT NULL,
                     request TEXT NOT NULL, token INTEGER NOT NULL, ttl_ms INTEGER NOT NULL, since_us INTEGER NOT NULL,
                     host TEXT NOT NULL, pid INTEGER, user TEXT NOT NULL, command TEXT NOT NULL, reason TEXT NOT NULL,
                     value TEXT, principal TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE release (forget_us INTEGER NOT NULL, handle TEXT NOT NULL, name TEXT NOT NULL, request TEXT NOT NULL,
                        acquired TEXT NOT NULL DEFAULT '', PRIMARY KEY (forget_us, handle)) WITHOUT ROWID;
  CREATE TABLE token_floor (one INTEGER PRIMARY KEY CHECK (one = 1), token INTEGER NOT NULL) WITHOUT ROWID;
  INSERT INTO token_floor VALUES (1, 0);
)";
/// Of the first schema: of releases it had their own requests only.
constexpr auto kFromFirst = "ALTER TABLE release ADD COLUMN acquired TEXT NOT NULL DEFAULT ''";

std::int64_t in_us(WallTime time) {
  return time.time_since_epoch().count();
}

/// A statement that is prepared once and used again and again.
class Statement {
 public:
  Statement(sqlite3* database, const char* sql) : database_(database) {
    check(sqlite3_prepare_v3(database, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement_, nullptr));
  }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement() { sqlite3_finalize(statement_); }

  template <class... Values>
  void run(const Values&... values) {
    bind_all(values...);
    const int result = sqlite3_step(statement_);
    sqlite3_reset(statement_);
    check(result);
  }
  /// Calls `row` for each row of the result.
  template <class Row>
  void each(Row row) {
    int result = 0;
    while ((result = sqlite3_step(statement_)) == SQLITE_ROW) {
      row();
    }
    sqlite3_reset(statement_);
    check(result);
  }
  [[nodiscard]] std::int64_t number(int column) const { return sqlite3_column_int64(statement_, column); }
  [[nodiscard]] bool is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  [[nodiscard]] std::string text(int column) const {
    const auto* const bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return bytes == nullptr ? std::string()
                            : std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
  }

 private:
  template <class... Values>
  void bind_all(const Values&... values) {
    int index = 0;
    (bind(++index, values), ...);
  }
  void bind(int index, std::int64_t value) { check(sqlite3_bind_int64(statement_, index, value)); }
  void bind(int index, const std::string& value) {
    // The value outlives the step.
    check(sqlite3_bind_text(statement_, index, value.data(), static_cast<int>(value.size()), SQLITE_STATIC));
  }
  template <class Value>
  void bind(int index, const std::optional<Value>& value) {
    if (value) {
      bind(index, *value);
    } else {
      check(sqlite3_bind_null(statement_, index));
    }
  }
  void check(int result) const {
    if (result != SQLITE_OK && result != SQLITE_DONE && result != SQLITE_ROW) {
      throw Error(ExitCode::io_error, fmt::format("cannot write the journal: {}", sqlite3_errmsg(database_)));
    }
  }

  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
};

/// SQLite makes files as the umask has it, and folders not at all.
void make_file(const std::string& path) {
  const std::string folder = path.substr(0, path.rfind('/'));
  for (std::size_t slash = folder.find('/', 1); !folder.empty(); slash = folder.find('/', slash + 1)) {
    if (::mkdir(folder.substr(0, slash).c_str(), 0700) != 0 && errno != EEXIST) {
      throw Error(exit_code_for_file_errno(errno),
                  fmt::format("cannot create {}: {}", quote(folder.substr(0, slash)), errno_text(errno)),
                  "choose another place with --store sqlite:PATH, or --store memory");
    }
    if (slash == std::string::npos) {
      break;
    }
  }
  const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  struct stat st {};
  if (!file || ::fstat(file.get(), &st) != 0) {
    throw Error(exit_code_for_file_errno(errno), fmt::format("cannot open {}: {}", quote(path), errno_text(errno)),
                "choose another place with --store sqlite:PATH, or --store memory");
  }
  if (!S_ISREG(st.st_mode)) {
    throw Error(ExitCode::cannot_create, fmt::format("{} is no regular file", quote(path)), "name another one");
  }
}

/// Handles are in it. SQLite gives the files that it makes beside it the same mode.
void make_private(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) == 0 && (st.st_mode & 0077) != 0 && ::chmod(path.c_str(), 0600) != 0) {
    throw Error(ExitCode::not_allowed,
                fmt::format("{} can be read by others, and that cannot be changed: {}", quote(path), errno_text(errno)),
                "it holds the secrets of all locks: chmod 600 it");
  }
}

}  // namespace

struct JournalDatabase::Sqlite {
  struct Statements {
    explicit Statements(sqlite3* db)
        : begin(db, "BEGIN IMMEDIATE"),
          commit(db, "COMMIT"),
          grant(db, "INSERT OR REPLACE INTO hold VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"),
          raise_floor(db, "UPDATE token_floor SET token = ? WHERE token < ?1"),
          end(db, "DELETE FROM hold WHERE handle = ?"),
          remember(db,
                   "INSERT OR REPLACE INTO release (forget_us, handle, name, request, acquired) "
                   "SELECT ?2 + max(ttl_ms * 1000, 120000000), handle, name, ?1, ?4 FROM hold WHERE handle = ?3"),
          forget(db,
                 "DELETE FROM release WHERE (forget_us, handle) IN "
                 "(SELECT forget_us, handle FROM release WHERE forget_us < ? ORDER BY forget_us, handle LIMIT ?)"),
          value(db, "UPDATE hold SET value = ? WHERE handle = ?"),
          ttl(db, "UPDATE hold SET ttl_ms = ? WHERE handle = ?") {}
    Statement begin, commit, grant, raise_floor, end, remember, forget, value, ttl;
  };

  explicit Sqlite(std::string where) : path(std::move(where)) {}
  Sqlite(const Sqlite&) = delete;
  Sqlite& operator=(const Sqlite&) = delete;
  ~Sqlite() {
    statements.reset();
    sqlite3_close(database);
  }

  void open();
  void check_owner();
  void check_whole();
  void bring_up_to_date();
  void exec(const char* sql);
  std::int64_t pragma(const char* name);
  [[noreturn]] void fail(int result) const;

  std::string path;
  sqlite3* database = nullptr;
  std::int64_t releases = 0;    // rows there are of them, about
  std::int64_t remembered = 0;  // rows of them in this transaction
  std::int64_t highest = 0;     // token in it
  std::unique_ptr<Statements> statements;
};

void JournalDatabase::Sqlite::fail(int result) const {
  const std::string why = database == nullptr ? sqlite3_errstr(result) : sqlite3_errmsg(database);
  switch (result & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw Error(ExitCode::conflict, fmt::format("another lock server has the journal {}", quote(path)),
                  "stop that one, or give this one another file: --store sqlite:PATH");
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      throw Error(ExitCode::not_understood, fmt::format("{} is no journal of a lock server: {}", quote(path), why),
                  "it was left as it is; move it away, or name another file: --store sqlite:PATH");
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
      throw Error(ExitCode::not_allowed, fmt::format("cannot write {}: {}", quote(path), why),
                  "the server needs to write it and to make files beside it");
    default:
      throw Error(ExitCode::io_error, fmt::format("cannot use {}: {}", quote(path), why), "is the disk full?");
  }
}

void JournalDatabase::Sqlite::exec(const char* sql) {
  if (const int result = sqlite3_exec(database, sql, nullptr, nullptr, nullptr); result != SQLITE_OK) {
    fail(result);
  }
}

std::int64_t JournalDatabase::Sqlite::pragma(const char* name) {
  std::int64_t value = 0;
  const auto take = [](void* out, int /*columns*/, char** texts, char** /*names*/) {
    *static_cast<std::int64_t*>(out) = std::stoll(texts[0]);
    return 0;
  };
  const int result = sqlite3_exec(database, fmt::format("PRAGMA {}", name).c_str(), take, &value, nullptr);
  if (result != SQLITE_OK) {
    fail(result);
  }
  return value;
}

void JournalDatabase::Sqlite::open() {
  make_file(path);
  const int result = sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (result != SQLITE_OK) {
    fail(result);
  }
  sqlite3_extended_result_codes(database, 1);
  // Until it is known to be ours, closing it again must not change it, as writing its log back would.
  sqlite3_db_config(database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  exec("PRAGMA locking_mode = EXCLUSIVE");
  check_owner();
  check_whole();
  sqlite3_db_config(database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
  make_private(path);
  exec("PRAGMA journal_mode = WAL");
  exec("PRAGMA synchronous = FULL");  // NORMAL may lose a lock that was granted, at a power failure
  exec("BEGIN IMMEDIATE");            // takes the lock that keeps others out, and with that mode keeps it
  bring_up_to_date();
  statements = std::make_unique<Statements>(database);
}

/// Makes the tables, or gives those of an older lockgate what they lack. All of it or nothing: in the transaction that
/// is open, which it ends.
void JournalDatabase::Sqlite::bring_up_to_date() {
  const auto schema = pragma("user_version");
  if (schema == kSchema) {
    exec("COMMIT");
    return;
  }
  exec(schema == 0 ? kTables : kFromFirst);
  exec(fmt::format("PRAGMA application_id = {}", kApplication).c_str());
  exec(fmt::format("PRAGMA user_version = {}", kSchema).c_str());
  failpoint("making:tables");
  exec("COMMIT");
  failpoint("making:committed");
}

/// Before anything is written to it.
void JournalDatabase::Sqlite::check_owner() {
  const auto application = pragma("application_id");
  const auto schema = pragma("user_version");
  const bool fresh = application == 0 && schema == 0 && pragma("schema_version") == 0;
  if (!fresh && application != kApplication) {
    throw Error(ExitCode::not_understood, fmt::format("{} is a database of another program", quote(path)),
                "it was left as it is; name another file: --store sqlite:PATH");
  }
  if (schema > kSchema) {
    throw Error(ExitCode::not_understood, fmt::format("{} was written by a newer lockgate", quote(path)),
                "it was left as it is; run that lockgate, or name another file: --store sqlite:PATH");
  }
}

/// Half a journal would be locks that are held and given again.
void JournalDatabase::Sqlite::check_whole() {
  std::string verdict;
  const auto take = [](void* out, int /*columns*/, char** texts, char** /*names*/) {
    *static_cast<std::string*>(out) = texts[0];
    return 0;
  };
  const int result = sqlite3_exec(database, "PRAGMA quick_check(1)", take, &verdict, nullptr);
  if (result != SQLITE_OK) {
    fail(result);
  }
  if (verdict != "ok") {
    throw Error(ExitCode::not_understood, fmt::format("the journal {} is damaged: {}", quote(path), printable(verdict)),
                "it was left as it is; restore it, or move it away and wait for the longest TTL before a new start");
  }
}

JournalDatabase::JournalDatabase(const std::string& path) : sqlite_(std::make_unique<Sqlite>(path)) {
  sqlite_->open();
}
JournalDatabase::~JournalDatabase() = default;

JournalContent JournalDatabase::load() {
  JournalContent content;
  Statement holds(sqlite_->database, "SELECT * FROM hold ORDER BY since_us, token");
  holds.each([&] {
    LeaseHolder holder;
    holder.handle = holds.text(0);
    holder.mode = holds.number(2) != 0 ? Mode::shared : Mode::exclusive;
    holder.acquirer_id = holds.text(3);
    holder.token = static_cast<std::uint64_t>(holds.number(5));
    holder.ttl = std::chrono::milliseconds(holds.number(6));
    holder.about.since = WallTime(std::chrono::microseconds(holds.number(7)));
    holder.about.host = holds.text(8);
    if (!holds.is_null(9)) {
      holder.about.pid = static_cast<pid_t>(holds.number(9));
    }
    holder.about.user = holds.text(10);
    holder.about.published = {holds.text(11), holds.text(12),
                              holds.is_null(13) ? std::nullopt : std::optional(holds.text(13))};
    holder.about.principal = holds.text(14);
    content.holds.push_back({holds.text(1), std::move(holder), holds.text(4)});
  });
  Statement ended(sqlite_->database,
                  "SELECT name, handle, request, acquired, forget_us FROM release ORDER BY forget_us");
  sqlite_->releases = 0;
  ended.each([&] {
    ++sqlite_->releases;
    content.ended.push_back({{ended.text(0), ended.text(1), ended.text(2), ended.text(3)},
                             WallTime(std::chrono::microseconds(ended.number(4)))});
  });
  Statement floor(sqlite_->database, "SELECT token FROM token_floor");
  floor.each([&] { content.token_floor = static_cast<std::uint64_t>(floor.number(0)); });
  return content;
}

void JournalDatabase::begin() {
  sqlite_->highest = 0;
  sqlite_->remembered = 0;
  sqlite_->statements->begin.run();
}

void JournalDatabase::write(const JournalEntry& entry) {
  Sqlite::Statements& s = *sqlite_->statements;
  if (const auto* granted = std::get_if<HoldGranted>(&entry)) {
    const LeaseHolder& holder = granted->holder;
    const About& about = holder.about;
    // Not ?: with nullopt, of which g++ 12 thinks that its value might be read.
    std::optional<std::int64_t> pid;
    if (about.pid) {
      pid.emplace(*about.pid);
    }
    s.grant.run(holder.handle, granted->name, std::int64_t{holder.mode == Mode::shared ? 1 : 0}, holder.acquirer_id,
                granted->request_id, static_cast<std::int64_t>(holder.token),
                std::int64_t{std::chrono::ceil<std::chrono::milliseconds>(holder.ttl).count()}, in_us(about.since),
                about.host, pid, about.user, about.published.command, about.published.reason, about.published.value,
                about.principal);
    sqlite_->highest = std::max(sqlite_->highest, static_cast<std::int64_t>(holder.token));
  } else if (const auto* ended = std::get_if<HoldEnded>(&entry)) {
    if (!ended->request_id.empty() || !ended->acquired.empty()) {
      // For the longer of its TTL and two minutes.
      s.remember.run(ended->request_id, in_us(wall_now()), ended->handle, ended->acquired);
      ++sqlite_->remembered;
    }
    s.end.run(ended->handle);
  } else if (const auto* changed = std::get_if<ValueChanged>(&entry)) {
    s.value.run(changed->value, changed->handle);
  } else if (const auto* renewed = std::get_if<TtlChanged>(&entry)) {
    s.ttl.run(std::int64_t{std::chrono::ceil<std::chrono::milliseconds>(renewed->ttl).count()}, renewed->handle);
  }
}

void JournalDatabase::commit() {
  Sqlite::Statements& s = *sqlite_->statements;
  if (sqlite_->highest > 0) {
    s.raise_floor.run(sqlite_->highest);
  }
  std::int64_t forgotten = 0;
  if (sqlite_->remembered > 0) {
    // Twice as many go as came: old ones never pile up, and no commit has to wait for a million of them to go.
    const bool too_many = sqlite_->releases > kMostReleases;
    s.forget.run(too_many ? std::numeric_limits<std::int64_t>::max() : in_us(wall_now()), 2 * sqlite_->remembered);
    forgotten = sqlite3_changes(sqlite_->database);
  }
  s.commit.run();
  sqlite_->releases += sqlite_->remembered - forgotten;
}

void JournalDatabase::roll_back() noexcept {
  if (sqlite3_get_autocommit(sqlite_->database) == 0) {
    sqlite3_exec(sqlite_->database, "ROLLBACK", nullptr, nullptr, nullptr);
  }
}

}  // namespace lockgate::server
