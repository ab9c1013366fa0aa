// SPDX-License-Identifier: Apache-2.0
// Puts the server together and sees to its signals, its timer and its service manager.
#include "backends/http/server/serve.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <limits>
#include <utility>

#include "backends/http/server/asio.hpp"
#include "backends/http/server/engine.hpp"
#include "backends/http/server/routes.hpp"
#include "backends/http/server/server_log.hpp"
#include "backends/http/server/service_manager.hpp"
#include "core/boot_timer.hpp"
#include "core/error.hpp"
#include "core/signals.hpp"

namespace lockgate::server {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::seconds kPatience{5};  // for the last answers
// For what is no connection that is served: the journal, sockets that listen, clients that are turned away.
constexpr std::size_t kOtherDescriptors = 128;

/// True for an address that only this host can reach.
bool is_local(const std::string& listen) {
  return listen.starts_with("unix:") || listen.starts_with("127.") || listen.starts_with("[::1]") ||
         listen.starts_with("localhost:");
}

void refuse_open_doors(const ServeOptions& options, const std::string& address) {
  const bool proves_who = !options.tokens.empty() || !options.client_ca.empty();
  if (options.strangers == Strangers::allow || is_local(address) || (!options.tls_cert.empty() && proves_who)) {
    return;
  }
  throw Error(
      ExitCode::config,
      fmt::format("{} can be reached from other hosts, and {}", address,
                  options.tls_cert.empty() ? "there is no TLS" : "nobody has to prove who it is"),
      "give --tls-cert, --tls-key and --tokens (or --client-ca), or say --insecure if something else protects it");
}

EngineOptions engine_options(const ServeOptions& options) {
  EngineOptions engine;
  engine.listen = options.listen;
  if (!options.tls_cert.empty()) {
    engine.tls = TlsFiles{options.tls_cert, options.tls_key, options.client_ca};
  }
  engine.limits.body = options.limits.body;
  engine.limits.connections = options.limits.connections;
  engine.limits.connections_per_address = options.limits.connections_per_address;
  return engine;
}

/// Each connection is a descriptor, and what a process may have by itself is made for other times than these. How many
/// it may have now.
std::size_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return std::numeric_limits<std::size_t>::max();
  }
  const rlim_t before = std::exchange(limit.rlim_cur, limit.rlim_max);
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
}

TableLimits table_limits(const ServeOptions& options) {
  TableLimits limits;
  limits.locks = options.limits.locks;
  limits.waiters_per_lock = options.limits.waiters_per_lock;
  limits.max_ttl = options.restart_grace == RestartGrace::yes ? options.max_ttl : Duration::zero();
  return limits;
}

int copy_of(const UniqueFd& fd) {
  return ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0);
}

class Server {
 public:
  explicit Server(const ServeOptions& options);
  void run();

 private:
  void limit_connections(std::size_t& wanted);
  void wait_for_timer();
  void wait_for_signal();
  void on_signal(int number);
  void reload();
  void stop();
  void pat_watchdog();

  ServerLog log_;
  asio::io_context loop_{1};
  std::unique_ptr<Journal> journal_;
  UniqueFd timer_fd_ = open_boot_timer();
  UniqueFd signal_fd_ = Signals::open({SIGTERM, SIGINT, SIGHUP});
  asio::posix::stream_descriptor timer_{loop_, copy_of(timer_fd_)};  // each closes its own
  asio::posix::stream_descriptor signals_{loop_, copy_of(signal_fd_)};
  asio::steady_timer watchdog_{loop_};
  Access access_;
  Metrics metrics_;
  std::unique_ptr<LockTable> table_;
  std::unique_ptr<Routes> routes_;
  std::unique_ptr<Engine> engine_;
  bool stopping_ = false;
};

Server::Server(const ServeOptions& options) : log_(options.log_format, options.verbosity), access_(options.tokens) {
  const Post post = [this](std::function<void()> work) { asio::post(loop_, std::move(work)); };
  journal_ = options.store == StoreKind::memory ? make_memory_journal() : make_sqlite_journal(options.store_path, post);
  table_ = std::make_unique<LockTable>(*journal_, table_limits(options),
                                       TableWorld{BootClock::now, wall_now, [this](std::optional<BootTime> when) {
                                                    set_boot_timer(timer_fd_, when.value_or(BootTime::max()));
                                                  }});
  table_->observe([this](Duration waited) { metrics_.on_wait(waited); },
                  [this](Duration held) { metrics_.on_hold(held); });
  routes_ = std::make_unique<Routes>(Routes::World{*table_, access_, metrics_, options.max_ttl,
                                                   [this] {
                                                     return Metrics::Now{table_->counters(), engine_->connections(),
                                                                         engine_->parked(), journal_->healthy(),
                                                                         table_->grace_left()};
                                                   },
                                                   [this](const RequestNote& note) { log_.request(note); }});
  EngineOptions engine = engine_options(options);
  limit_connections(engine.limits.connections);
  engine.handler = [this](Exchange& exchange) { return routes_->answer(exchange); };
  engine.on_trouble = [this](const std::string& text) { log_.trouble(text); };
  engine.on_served = [this](const Served& served) {
    if (served.request == nullptr) {
      metrics_.on_request("refused", served.status, served.took);
    }
  };
  engine_ = Engine::listen(loop_, std::move(engine));
  // Sockets that the service manager handed over may stand elsewhere than --listen says.
  for (const std::string& url : engine_->urls()) {
    const auto scheme = url.find("://");
    refuse_open_doors(options, scheme == std::string::npos ? url : url.substr(scheme + 3));
  }
}

/// No more than there are descriptors for: who comes then is told so, and does not wait for ever to be let in.
void Server::limit_connections(std::size_t& wanted) {
  const std::size_t descriptors = raise_descriptor_limit();
  const std::size_t most = descriptors - std::min(descriptors / 2, kOtherDescriptors);
  if (wanted > most) {
    log_.say(
        fmt::format("this process may have {} descriptors, so there is room for {} connections, not {}: "
                    "raise LimitNOFILE= in its unit, or ulimit -Hn",
                    descriptors, most, wanted));
    wanted = most;
  }
}

void Server::run() {
  wait_for_timer();
  wait_for_signal();
  engine_->start();
  for (const std::string& url : engine_->urls()) {
    log_.say("listening on " + url);
  }
  notify_service_manager("READY=1");
  pat_watchdog();
  loop_.run();
  journal_->flush();
}

void Server::wait_for_timer() {
  timer_.async_wait(asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& error) {
    if (error || stopping_) {
      return;
    }
    std::uint64_t times = 0;
    [[maybe_unused]] const ssize_t got = ::read(timer_fd_.get(), &times, sizeof times);
    table_->expire_due();
    wait_for_timer();
  });
}

void Server::wait_for_signal() {
  signals_.async_wait(asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& error) {
    if (error) {
      return;
    }
    while (const auto number = Signals::next(signal_fd_)) {
      on_signal(*number);
    }
    wait_for_signal();
  });
}

void Server::on_signal(int number) {
  if (number == SIGHUP) {
    reload();
  } else if (!stopping_) {
    stop();
  }
}

void Server::reload() {
  try {
    access_.reload();
    engine_->reload_tls();
    log_.say("tokens and certificates were read again");
  } catch (const Error& error) {
    log_.trouble(fmt::format("the old tokens and certificates stay: {}", error.what()));
  }
}

/// What is parked is answered, nothing new is granted, and the loop ends when the last answer is on its way.
void Server::stop() {
  stopping_ = true;
  notify_service_manager("STOPPING=1");
  log_.say("stopping");
  routes_->stop();
  table_->stop();
  engine_->stop(kPatience, [this] { loop_.stop(); });
}

/// From the loop itself: a server whose loop hangs is to be started anew.
void Server::pat_watchdog() {
  const auto interval = watchdog_interval();
  if (!interval) {
    return;
  }
  notify_service_manager("WATCHDOG=1");
  watchdog_.expires_after(std::chrono::duration_cast<asio::steady_timer::duration>(*interval / 2));
  watchdog_.async_wait([this](const boost::system::error_code& error) {
    if (!error) {
      pat_watchdog();
    }
  });
}

}  // namespace

int serve(const ServeOptions& options) {
  refuse_open_doors(options, options.listen);
  Server(options).run();
  return to_int(ExitCode::done);
}

}  // namespace lockgate::server
