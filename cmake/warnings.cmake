# One INTERFACE target carries the language level, the warnings and the sanitizers for everything we compile.
add_library(portshare_options INTERFACE)
target_compile_features(portshare_options INTERFACE cxx_std_23)
target_compile_options(portshare_options INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Wcast-align -Wcast-qual
  -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough -Wformat=2 -Wundef -Wnull-dereference -Wdouble-promotion
  -fno-omit-frame-pointer -fstack-protector-strong)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(portshare_options INTERFACE -Wduplicated-cond -Wlogical-op -Wuseless-cast)
endif()
# The stable_sort of libstdc++ 12 calls a function which libstdc++ itself has deprecated, and clang reports that to the caller.
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(portshare_options INTERFACE -Wno-deprecated-declarations)
endif()

# g++ 12 reports null dereferences and maybe-uninitialised values inside libstdc++ when sanitizers change its inlining.
if(PORTSHARE_SANITIZE)
  target_compile_options(portshare_options INTERFACE -fsanitize=${PORTSHARE_SANITIZE} -fno-sanitize-recover=all
    $<$<CXX_COMPILER_ID:GNU>:-Wno-null-dereference -Wno-maybe-uninitialized>)
  target_link_options(portshare_options INTERFACE -fsanitize=${PORTSHARE_SANITIZE})
endif()
if(PORTSHARE_FUZZ)
  target_compile_options(portshare_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
