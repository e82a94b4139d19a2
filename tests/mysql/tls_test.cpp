#include <dingcb/inbox/mysql.hpp>

#include <sys/wait.h>

#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/mariadb.hpp"

namespace {

class Certificates {
 public:
  Certificates() {
    int status = -1;
    waitpid(support::run_script({"certificates", scratch_.path()}), &status, 0);
    REQUIRE(status == 0);
  }

  std::string file(const std::string& name) const { return scratch_.path() + '/' + name + ".pem"; }

  /// What a server that has one of them is started with.
  std::vector<std::string> options_of(const std::string& name) const {
    return {"--ssl-cert=" + file(name), "--ssl-key=" + file(name + "_key")};
  }

 private:
  const support::Scratch scratch_;
};

const Certificates& certificates() {
  static const Certificates all;
  return all;
}

/// A server with a certificate, that takes nobody without TLS any more.
class SecureServer {
 public:
  explicit SecureServer(const std::string& certificate) : server_(certificates().options_of(certificate)) {
    options_.server.port = server_.port();
    options_.server.user = "root";
    options_.server.database = server_.fresh_database();
    REQUIRE(dingcb::setup_mysql_inbox(options_));
    server_.sql()("SET GLOBAL require_secure_transport = ON");
  }

  /// Has an inbox opened and used. @return the reason why that was refused, or `open`.
  std::string outcome(const std::string& ca_file, const std::string& host = "127.0.0.1") const {
    dingcb::MysqlInboxOptions options = options_;
    options.server.host = host;
    options.server.tls_ca_file = ca_file;
    return outcome_of(options);
  }

  static std::string outcome_of(const dingcb::MysqlInboxOptions& options) {
    const auto inbox = dingcb::open_mysql_inbox(options);
    if (!inbox) {
      CHECK(inbox.error().code == dingcb::Errc::inbox_failed);
      return inbox.error().message.str();
    }
    dingcb::StoredEvent event;
    event.body = "{}";
    event.dedup_key = options.server.host;
    const auto count = (*inbox)->put({event});
    REQUIRE(count);
    CHECK(count->stored == 1);
    return "open";
  }

 private:
  support::MariaDb server_;
  dingcb::MysqlInboxOptions options_;
};

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("MysqlServer::tls_ca_file opens servers whose certificate is trusted, and no others", "[tls]") {
  const SecureServer server("here");
  const Certificates& files = certificates();
  CHECK(server.outcome(files.file("ca")) == "open");
  CHECK(server.outcome(files.file("ca"), "localhost") == "open");
  const std::string strange = server.outcome(files.file("other_ca"));
  INFO(strange);
  CHECK(contains(strange, "unable to get local issuer certificate"));
  CHECK(contains(strange, files.file("other_ca") + " (tls_ca_file)"));
  const std::string missing = server.outcome(files.file("missing"));
  INFO(missing);
  CHECK(contains(missing, files.file("missing") + " (tls_ca_file) cannot be read"));
  CHECK(server.outcome("") != "open");
}

TEST_CASE("MysqlServer::tls_ca_file refuses a server whose certificate names another one", "[tls]") {
  const SecureServer server("elsewhere");
  const std::string reason = server.outcome(certificates().file("ca"));
  INFO(reason);
  CHECK(contains(reason, "Validation of SSL server certificate failed"));
  CHECK(contains(reason, "a certificate for the host 127.0.0.1"));
}

TEST_CASE("MysqlServer::tls_ca_file refuses a server whose certificate has expired", "[tls]") {
  const SecureServer server("expired");
  const std::string reason = server.outcome(certificates().file("ca"));
  INFO(reason);
  CHECK(contains(reason, "expired"));
}

TEST_CASE("MysqlServer::tls_ca_file refuses a server without TLS", "[tls]") {
  dingcb::MysqlInboxOptions options;
  options.server.port = support::mariadb().port();
  options.server.user = "root";
  options.server.database = support::mariadb().fresh_database();
  REQUIRE(dingcb::setup_mysql_inbox(options));
  options.server.tls_ca_file = certificates().file("ca");
  const std::string reason = SecureServer::outcome_of(options);
  INFO(reason);
  CHECK(contains(reason, "SSL is required, but the server does not support it"));
}
