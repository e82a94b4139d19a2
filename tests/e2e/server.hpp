// A server of examples/ as a process of its own, and requests to it: what the end-to-end tests share.
#pragma once

#include <dingcb/testkit.hpp>

#include <curl/curl.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace e2e {

using Clock = std::chrono::steady_clock;
using dingcb::testkit::Judgement;
using dingcb::testkit::Platform;
using dingcb::testkit::SignedPush;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr long kDeadlineMs = 1200;  // SyncHTTP's, the shortest

/// What the examples take where the environment says nothing.
inline const dingcb::Credential kCredential{
    "123456", "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij", {"suite4xxxxxxxxxxxxxxx"}, {}};

class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline void require(bool holds, const std::string& what) {
  if (!holds) throw Failure(what);
}

// ---- The server

class Server {
 public:
  Server(std::vector<char*> command, const std::string& directory, bool needs_socket) {
    const int socket = needs_socket ? listen_somewhere() : -1;
    int ends[2];
    require(pipe2(ends, O_CLOEXEC) == 0, "no pipe");
    command.push_back(nullptr);
    process_ = fork();
    require(process_ >= 0, "no process");
    if (process_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);  // however this program ends, the server does, too
      setpgid(0, 0);
      dup2(ends[1], STDOUT_FILENO);
      if (socket >= 0) dup2(socket, 3);
      if (chdir(directory.c_str()) == 0) execv(command[0], command.data());
      _exit(127);
    }
    close(ends[1]);
    if (socket >= 0) close(socket);
    reader_ = std::thread([this, in = ends[0]] { read_lines(in); });
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() {
    if (process_ > 0) {
      kill(-process_, SIGKILL);  // with its children
      waitpid(process_, nullptr, 0);
    }
    reader_.join();
  }

  /// Waits for a line that starts so, and gives the rest of it.
  std::string wait_for_line(const std::string& start) {
    std::unique_lock<std::mutex> lock(mutex_);
    const auto found = [&] {
      return std::find_if(lines_.begin(), lines_.end(),
                          [&](const std::string& line) { return line.compare(0, start.size(), start) == 0; });
    };
    changed_.wait_for(lock, seconds(10), [&] { return found() != lines_.end() || ended_; });
    const auto line = found();
    require(line != lines_.end(), "the server did not print \"" + start + "\"");
    return line->substr(start.size());
  }

  void ask_to_stop() const { kill(process_, SIGTERM); }

  /// Waits for the end of the process.
  void wait_for_end() {
    const auto limit = Clock::now() + seconds(10);
    int status = 0;
    while (waitpid(process_, &status, WNOHANG) == 0) {
      require(Clock::now() < limit, "SIGTERM did not end the server in 10 s");
      std::this_thread::sleep_for(milliseconds(5));
    }
    process_ = -1;
    require(WIFEXITED(status), "signal " + std::to_string(WTERMSIG(status)) + " ended the server");
    require(WEXITSTATUS(status) == 0, "the server ended with code " + std::to_string(WEXITSTATUS(status)));
  }

 private:
  static int listen_somewhere() {
    // It must not block: a worker of nginx would wait for a connection that another one took. Above 3, so that dup2()
    // makes a copy that survives execv().
    const int low = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int socket = fcntl(low, F_DUPFD_CLOEXEC, 10);
    close(low);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    require(bind(socket, any, size) == 0 && listen(socket, 512) == 0 && getsockname(socket, any, &size) == 0,
            "no socket");
    setenv("DINGCB_E2E_PORT", std::to_string(ntohs(address.sin_port)).c_str(), 1);
    return socket;
  }

  void read_lines(int in) {
    const std::unique_ptr<FILE, int (*)(FILE*)> file(fdopen(in, "r"), fclose);
    std::string line;
    for (int c = 0; (c = fgetc(file.get())) != EOF;) {
      if (c != '\n') {
        line += static_cast<char>(c);
        continue;
      }
      const std::lock_guard<std::mutex> lock(mutex_);
      lines_.push_back(std::exchange(line, {}));
      changed_.notify_all();
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }

  pid_t process_ = -1;
  std::thread reader_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
  bool ended_ = false;
};

// ---- The client

struct Answer {
  CURLcode error = CURLE_OK;
  long status = 0;
  std::string type;
  std::string body;
  long ms = 0;
};

enum class Method { post, chunked, get };

/// One request of curl's.
class Call {
 public:
  Call(const std::string& url, SignedPush push, Method method = Method::post)
      : easy_(curl_easy_init(), curl_easy_cleanup), push_(std::move(push)) {
    set(CURLOPT_URL, (url + '?' + push_.query).c_str());
    set(CURLOPT_TIMEOUT_MS, 15000L);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_WRITEFUNCTION, &Call::on_data);
    set(CURLOPT_WRITEDATA, &answer_.body);
    set(CURLOPT_PRIVATE, this);
    header("Content-Type: application/json");
    header("Expect:");  // not every server answers that, and DingTalk does not ask
    if (method == Method::post) {
      set(CURLOPT_POSTFIELDS, push_.body.c_str());
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(push_.body.size()));
    } else if (method == Method::chunked) {
      header("Transfer-Encoding: chunked");
      set(CURLOPT_POST, 1L);
      set(CURLOPT_READFUNCTION, &Call::on_chunk);
      set(CURLOPT_READDATA, this);
    }
    set(CURLOPT_HTTPHEADER, headers_.get());
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  Answer run() { return finish(curl_easy_perform(easy_.get())); }
  Answer run_for(long ms) {
    set(CURLOPT_TIMEOUT_MS, ms);
    return run();
  }

  CURL* easy() const { return easy_.get(); }
  Answer finish(CURLcode error) {
    answer_.error = error;
    curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &answer_.status);
    const char* type = nullptr;
    curl_easy_getinfo(easy_.get(), CURLINFO_CONTENT_TYPE, &type);
    if (type != nullptr) answer_.type = type;
    curl_off_t us = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_TOTAL_TIME_T, &us);
    answer_.ms = static_cast<long>(us / 1000);
    return answer_;
  }

 private:
  template <class Value>
  void set(CURLoption option, Value value) {
    require(curl_easy_setopt(easy_.get(), option, value) == CURLE_OK, "curl refuses an option");
  }
  void header(const char* line) { headers_.reset(curl_slist_append(headers_.release(), line)); }

  static std::size_t on_data(char* data, std::size_t, std::size_t size, void* body) {
    static_cast<std::string*>(body)->append(data, size);
    return size;
  }
  static std::size_t on_chunk(char* buffer, std::size_t, std::size_t size, void* self) {
    auto* const call = static_cast<Call*>(self);
    const std::size_t count = call->push_.body.copy(buffer, std::min<std::size_t>(size, 100), call->sent_);
    call->sent_ += count;
    return count;
  }

  std::unique_ptr<CURL, void (*)(CURL*)> easy_;
  std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers_{nullptr, curl_slist_free_all};
  SignedPush push_;
  std::size_t sent_ = 0;
  Answer answer_;
};

/// Requires that DingTalk takes an answer for the delivery of the push.
inline void require_accepted(const Platform& platform, const Answer& answer) {
  require(answer.error == CURLE_OK, curl_easy_strerror(answer.error));
  const Judgement judgement = platform.judge(static_cast<int>(answer.status), answer.body);
  require(judgement.accepted, judgement.problem);
  require(answer.type == "application/json", "the answer has the content type \"" + answer.type + '"');
  require(answer.ms < kDeadlineMs, "the answer came after " + std::to_string(answer.ms) + " ms");
}

}  // namespace e2e
