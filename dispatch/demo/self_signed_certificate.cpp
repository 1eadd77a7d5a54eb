#include "dispatch/demo/self_signed_certificate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <cassert>
#include <cstdint>

#include "core/byte_view.h"
#include "dispatch/demo/openssl_handles.h"

namespace portshare {
namespace {

/// What RFC 5280, 4.1.2.2 asks for: positive, and unlike that of any other certificate of this issuer.
bool set_serial_number(X509& certificate) {
  std::uint64_t serial = 0;
  return RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1 &&
         ASN1_INTEGER_set_uint64(X509_get_serialNumber(&certificate), serial | 1) == 1;
}

bool set_lifetime(X509& certificate, std::chrono::seconds lifetime) {
  constexpr std::chrono::seconds clock_skew = std::chrono::hours(1);
  return X509_gmtime_adj(X509_getm_notBefore(&certificate), -clock_skew.count()) != nullptr &&
         X509_gmtime_adj(X509_getm_notAfter(&certificate), lifetime.count()) != nullptr;
}

/// Subject and issuer are the same: self-signed.
bool set_names(X509& certificate, const std::string& common_name) {
  X509_NAME* subject = X509_get_subject_name(&certificate);
  return X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, as_bytes(common_name).data(),
                                    static_cast<int>(common_name.size()), -1, 0) == 1 &&
         X509_set_issuer_name(&certificate, subject) == 1;
}

/// `value` as openssl's x509v3_config(5) writes it.
bool add_extension(X509& certificate, int nid, const std::string& value) {
  const ExtensionHandle extension(X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str()));
  return extension && X509_add_ext(&certificate, extension.get(), -1) == 1;
}

bool fill(X509& certificate, EVP_PKEY& key, std::span<const std::string> names,
          std::chrono::seconds lifetime) {
  return X509_set_version(&certificate, X509_VERSION_3) == 1 && set_serial_number(certificate) &&
         set_lifetime(certificate, lifetime) && set_names(certificate, names.front()) &&
         X509_set_pubkey(&certificate, &key) == 1 &&
         add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
         add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
         add_extension(certificate, NID_subject_alt_name, fmt::format("DNS:{}", fmt::join(names, ",DNS:"))) &&
         X509_sign(&certificate, &key, EVP_sha256()) > 0;
}

}  // namespace

std::expected<SelfSignedCertificate, std::string> make_self_signed_certificate(
    std::span<const std::string> names, std::chrono::seconds lifetime) {
  assert(!names.empty());
  const KeyHandle key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  const CertificateHandle certificate(X509_new());
  const BioHandle certificate_text(BIO_new(BIO_s_mem()));
  const BioHandle key_text(BIO_new(BIO_s_mem()));
  if (!key || !certificate || !certificate_text || !key_text || !fill(*certificate, *key, names, lifetime) ||
      PEM_write_bio_X509(certificate_text.get(), certificate.get()) != 1 ||
      PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return std::unexpected(describe_openssl_error("make a certificate"));
  }
  SelfSignedCertificate result;
  append_from(*certificate_text, result.certificate_pem);
  append_from(*key_text, result.private_key_pem);
  return result;
}

}  // namespace portshare
