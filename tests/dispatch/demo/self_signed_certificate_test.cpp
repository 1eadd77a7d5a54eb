#include "dispatch/demo/self_signed_certificate.h"

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

#include <ctime>
#include <vector>

#include "dispatch/demo/openssl_handles.h"

namespace portshare {
namespace {

using StoreHandle = std::unique_ptr<X509_STORE, Release<X509_STORE_free>>;
using VerificationHandle = std::unique_ptr<X509_STORE_CTX, Release<X509_STORE_CTX_free>>;

class SelfSignedCertificateTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::vector<std::string> names{"one.example", "two.example"};
    const auto made = make_self_signed_certificate(names, std::chrono::days(7));
    ASSERT_TRUE(made) << made.error();
    pem = *made;
    certificate = parse(pem.certificate_pem);
    ASSERT_TRUE(certificate);
  }

  static CertificateHandle parse(const std::string& pem) {
    const BioHandle text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    return CertificateHandle(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
  }

  /// X509_V_OK, or why a TLS client that trusts `trusted` would not accept the certificate.
  int verify(X509& trusted, std::time_t now) const {
    const StoreHandle store(X509_STORE_new());
    X509_STORE_add_cert(store.get(), &trusted);
    const VerificationHandle verification(X509_STORE_CTX_new());
    X509_STORE_CTX_init(verification.get(), store.get(), certificate.get(), nullptr);
    X509_STORE_CTX_set_default(verification.get(), "ssl_server");
    X509_STORE_CTX_set_time(verification.get(), 0, now);
    X509_verify_cert(verification.get());
    return X509_STORE_CTX_get_error(verification.get());
  }

  bool is_for(const char* name) const { return X509_check_host(certificate.get(), name, 0, 0, nullptr) == 1; }

  SelfSignedCertificate pem;
  CertificateHandle certificate;
};

TEST_F(SelfSignedCertificateTest, IsForItsNamesAlone) {
  EXPECT_TRUE(is_for("one.example"));
  EXPECT_TRUE(is_for("two.example"));
  EXPECT_FALSE(is_for("three.example"));
  EXPECT_FALSE(is_for("www.one.example"));
}

TEST_F(SelfSignedCertificateTest, HasAnEcdsaKeyOnP256) {
  const BioHandle text(
      BIO_new_mem_buf(pem.private_key_pem.data(), static_cast<int>(pem.private_key_pem.size())));
  const KeyHandle key(PEM_read_bio_PrivateKey(text.get(), nullptr, nullptr, nullptr));
  ASSERT_TRUE(key);
  EXPECT_EQ(X509_check_private_key(certificate.get(), key.get()), 1);
  std::string group(64, '\0');
  std::size_t length = 0;
  ASSERT_EQ(EVP_PKEY_get_group_name(key.get(), group.data(), group.size(), &length), 1);
  EXPECT_EQ(group.substr(0, length), "prime256v1");
}

TEST_F(SelfSignedCertificateTest, IsAcceptedByWhoTrustsItWhileItIsValid) {
  constexpr std::time_t day = 24 * 60 * 60;
  const std::time_t now = std::time(nullptr);
  EXPECT_EQ(verify(*certificate, now), X509_V_OK);
  EXPECT_EQ(verify(*certificate, now - 30 * 60), X509_V_OK) << "the clock of the client may be slow";
  EXPECT_EQ(verify(*certificate, now + 6 * day), X509_V_OK);
  EXPECT_EQ(verify(*certificate, now + 8 * day), X509_V_ERR_CERT_HAS_EXPIRED);
  EXPECT_EQ(verify(*certificate, now - day), X509_V_ERR_CERT_NOT_YET_VALID);
}

TEST_F(SelfSignedCertificateTest, IsNotAcceptedByWhoTrustsAnotherOne) {
  const std::vector<std::string> names{"one.example", "two.example"};
  const auto another = make_self_signed_certificate(names, std::chrono::days(7));
  ASSERT_TRUE(another) << another.error();
  EXPECT_NE(verify(*parse(another->certificate_pem), std::time(nullptr)), X509_V_OK);
}

}  // namespace
}  // namespace portshare
