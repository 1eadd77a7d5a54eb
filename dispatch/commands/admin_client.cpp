#include "dispatch/commands/admin_client.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "command_line/command_line.h"
#include "core/byte_view.h"
#include "core/http_body.h"
#include "core/http_response_head.h"
#include "core/suggestion.h"
#include "dispatch/config.h"
#include "dispatch/config_addresses.h"
#include "platform/engine.h"

namespace portshare {

namespace po = boost::program_options;

namespace {

std::string no_portshare(const SocketAddress& address) {
  return fmt::format("{}: whoever listens there is no portshare", address.to_string());
}

std::string explain(const SocketAddress& address, Status status) {
  const std::string place = address.to_string();
  switch (status) {
    case Status::refused:
      return fmt::format(
          "no portshare listens on {}: is one running, and is that its 'admin' in [server]? (--admin)",
          place);
    case Status::permission:
      return fmt::format("{}: permission denied: be the user that has started portshare, or root", place);
    case Status::failed:  // a socket of another kind, say
      return no_portshare(address);
    default:
      return fmt::format("{}: {}", place, to_string(status));
  }
}

std::chrono::seconds patience_of(AdminPatience patience) {
  switch (patience) {
    case AdminPatience::seconds:
      return std::chrono::seconds{10};
    case AdminPatience::minutes:
      return std::chrono::minutes{3};
    case AdminPatience::for_ever:
      break;
  }
  return std::chrono::hours{24 * 365};
}

/// One request and its answer on a connection of its own.
class Exchange {
 public:
  /// `on_body` gets the bytes of the body as they come. Both must outlive this.
  Exchange(Loop& loop, const SocketAddress& address, const std::string& request,
           std::function<void(std::string_view)> on_body)
      : loop_(loop),
        address_(address),
        request_(request),
        on_body_(std::move(on_body)),
        op_([](Op&, void* exchange) { static_cast<Exchange*>(exchange)->proceed(); }, this) {
    loop_.connect(op_, address_);
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange() {
    end();
    while (!op_.is_idle() || socket_ != Socket::none) loop_.run_once();
  }

  [[nodiscard]] bool is_over() const { return is_over_; }
  [[nodiscard]] unsigned status() const { return head_.status; }
  /// Empty: the answer is complete.
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  void proceed() {
    if (op_.kind == Op::Kind::close) {
      socket_ = Socket::none;
      return;
    }
    if (op_.kind == Op::Kind::connect && op_.succeeded()) socket_ = op_.socket;
    if (is_over_) {
      if (std::uint8_t* buffer = op_.take_buffer()) loop_.buffers().release(buffer);
      return close();
    }
    if (!op_.succeeded()) return fail(explain(address_, op_.status));
    if (op_.kind == Op::Kind::receive) return received();
    sent_ += op_.kind == Op::Kind::send ? op_.count : 0;
    if (sent_ < request_.size()) return loop_.send(op_, socket_, as_bytes(request_).subspan(sent_));
    loop_.receive(op_, socket_);
  }

  void received() {
    const bool has_ended = op_.count == 0;
    input_.append(as_text(op_.received()));
    if (std::uint8_t* buffer = op_.take_buffer()) loop_.buffers().release(buffer);
    if (!body_ && !input_.empty()) {
      const Verdict verdict = head_reader_.read(as_bytes(input_), head_);
      if (verdict != Verdict::recognised && verdict != Verdict::need_more) {
        return fail(no_portshare(address_));
      }
      if (verdict == Verdict::recognised) {
        input_.erase(0, head_.length);
        body_ = HttpBody::of(head_);
      }
    }
    if (body_) {
      const HttpBody::Consumed consumed = body_->consume(as_bytes(input_));
      on_body_(std::string_view(input_).substr(0, consumed.count));
      input_.erase(0, consumed.count);
      if (body_->is_complete()) return end();
    }
    if (has_ended && body_ && body_->may_close()) return end();
    if (has_ended) return fail(fmt::format("{}: portshare has ended the connection", address_.to_string()));
    if (!is_over_) loop_.receive(op_, socket_);
  }

  void fail(std::string error) {
    error_ = std::move(error);
    end();
  }
  void end() {
    if (std::exchange(is_over_, true)) return;
    loop_.cancel(op_);
    if (op_.is_idle()) close();
  }
  void close() {
    if (socket_ != Socket::none) loop_.close(op_, socket_, CloseMode::orderly);
  }

  Loop& loop_;
  const SocketAddress& address_;
  const std::string& request_;
  std::function<void(std::string_view)> on_body_;
  Op op_;
  Socket socket_ = Socket::none;
  std::size_t sent_ = 0;
  std::string input_;
  HttpResponseHeadReader head_reader_;
  HttpResponseHead head_;
  std::optional<HttpBody> body_;
  bool is_over_ = false;
  std::string error_;
};

std::string request_text(std::string_view method, std::string_view target, std::string_view body) {
  return fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}",
                     method, target, body.size(), body);
}

/// Cuts a stream into its events (WHATWG HTML, 9.2.6), of those fields that we write.
class EventReader {
 public:
  explicit EventReader(const AdminClient::OnEvent& on_event) : on_event_(on_event) {}

  /// False: `on_event` has had enough.
  bool take(std::string_view bytes) {
    text_.append(bytes);
    for (std::size_t end = 0; (end = text_.find("\n\n")) != std::string::npos; text_.erase(0, end + 2)) {
      std::string_view name;
      std::string_view data;
      std::string_view lines(text_.data(), end + 1);
      while (!lines.empty()) {
        const std::string_view line = lines.substr(0, lines.find('\n'));
        lines.remove_prefix(line.size() + 1);
        if (line.starts_with("event: ")) name = line.substr(7);
        if (line.starts_with("data: ")) data = line.substr(6);
      }
      if (!on_event_(name, data)) return false;
    }
    return true;
  }

 private:
  const AdminClient::OnEvent& on_event_;
  std::string text_;
};

}  // namespace

void add_admin_options(po::options_description& options, bool with_json) {
  options.add_options()("admin",
                        po::value<std::string>()->value_name("ADDRESS")->default_value(
                            fmt::format("unix:{}", AdminConfig::default_path)),
                        "where the running program is asked: its 'admin' in [server]");
  if (with_json) options.add_options()("json", "print JSON, for scripts");
}

std::string AdminAnswer::error() const {
  const auto json = nlohmann::json::parse(body, nullptr, false);
  if (json.is_object() && json.contains("error") && json["error"].is_string()) return json["error"];
  return fmt::format("portshare answers with status {}", status);
}

AdminClient::AdminClient(SocketAddress address, std::unique_ptr<Loop> loop)
    : address_(std::move(address)), loop_(std::move(loop)) {}
AdminClient::AdminClient(AdminClient&&) noexcept = default;
AdminClient::~AdminClient() = default;

std::expected<AdminClient, std::string> AdminClient::from_options(const po::variables_map& values) {
  const auto* const text = option_value<std::string>(values, "admin");
  if (text == nullptr) return std::unexpected(std::string("--admin is missing"));
  const bool is_path = text->find('/') != std::string::npos && !text->starts_with("unix:");
  auto address = parse_socket_address(is_path ? "unix:" + std::filesystem::absolute(*text).string() : *text);
  if (!address) return std::unexpected(fmt::format("--admin: {}", address.error()));
  auto engine = make_engine(Engine::epoll);
  if (!engine) return std::unexpected(engine.error().reason);
  return AdminClient(std::move(*address), std::make_unique<Loop>(std::move(*engine)));
}

std::expected<AdminAnswer, std::string> AdminClient::ask(const std::string& request, std::string_view key,
                                                         AdminPatience patience) {
  using Clock = std::chrono::steady_clock;
  AdminAnswer answer;
  const Exchange exchange(*loop_, address_, request,
                          [&](std::string_view bytes) { answer.body.append(bytes); });
  const std::chrono::seconds longest = patience_of(patience);
  const Clock::time_point begin = Clock::now();
  while (!exchange.is_over()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(begin + longest - Clock::now());
    if (left.count() <= 0) {
      return std::unexpected(
          fmt::format("{}: no answer within {} s: portshare is stuck, or another program listens there",
                      address_.to_string(), longest.count()));
    }
    loop_->run_once(left);
  }
  if (!exchange.error().empty()) return std::unexpected(exchange.error());
  answer.status = exchange.status();
  const auto json = nlohmann::json::parse(answer.body, nullptr, false);
  // A reload that has failed has its key, too: its faults.
  const bool is_ours =
      json.is_object() && (json.contains(key) || (!answer.succeeded() && json.contains("error")));
  if (!is_ours) return std::unexpected(no_portshare(address_));
  return answer;
}

std::expected<AdminAnswer, std::string> AdminClient::get(std::string_view target, std::string_view key,
                                                         AdminPatience patience) {
  return ask(request_text("GET", target, {}), key, patience);
}

std::expected<AdminAnswer, std::string> AdminClient::post(std::string_view target, std::string_view key,
                                                          std::string_view body, AdminPatience patience) {
  return ask(request_text("POST", target, body), key, patience);
}

std::expected<void, std::string> AdminClient::greet() {
  if (const auto answer = get("/status", "version"); !answer) return std::unexpected(answer.error());
  return {};
}

std::expected<void, std::string> AdminClient::watch(std::string_view target, const OnEvent& on_event,
                                                    const std::function<bool()>& on_pause,
                                                    std::chrono::milliseconds pause) {
  const std::string request = request_text("GET", target, {});
  EventReader events(on_event);
  bool goes_on = true;
  const Exchange exchange(*loop_, address_, request,
                          [&](std::string_view bytes) { goes_on = goes_on && events.take(bytes); });
  while (goes_on && !exchange.is_over()) {
    loop_->run_once(pause);
    goes_on = goes_on && on_pause();
  }
  if (!goes_on) return {};
  if (!exchange.error().empty()) return std::unexpected(exchange.error());
  return std::unexpected(fmt::format("{}: portshare has ended the connection", address_.to_string()));
}

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view plain = "-._~";
  std::string encoded;
  for (const char c : text) {
    const bool is_alphanumeric = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (is_alphanumeric || plain.find(c) != std::string_view::npos) {
      encoded.push_back(c);
    } else {
      fmt::format_to(std::back_inserter(encoded), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

int report_failure(std::string_view command, std::string_view sentence) {
  fmt::print(stderr, "portshare {}: {}\n", command, sentence);
  return exit_code::failed;
}

int exit_code_of(const AdminAnswer& answer) {
  if (answer.succeeded()) return exit_code::fine;
  return answer.is_wrong_usage() ? exit_code::usage : exit_code::failed;
}

int report_refusal(std::string_view command, const AdminAnswer& answer) {
  return answer.is_wrong_usage() ? report_usage_error(command, answer.error())
                                 : report_failure(command, answer.error());
}

std::expected<void, std::string> check_choice(std::string_view option, std::string_view word,
                                              std::span<const std::string_view> choices) {
  if (std::ranges::find(choices, word) != choices.end()) return {};
  std::string hint = suggest(word, choices);
  if (hint.empty()) hint = fmt::format("; it is one of {}", fmt::join(choices, ", "));
  return std::unexpected(fmt::format("{}: unknown value '{}'{}", option, word, hint));
}

}  // namespace portshare
