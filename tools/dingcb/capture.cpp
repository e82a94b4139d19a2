// dingcb capture: a small receiver that shows and keeps what it gets.
#include "command.hpp"
#include "deliveries.hpp"
#include "exchanges.hpp"
#include "json.hpp"
#include "judging.hpp"
#include "settings.hpp"

#include <dingcb/callback_handler.hpp>

#include <fcntl.h>
#include <httplib.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace command {

namespace {

struct Options {
  Settings settings;
  std::string host = "127.0.0.1";
  int port = 8080;
  std::string output;
  int count = 0;
  std::string lang;
  bool json = false;
};

constexpr std::size_t kMostBody = std::size_t{16} << 20;
constexpr std::size_t kMostDiagnosed = 16384;  // a diagnosis of more takes seconds, and the answer waits for it
constexpr std::size_t kThreads = 64;

std::string present_time() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return utc_text(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

struct Server : httplib::Server {
  /// Debian's build has room for 5 connections that wait; what comes in a burst would be reset. A second listen()
  /// enlarges it.
  bool enlarge_backlog() const { return ::listen(svr_sock_, 512) == 0; }
};

/// A file to which lines are added, and that only its owner reads: pushes are about people.
class Log {
 public:
  explicit Log(const std::string& name) : name_(name) {
    if (name.empty()) return;
    file_ = open(name.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file_ < 0) throw Failure(kInput, "cannot write " + name + ": " + std::generic_category().message(errno));
  }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  ~Log() {
    if (file_ >= 0) close(file_);
  }
  void add(const std::string& line) const {
    if (file_ >= 0 && write(file_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
      complain("dingcb: cannot write " + name_);
    }
  }

 private:
  std::string name_;
  int file_ = -1;
};

/// Answers as an endpoint should where there are keys; without, DingTalk is to send it again.
class Receiver {
 public:
  explicit Receiver(const Options& options)
      : options_(options), language_(language_of(options.lang)), log_(options.output) {
    std::vector<dingcb::Credential> credentials = credentials_of(options.settings);
    const dingcb::Credential& first = credentials.front();
    if (first.token.empty() && first.aes_key.empty() && first.owner_keys.empty()) return;
    encryptor_ = make_encryptor(complete_credentials(options.settings));
    handler_.emplace(*encryptor_, dingcb::Dispatcher::Builder().build().value());
  }

  bool has_keys() const noexcept { return handler_.has_value(); }

  /// @return whether this was the last that is wanted.
  bool receive(const httplib::Request& request, httplib::Response& response) {
    Exchange exchange;
    exchange.has_request = true;
    exchange.method = request.method;
    exchange.target = request.target;
    exchange.body = request.body;
    dingcb::Response answer;
    answer.status = 503;
    answer.body = "no keys to answer with";
    if (handler_) answer = handler_->handle({exchange.query(), exchange.body});
    response.status = answer.status;
    response.set_content(answer.body, std::string(answer.content_type).c_str());

    const std::lock_guard<std::mutex> lock(mutex_);
    show(exchange, answer);
    return options_.count > 0 && ++received_ >= options_.count;
  }

 private:
  void show(const Exchange& exchange, const dingcb::Response& answer) {
    const Parts parts = parts_of(exchange);
    const std::string time = present_time();
    std::optional<dingcb::Opened> opened;
    if (encryptor_) {
      if (auto result = encryptor_->decrypt(parts.push())) opened = *std::move(result);
    }
    JsonLine line;
    line.text("time", time).text("method", exchange.method).text("target", exchange.target);
    line.text("body", exchange.body).number("status", answer.status).text("answer", answer.body);
    if (opened) line.text("plaintext", opened->plaintext);
    const std::string saved = line.line();
    log_.add(saved);
    if (options_.json) {
      print(saved);
    } else {
      const std::string path = printable(exchange.target.substr(0, exchange.target.find('?')));
      print(time + "  " + exchange.method + ' ' + path + "  " + std::to_string(exchange.body.size()) + " bytes  -> " +
            std::to_string(answer.status) + '\n');
      if (opened) {
        print("  " + opened->plaintext + '\n');
      } else if (encryptor_ && exchange.body.size() > kMostDiagnosed) {
        print(language_ == Language::zh ? "  无法解密，且过大而未诊断\n" : "  does not open; too long to say why\n");
      } else if (encryptor_) {
        const Finding finding = judge(*encryptor_, exchange);
        print("  " + finding.cause + ": " + finding.in(language_) + '\n');
      } else {
        print(language_ == Language::zh ? "  没有密钥，未解密\n" : "  not opened: no keys\n");
      }
    }
    std::fflush(stdout);  // a person watches
  }

  const Options& options_;
  Language language_;
  Log log_;
  std::optional<dingcb::Encryptor> encryptor_;
  std::optional<dingcb::CallbackHandler> handler_;
  std::mutex mutex_;
  int received_ = 0;
};

void capture(const Options& options) {
  Receiver receiver(options);
  Server server;
  server.set_payload_max_length(kMostBody);
  server.set_keep_alive_max_count(100000);
  server.set_tcp_nodelay(true);
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };  // each keeps one connection busy
  server.set_keep_alive_timeout(1);  // which is how long the end waits for an idle client
  const auto receive = [&](const httplib::Request& request, httplib::Response& response) {
    if (receiver.receive(request, response)) server.stop();
  };
  server.Post(".*", receive);
  server.Get(".*", receive);
  server.Put(".*", receive);

  const bool bound = options.port != 0 && server.bind_to_port(options.host.c_str(), options.port);
  const int port = options.port != 0 ? (bound ? options.port : -1) : server.bind_to_any_port(options.host.c_str());
  if (port < 0 || !server.enlarge_backlog()) {
    throw Failure(kUnreachable, "cannot listen at " + options.host + ':' + std::to_string(options.port),
                  "somebody else does, or the address is not this machine's: choose another --port, or 0 for any");
  }
  // A signal ends the listening and nothing else; all threads but one leave it alone.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::atomic<bool> ended{false};
  std::thread waiting([&] {
    int signal = 0;
    sigwait(&signals, &signal);
    // The server forgets a stop() before its start.
    while (!ended && !server.is_running()) std::this_thread::yield();
    server.stop();
  });
  complain("listening at http://" + options.host + ':' + std::to_string(port) + "/ for any path; Ctrl-C ends it");
  if (!receiver.has_keys()) {
    complain("no keys are set: pushes are kept as they are, and answered with 503, so that DingTalk repeats them");
  }
  server.listen_after_bind();
  ended = true;
  pthread_kill(waiting.native_handle(), SIGINT);
  waiting.join();
}

}  // namespace

void add_capture(CLI::App& app, int& exit) {
  auto* const verb = app.add_subcommand("capture", "Receives pushes, shows them, and keeps them in a file");
  const auto options = std::make_shared<Options>();
  add_settings(*verb, options->settings);
  add_language(*verb, options->lang);
  verb->add_option("--host", options->host, "Address to listen at")->capture_default_str();
  verb->add_option("--port", options->port, "Port to listen at; 0 for any that is free")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  verb->add_option("-o,--output", options->output,
                   "File to which each push is added, as a line of JSON: time, method, "
                   "target, body, status, answer, and plaintext where it was opened")
      ->type_name("FILE");
  verb->add_option("--count", options->count, "Ends after so many requests")->check(CLI::Range(1, 1000000000));
  verb->add_flag("--json", options->json, "Prints the lines of the file instead");
  verb->footer(
      "With keys it answers as DingTalk wants, so that the URL check of the console passes. Make it reachable from "
      "the\n"
      "internet by a tunnel of yours.\n"
      "Examples:\n"
      "  dingcb capture --config dingcb.env -o pushes.jsonl\n"
      "  dingcb capture --port 0 --count 1 --json\n"
      "  dingcb decrypt pushes.jsonl; dingcb diagnose pushes.jsonl; dingcb replay http://127.0.0.1:8080/callback "
      "pushes.jsonl");
  verb->callback([options, &exit] {
    capture(*options);
    exit = kOk;
  });
}

}  // namespace command
