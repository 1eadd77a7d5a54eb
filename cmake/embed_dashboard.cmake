# Writes SOURCE, which has the text of PAGE as a string.
file(READ ${PAGE} page)
if(page MATCHES "\\)PAGE\"")
  message(FATAL_ERROR "${PAGE} holds the mark that ends it in C++")
endif()
file(WRITE ${SOURCE} "#include \"dispatch/control/dashboard.h\"

std::string_view portshare::dashboard_page() {
  return R\"PAGE(${page})PAGE\";
}
")
