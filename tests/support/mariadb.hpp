// A private MariaDB server for tests: started on loopback in a temporary folder. Both go with the object, and where the
// test program itself dies.
#pragma once

#include <fcntl.h>
#include <mysql.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace support {

/// A plain connection for what a test itself has to ask or do. Throws where a statement fails.
class Sql {
 public:
  Sql(std::uint16_t port, const std::string& database) : handle_(mysql_init(nullptr), mysql_close) {
    if (mysql_real_connect(handle_.get(), "127.0.0.1", "root", "", database.empty() ? nullptr : database.c_str(), port,
                           nullptr, 0) == nullptr) {
      throw std::runtime_error(mysql_error(handle_.get()));
    }
    mysql_set_character_set(handle_.get(), "utf8mb4");
  }

  using Row = std::vector<std::string>;  // NULL is the text "NULL"

  std::vector<Row> operator()(const std::string& statement) {
    if (mysql_real_query(handle_.get(), statement.data(), statement.size()) != 0) {
      throw std::runtime_error(statement + ": " + mysql_error(handle_.get()));
    }
    std::vector<Row> rows;
    const std::unique_ptr<MYSQL_RES, void (*)(MYSQL_RES*)> result(mysql_store_result(handle_.get()), mysql_free_result);
    if (result == nullptr) return rows;
    while (char** const row = mysql_fetch_row(result.get())) {
      const unsigned long* const lengths = mysql_fetch_lengths(result.get());
      Row& texts = rows.emplace_back();
      for (unsigned i = 0; i < mysql_num_fields(result.get()); ++i) {
        texts.push_back(row[i] == nullptr ? std::string("NULL") : std::string(row[i], lengths[i]));
      }
    }
    return rows;
  }

  /// Gives the first column of the first row.
  std::string value(const std::string& statement) {
    const auto rows = (*this)(statement);
    return rows.empty() ? std::string() : rows.front().front();
  }

  std::uint64_t affected() { return mysql_affected_rows(handle_.get()); }

 private:
  std::unique_ptr<MYSQL, void (*)(MYSQL*)> handle_;
};

/// A folder that goes with the object, or with this process, however that ends: a process beside it sees to that; see
/// `guard` in mariadb.sh.
class Scratch {
 public:
  Scratch() {
    int alive[2];
    int answer[2];
    if (pipe2(alive, O_CLOEXEC) != 0 || pipe2(answer, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    std::string script = DINGCB_MARIADB_SCRIPT;
    std::string verb = "guard";
    char* const argv[] = {script.data(), verb.data(), nullptr};
    const pid_t child = fork();
    if (child < 0) throw std::runtime_error("fork failed");
    if (child == 0) {
      // Neither in the session nor among the descendants of this process, so that whoever kills those spares it.
      setsid();
      if (fork() != 0) _exit(0);
      dup2(alive[0], STDIN_FILENO);
      dup2(answer[1], STDOUT_FILENO);
      dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
      for (int file = 3; file < 256; ++file) close(file);
      execv(argv[0], argv);
      _exit(127);
    }
    waitpid(child, nullptr, 0);
    close(alive[0]);
    close(answer[1]);
    alive_ = alive[1];
    for (char next = 0; read(answer[0], &next, 1) == 1 && next != '\n';) path_ += next;
    close(answer[0]);
    if (path_.empty()) throw std::runtime_error("mariadb.sh guard made no folder");
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
    close(alive_);
  }

  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
  int alive_ = -1;
};

/// Runs mariadb.sh; it is killed where this thread ends before it.
inline pid_t run_script(const std::vector<std::string>& arguments) {
  std::vector<std::string> words{DINGCB_MARIADB_SCRIPT};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    const int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  return child;
}

class MariaDb {
 public:
  /// Starts a server; make it in the main thread, with whose end the kernel kills the server.
  /// @throws std::runtime_error with the server's own log where it does not start.
  explicit MariaDb(std::vector<std::string> options = {}) : options_(std::move(options)) {
    int status = 0;
    waitpid(run_script({"init", data()}), &status, 0);
    if (status != 0) throw std::runtime_error("mariadb.sh init failed");
    // Another process may take a port between its choice and its use, so it is tried again with another one.
    for (int attempt = 1;; ++attempt) {
      port_ = free_port();
      try {
        start();
        return;
      } catch (const std::runtime_error&) {
        if (attempt == 5) throw;
      }
    }
  }
  MariaDb(const MariaDb&) = delete;
  MariaDb& operator=(const MariaDb&) = delete;
  ~MariaDb() { kill(); }

  const std::string& folder() const noexcept { return scratch_.path(); }
  std::uint16_t port() const noexcept { return port_; }
  bool running() const noexcept { return server_ > 0; }

  /// Starts the server again, on the same data and port, and waits until it answers.
  void start() {
    if (running()) return;
    std::vector<std::string> arguments{"serve", data(), std::to_string(port_)};
    arguments.insert(arguments.end(), options_.begin(), options_.end());
    server_ = run_script(arguments);
    for (;;) {
      try {
        const Sql probe(port_, "");
        return;
      } catch (const std::runtime_error&) {
      }
      int status = 0;
      if (waitpid(server_, &status, WNOHANG) == server_) {
        server_ = -1;
        std::ifstream log(data() + "/error.log");
        throw std::runtime_error("mariadbd ended: " + std::string(std::istreambuf_iterator<char>(log), {}));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

  /// Kills the server as a power cut would (SIGKILL), and waits for its end.
  void kill() noexcept { end(SIGKILL); }
  /// Shuts the server down in order.
  void stop() noexcept { end(SIGTERM); }

  /// Freezes the server: connections stay open and nothing answers, as behind a broken network.
  void freeze() const noexcept {
    ::kill(server_, SIGSTOP);
    waitpid(server_, nullptr, WUNTRACED);  // until all of its threads stand still
  }
  void thaw() const noexcept { ::kill(server_, SIGCONT); }

  /// Makes an empty database of its own for a test, and gives its name.
  std::string fresh_database() {
    std::string name = "test_" + std::to_string(++databases_);
    Sql(port_, "")("CREATE DATABASE " + name + " CHARACTER SET utf8mb4");
    return name;
  }

  Sql sql(const std::string& database = "") const { return Sql(port_, database); }

 private:
  std::string data() const { return folder() + "/data"; }

  static std::uint16_t free_port() {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const bool done = bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                      getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    close(socket);
    if (!done) throw std::runtime_error("no free port on loopback");
    return ntohs(address.sin_port);
  }

  void end(int signal) noexcept {
    if (!running()) return;
    ::kill(server_, signal);
    ::kill(server_, SIGCONT);
    int status = 0;
    waitpid(server_, &status, 0);
    server_ = -1;
  }

  std::vector<std::string> options_;
  Scratch scratch_;
  std::uint16_t port_ = 0;
  pid_t server_ = -1;
  int databases_ = 0;
};

/// Gives the one server of a test program, started when it is first asked for.
inline MariaDb& mariadb() {
  static MariaDb server;
  server.start();
  return server;
}

}  // namespace support
