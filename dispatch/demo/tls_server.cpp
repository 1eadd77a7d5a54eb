#include "dispatch/demo/tls_server.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>
#include <cassert>
#include <new>
#include <utility>

namespace portshare {
namespace {

/// The protocol list of an ALPN extension: a length byte, then the name.
constexpr std::string_view http1_protocol = "\x08http/1.1";

int select_protocol(SSL* /*tls*/, const unsigned char** selected, unsigned char* selected_length,
                    const unsigned char* offered, unsigned int offered_length, void* /*context*/) {
  const ByteView supported = as_bytes(http1_protocol);
  unsigned char* choice = nullptr;
  const int answer =
      SSL_select_next_proto(&choice, selected_length, supported.data(),
                            static_cast<unsigned int>(supported.size()), offered, offered_length);
  *selected = choice;
  return answer == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

BioHandle bio_over(const std::string& text) {
  return BioHandle(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

}  // namespace

std::expected<TlsServer, std::string> TlsServer::make(const SelfSignedCertificate& certificate) {
  const BioHandle certificate_text = bio_over(certificate.certificate_pem);
  const BioHandle key_text = bio_over(certificate.private_key_pem);
  const CertificateHandle parsed(PEM_read_bio_X509(certificate_text.get(), nullptr, nullptr, nullptr));
  const KeyHandle key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr));
  TlsServer server;
  server.context_.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* context = server.context_.get();
  if (!parsed || !key || !context || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
      SSL_CTX_use_certificate(context, parsed.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    return std::unexpected(describe_openssl_error("set up TLS"));
  }
  SSL_CTX_set_alpn_select_cb(context, select_protocol, nullptr);
  return server;
}

TlsStream::TlsStream(const TlsServer& server)
    : tls_(SSL_new(server.context_.get())), incoming_(BIO_new(BIO_s_mem())), outgoing_(BIO_new(BIO_s_mem())) {
  if (!tls_ || !incoming_ || !outgoing_) {
    BIO_free(incoming_);
    BIO_free(outgoing_);
    throw std::bad_alloc();
  }
  SSL_set_bio(tls_.get(), incoming_, outgoing_);
  SSL_set_accept_state(tls_.get());
}

bool TlsStream::receive(ByteView bytes, std::string& plain, std::string& to_send) {
  std::size_t count = 0;
  const int taken = BIO_write_ex(incoming_, bytes.data(), bytes.size(), &count);
  assert(taken == 1 && count == bytes.size());  // a memory BIO takes everything
  ERR_clear_error();                            // SSL_get_error looks at what others have left there
  std::array<char, 4096> chunk;
  int result = 0;
  while ((result = SSL_read_ex(tls_.get(), chunk.data(), chunk.size(), &count)) == 1) {
    plain.append(chunk.data(), count);
  }
  const bool is_open = SSL_get_error(tls_.get(), result) == SSL_ERROR_WANT_READ;
  append_from(*outgoing_, to_send);
  return is_open;
}

void TlsStream::send(std::string_view plain, std::string& to_send) {
  std::size_t count = 0;
  const int written = SSL_write_ex(tls_.get(), plain.data(), plain.size(), &count);
  assert(written == 1 && count == plain.size());
  append_from(*outgoing_, to_send);
}

void TlsStream::end(std::string& to_send) {
  SSL_shutdown(tls_.get());
  append_from(*outgoing_, to_send);
}

}  // namespace portshare
