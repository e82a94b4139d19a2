#include "endpoint.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

namespace command {

namespace {

constexpr std::size_t kMostAnswer = std::size_t{1} << 20;

/// The body on its way out.
struct Upload {
  std::string_view rest;
  std::size_t pause_at = 0;
  double pause_ms = 0;
};

std::size_t read_body(char* buffer, std::size_t size, std::size_t count, void* user) {
  Upload& upload = *static_cast<Upload*>(user);
  std::size_t piece = std::min(size * count, upload.rest.size());
  if (upload.pause_ms > 0) {
    if (upload.pause_at == 0) {
      std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(upload.pause_ms));
      upload.pause_ms = 0;
    } else {
      piece = std::min(piece, upload.pause_at);
      upload.pause_at -= piece;
    }
  }
  std::memcpy(buffer, upload.rest.data(), piece);
  upload.rest.remove_prefix(piece);
  return piece;
}

std::size_t write_answer(char* data, std::size_t size, std::size_t count, void* user) {
  std::string& body = *static_cast<std::string*>(user);
  if (body.size() + size * count > kMostAnswer) return 0;  // no reply is as long
  body.append(data, size * count);
  return size * count;
}

template <class Value>
void set(CURL* handle, CURLoption option, Value value) {
  curl_easy_setopt(handle, option, value);
}

bool is_local(const std::string& url) {
  const std::size_t scheme = url.find("://");
  const std::string host = url.substr(scheme == std::string::npos ? 0 : scheme + 3);
  return host.compare(0, 9, "localhost") == 0 || host.compare(0, 4, "127.") == 0 || host.compare(0, 5, "[::1]") == 0;
}

}  // namespace

struct Endpoint::State {
  EndpointOptions options;
  std::unique_ptr<CURL, void (*)(CURL*)> handle{curl_easy_init(), curl_easy_cleanup};
};

Endpoint::Endpoint(const EndpointOptions& options) : state_(std::make_unique<State>()) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  state_->options = options;
  if (ready != CURLE_OK || !state_->handle) throw Failure(kInternal, "libcurl cannot be used");
}

Endpoint::Endpoint(Endpoint&&) noexcept = default;
Endpoint& Endpoint::operator=(Endpoint&&) noexcept = default;
Endpoint::~Endpoint() = default;

Posted Endpoint::post(const std::string& query, const std::string& body, const Sending& sending) {
  CURL* const handle = state_->handle.get();
  curl_easy_reset(handle);  // the connection stays
  const std::string url = url_with(state_->options.url, query);
  Upload upload{body, sending.pause_ms > 0 ? std::max<std::size_t>(1, body.size() / 2) : 0, sending.pause_ms};
  curl_slist* list = curl_slist_append(nullptr, ("Content-Type: " + sending.content_type).c_str());
  list = curl_slist_append(list, "Expect:");  // waiting for 100-continue would be measured, too
  if (sending.chunked) list = curl_slist_append(list, "Transfer-Encoding: chunked");
  for (const std::string& header : state_->options.headers) list = curl_slist_append(list, header.c_str());
  const std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(list, curl_slist_free_all);
  Posted posted;
  char error[CURL_ERROR_SIZE] = "";

  set(handle, CURLOPT_URL, url.c_str());
  set(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  set(handle, CURLOPT_NOSIGNAL, 1L);
  set(handle, CURLOPT_USERAGENT, "dingcb");
  set(handle, CURLOPT_ERRORBUFFER, error);
  set(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(state_->options.timeout_ms));
  set(handle, CURLOPT_HTTPHEADER, headers.get());
  set(handle, CURLOPT_WRITEFUNCTION, write_answer);
  set(handle, CURLOPT_WRITEDATA, &posted.body);
  if (is_local(url)) set(handle, CURLOPT_PROXY, "");
  if (state_->options.insecure) {
    set(handle, CURLOPT_SSL_VERIFYPEER, 0L);
    set(handle, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (sending.method == "POST") {
    set(handle, CURLOPT_POST, 1L);
    set(handle, CURLOPT_READFUNCTION, read_body);
    set(handle, CURLOPT_READDATA, &upload);
    if (!sending.chunked) set(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  } else {
    set(handle, CURLOPT_HTTPGET, 1L);
  }

  const auto start = std::chrono::steady_clock::now();
  const CURLcode code = curl_easy_perform(handle);
  posted.elapsed_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  posted.status = static_cast<int>(status);
  if (code != CURLE_OK) {
    posted.error = *error != '\0' ? error : curl_easy_strerror(code);
    posted.not_connected = code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
                           code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_SSL_CONNECT_ERROR ||
                           code == CURLE_PEER_FAILED_VERIFICATION;
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) {
      throw Failure(kUsage, "this is no http or https URL", "write it as http://127.0.0.1:8080/callback");
    }
  }
  return posted;
}

std::string url_with(const std::string& url, const std::string& query) {
  if (query.empty()) return url;
  return url + (url.find('?') == std::string::npos ? '?' : '&') + query;
}

void add_endpoint(CLI::App& verb, EndpointOptions& options) {
  const char* const group = "Endpoint";
  verb.add_option("url", options.url, "Address of the callback, such as http://127.0.0.1:8080/callback")->required();
  verb.add_option("--timeout", options.timeout_ms, "How long to wait for an answer, however late")
      ->check(CLI::Range(1.0, 1e7))
      ->type_name("MS")
      ->capture_default_str()
      ->group(group);
  verb.add_option("--header", options.headers, "One more header, such as 'X-Tunnel: yes'; may be repeated")
      ->type_name("TEXT")
      ->allow_extra_args(false)
      ->group(group);
  verb.add_flag("-k,--insecure", options.insecure, "Accepts any TLS certificate")->group(group);
}

}  // namespace command
