#include "platform/error_translation.h"

#include <cerrno>

namespace portshare {

Status status_of(int error) {
  switch (error) {
    case 0:
      return Status::ok;
    case ECANCELED:
      return Status::cancelled;
    case ECONNREFUSED:
    case ENOENT:   // a unix socket that does not exist
    case ENOTDIR:  // or whose folder does not
      return Status::refused;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case ENONET:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
      return Status::unreachable;
    case ETIMEDOUT:
      return Status::timed_out;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
    case ENOTCONN:  // shutdown after the peer's reset
      return Status::reset;
    case EMFILE:
    case ENFILE:
      return Status::no_descriptors;
    case ENOMEM:
    case ENOBUFS:
    case EADDRINUSE:
    case EAGAIN:
      return Status::no_resources;
    case EACCES:
    case EPERM:
      return Status::permission;
    default:
      return Status::failed;
  }
}

bool is_about_the_waiting_connection(int accept_error) {
  // accept(2): "Linux accept() passes already-pending network errors on the new socket as an error code".
  switch (accept_error) {
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ETIMEDOUT:
    case EINTR:
      return true;
    default:
      return false;
  }
}

}  // namespace portshare
