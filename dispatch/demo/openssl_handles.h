// OpenSSL's objects with an owner, and its errors in words.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

namespace portshare {

template <auto release>
struct Release {
  template <typename Object>
  void operator()(Object* object) const {
    release(object);
  }
};

using BioHandle = std::unique_ptr<BIO, Release<BIO_free>>;
using CertificateHandle = std::unique_ptr<X509, Release<X509_free>>;
using ExtensionHandle = std::unique_ptr<X509_EXTENSION, Release<X509_EXTENSION_free>>;
using KeyHandle = std::unique_ptr<EVP_PKEY, Release<EVP_PKEY_free>>;
using TlsContextHandle = std::unique_ptr<SSL_CTX, Release<SSL_CTX_free>>;
using TlsHandle = std::unique_ptr<SSL, Release<SSL_free>>;

/// "cannot WHAT: REASON", with the last of this thread's OpenSSL errors, which are cleared.
[[nodiscard]] std::string describe_openssl_error(std::string_view what);

/// Everything in a memory BIO, which is empty afterwards, to the end of `out`.
void append_from(BIO& memory, std::string& out);

}  // namespace portshare
