#include "dispatch/first_flight.h"

#include <cassert>

#include "core/openers.h"

namespace portshare {

namespace {

TlsFlight judge(Verdict verdict, const ClientHello& hello) {
  switch (verdict) {
    case Verdict::need_more:
      return TlsFlight::incomplete;
    case Verdict::malformed:
      return TlsFlight::malformed;
    case Verdict::not_mine:
      return TlsFlight::none;
    case Verdict::recognised:
      break;
  }
  if (hello.has_encrypted_client_hello) return TlsFlight::ech;
  return hello.server_name.empty() ? TlsFlight::no_sni : TlsFlight::sni;
}

}  // namespace

FirstFlight::Progress FirstFlight::read(ByteView received) {
  assert(!received.empty() || keeps_bytes());
  if (keeps_bytes()) {
    keep(received);
  } else {
    bytes_ = received;
  }
  const Progress progress = recognise();
  if (progress == Progress::need_more && !keeps_bytes()) keep(received);
  return progress;
}

void FirstFlight::keep(ByteView received) {
  kept_.insert(kept_.end(), received.begin(), received.end());
  bytes_ = kept_;
}

FirstFlight::Progress FirstFlight::recognise() {
  if (listener_.protocols.contains(Protocol::tls) && may_be_tls_) {
    ClientHello hello;
    const Verdict verdict = tls_reader_.read(bytes_, hello);
    if (verdict == Verdict::recognised && !hello.server_name.empty()) {
      const auto name = HostName::from_server_name(hello.server_name);
      assert(name);  // the reader has tried it
      name_ = *name;
      has_name_ = true;
    }
    if (verdict == Verdict::recognised) alpn_ = hello.alpn;
    tls_ = judge(verdict, hello);
    if (verdict != Verdict::not_mine) {
      return finish(Protocol::tls, verdict,
                    verdict == Verdict::recognised ? hello.length : tls_reader_.announced_length());
    }
    may_be_tls_ = false;
  }
  for (const Opener& opener : openers) {
    if (!listener_.protocols.contains(opener.protocol)) continue;
    const Verdict verdict = opener.recognise(bytes_);
    if (verdict != Verdict::not_mine) return finish(opener.protocol, verdict, 0);
  }
  if (listener_.protocols.contains(Protocol::http) && may_be_http_) {
    const Verdict verdict = http_reader_.read(bytes_, http_head_);
    if (verdict == Verdict::recognised && http_head_.has_host) {
      name_ = http_head_.host;
      has_name_ = true;
    }
    if (verdict != Verdict::not_mine) return finish(Protocol::http, verdict, http_head_.length);
    may_be_http_ = false;
  }
  return nobody_claims();
}

FirstFlight::Progress FirstFlight::finish(Protocol protocol, Verdict verdict, std::size_t announced_length) {
  protocol_ = protocol;
  switch (verdict) {
    case Verdict::recognised:
      return announced_length > listener_.first_flight_limit ? Progress::too_large : Progress::complete;
    case Verdict::need_more:
      // At the limit and still incomplete is over it, too.
      if (bytes_.size() >= listener_.first_flight_limit) return Progress::too_large;
      return announced_length > listener_.first_flight_limit ? Progress::too_large : Progress::need_more;
    case Verdict::malformed:
      return Progress::malformed;
    case Verdict::not_mine:
      break;
  }
  assert(false && "not_mine claims nothing");
  return Progress::malformed;
}

FirstFlight::Progress FirstFlight::nobody_claims() {
  protocol_ = Protocol::any;
  if (listener_.protocols.contains(Protocol::any)) return Progress::complete;
  // Text on a port for HTTP is most likely typed by a person or a broken program that will show the 400.
  const std::uint8_t first = bytes_.front();
  const bool is_text = (first >= 0x20 && first < 0x7f) || first == '\r' || first == '\n';
  if (listener_.protocols.contains(Protocol::http) && is_text) protocol_ = Protocol::http;
  return Progress::malformed;
}

void FirstFlight::describe(RouteQuery& query) const {
  query.protocol = protocol_;
  query.alpn = alpn_;
  if (!has_name_) return;
  query.name = name_.view();
  query.name_source = protocol_ == Protocol::tls ? NameSource::sni : NameSource::host;
  query.name_is_address = protocol_ == Protocol::tls && name_.is_address();
}

}  // namespace portshare
