#include "dispatch/demo/tls_server.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace portshare {
namespace {

/// OpenSSL's client over memory, which trusts whatever comes.
class Client {
 public:
  Client(int version, std::string_view protocols)
      : context_(SSL_CTX_new(TLS_client_method())),
        tls_(SSL_new(context_.get())),
        incoming_(BIO_new(BIO_s_mem())),
        outgoing_(BIO_new(BIO_s_mem())) {
    SSL_set_bio(tls_.get(), incoming_, outgoing_);
    SSL_set_max_proto_version(tls_.get(), version);
    SSL_set_alpn_protos(tls_.get(), as_bytes(protocols).data(), static_cast<unsigned>(protocols.size()));
    SSL_set_connect_state(tls_.get());
  }

  /// Goes on with what the server has sent; what the client has to send.
  std::string shake_hands(std::string_view from_server) {
    give(from_server);
    SSL_do_handshake(tls_.get());
    return take();
  }
  std::string write(std::string_view plain) {
    SSL_write(tls_.get(), plain.data(), static_cast<int>(plain.size()));
    return take();
  }
  std::string read(std::string_view from_server) {
    give(from_server);
    std::array<char, 1000> chunk;
    std::string plain;
    for (std::size_t count = 0; SSL_read_ex(tls_.get(), chunk.data(), chunk.size(), &count) == 1;) {
      plain.append(chunk.data(), count);
    }
    return plain;
  }
  std::string close() {
    SSL_shutdown(tls_.get());
    return take();
  }
  [[nodiscard]] bool is_connected() const { return SSL_is_init_finished(tls_.get()) == 1; }
  [[nodiscard]] bool was_told_the_end() const {
    return (SSL_get_shutdown(tls_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
  }
  [[nodiscard]] std::string protocol() const {
    const unsigned char* name = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(tls_.get(), &name, &length);
    return std::string(as_text({name, length}));
  }

 private:
  void give(std::string_view bytes) {
    if (!bytes.empty()) BIO_write(incoming_, bytes.data(), static_cast<int>(bytes.size()));
  }
  std::string take() {
    std::string bytes;
    append_from(*outgoing_, bytes);
    return bytes;
  }

  TlsContextHandle context_;
  TlsHandle tls_;
  BIO* incoming_;
  BIO* outgoing_;
};

class TlsServerTest : public testing::TestWithParam<int> {
 protected:
  static TlsServer make_server() {
    const std::vector<std::string> names{"a.example"};
    return std::move(*TlsServer::make(*make_self_signed_certificate(names, std::chrono::hours(1))));
  }

  /// Both sides' handshake; what the server has said in the end.
  std::string connect(Client& client) {
    std::string to_client;
    for (int flights = 0; flights < 3; ++flights) {
      const std::string to_server = client.shake_hands(to_client);
      to_client.clear();
      std::string plain;
      if (!stream.receive(as_bytes(to_server), plain, to_client)) break;
    }
    return to_client;
  }

  TlsServer server = make_server();
  TlsStream stream{server};
};

constexpr std::string_view both_protocols = "\x02h2\x08http/1.1";

TEST_P(TlsServerTest, CarriesBytesBothWays) {
  Client client(GetParam(), both_protocols);
  client.read(connect(client));
  ASSERT_TRUE(client.is_connected());
  EXPECT_EQ(client.protocol(), "http/1.1");

  const std::string long_text(100'000, 'x');
  std::string plain;
  std::string to_client;
  const std::string to_server = client.write(long_text);
  for (const char byte : to_server) {
    ASSERT_TRUE(stream.receive(as_bytes({&byte, 1}), plain, to_client));
  }
  EXPECT_EQ(plain, long_text);
  stream.send("answer" + long_text, to_client);
  EXPECT_EQ(client.read(to_client), "answer" + long_text);
}

TEST_P(TlsServerTest, EitherSideEndsIt) {
  Client client(GetParam(), both_protocols);
  client.read(connect(client));
  std::string to_client;
  stream.end(to_client);
  EXPECT_FALSE(client.was_told_the_end());
  client.read(to_client);
  EXPECT_TRUE(client.was_told_the_end());

  std::string plain;
  EXPECT_FALSE(stream.receive(as_bytes(client.close()), plain, to_client));
  EXPECT_EQ(plain, "");
}

TEST_P(TlsServerTest, AClientWithoutHttp1IsRefused) {
  Client client(GetParam(), "\x02h2");
  const std::string alert = connect(client);
  EXPECT_FALSE(client.is_connected());
  ASSERT_EQ(alert.size(), 7);
  EXPECT_EQ(alert[0], 21);   // alert (RFC 8446, 6)
  EXPECT_EQ(alert[6], 120);  // no_application_protocol (RFC 7301, 3.2)
}

TEST_P(TlsServerTest, WhatIsNoTlsIsRefused) {
  std::string plain;
  std::string to_client;
  EXPECT_FALSE(stream.receive(as_bytes("GET / HTTP/1.1\r\n\r\n"), plain, to_client));
  EXPECT_EQ(plain, "");
}

INSTANTIATE_TEST_SUITE_P(Versions, TlsServerTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) {
                           return version.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

}  // namespace
}  // namespace portshare
