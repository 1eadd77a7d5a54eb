"""The rules of the house, by machine: which folder may include what, how long a file may be.

Each rule is tried on a planted violation first, so that a rule which no longer sees anything fails.
"""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAX_LINES = 600

# Headers of the C++ standard library that g++ 12 ships, and of C through it.
STANDARD = set("""
algorithm any array atomic barrier bit bitset charconv chrono codecvt compare complex concepts condition_variable
deque exception execution expected filesystem forward_list fstream functional future initializer_list iomanip ios
iosfwd iostream istream iterator latch limits list locale map memory memory_resource mutex new numbers numeric
optional ostream queue random ranges ratio regex scoped_allocator semaphore set shared_mutex source_location span
spanstream sstream stack stacktrace stdexcept stop_token streambuf string string_view strstream system_error thread
tuple type_traits typeindex typeinfo unordered_map unordered_set utility valarray variant vector version
cassert cctype cerrno cfenv cfloat cinttypes climits clocale cmath csetjmp csignal cstdarg cstddef cstdint cstdio
cstdlib cstring ctime cuchar cwchar cwctype
""".split())

# What touches files, clocks, threads or the terminal has no place in core: it is given bytes and times.
NOT_PURE = set("""
barrier condition_variable csetjmp csignal cstdio ctime filesystem fstream future iostream istream latch mutex
ostream semaphore shared_mutex stop_token thread
""".split())

LIBRARIES = ("fmt/", "spdlog/", "boost/program_options", "toml++/", "re2/", "idn2.h", "nlohmann/")
TEST_LIBRARIES = LIBRARIES + ("gtest/", "gmock/")

# folder: (folders whose headers it may include, libraries besides std it may include; None: whatever it needs).
# The longest folder that contains a file counts. Only those with None may include headers of the operating system.
FOLDERS = {
    "core": (("core",), ("nghttp2/",)),  # HPACK, which is pure too
    "platform": (("core", "platform"), None),
    "command_line": (("core", "command_line"), LIBRARIES),
    "dispatch": (("core", "platform", "command_line", "dispatch"), LIBRARIES + ("nlohmann/",)),
    "dispatch/demo": (("core", "platform", "dispatch"), LIBRARIES + ("openssl/",)),  # its TLS application
    "bench": (("core", "platform", "command_line", "bench"), LIBRARIES),
    "bench/microbenchmarks": (("core", "platform", "dispatch", "bench", "tests"), LIBRARIES + ("benchmark/",)),
    "tests": (("core", "platform", "command_line", "dispatch", "tests"), TEST_LIBRARIES),
    "tests/dispatch": (("core", "platform", "command_line", "dispatch", "tests"), TEST_LIBRARIES + ("nlohmann/",)),
    "tests/core": (("core", "tests"), TEST_LIBRARIES),
    "tests/platform": (("core", "platform", "tests"), None),
    "tests/bench": (("core", "platform", "command_line", "bench", "tests"), TEST_LIBRARIES),
    "tests/dispatch/control": (("core", "platform", "dispatch", "tests"), TEST_LIBRARIES),
    "tests/dispatch/demo": (("core", "platform", "dispatch", "tests"), TEST_LIBRARIES + ("openssl/",)),
    "tests/backend_conformance": (("core", "platform", "tests"), None),
    "tests/guard_pages": (("core", "tests"), None),  # pages that nobody may read
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SYSTEM_CONDITION = re.compile(
    r"^\s*#\s*(if|ifdef|ifndef|elif)\b.*\b(_WIN32|WIN32|__linux__|__unix__|__APPLE__|__FreeBSD__)\b")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b")


def sources(root, *suffixes):
    for folder in ("core", "platform", "command_line", "dispatch", "bench", "tests"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in suffixes and path.name != "house_test.py":
                yield path


def folder_of(name):
    parts = name.split("/")[:-1]
    while "/".join(parts) not in FOLDERS:
        parts.pop()
    return "/".join(parts)


def includes(path):
    """(line number, '<' or '"', header) of each #include."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if match := INCLUDE.match(line):
            yield number, match[1], match[2]


def check_include(root, folder, kind, header):
    """What is wrong with this include in a file of this folder, or None."""
    houses, libraries = FOLDERS[folder]
    if kind == '"':
        if not (root / header).is_file():
            return f'"{header}" is no path from the root'
        if header.split("/")[0] not in houses:
            return f'{folder} must not include "{header}": it may include {", ".join(houses)}'
        return None
    if header in STANDARD:
        if folder == "core" and header in NOT_PURE:
            return f"core is pure, without I/O, clocks and threads: no <{header}>"
        return None
    if libraries is None or header.startswith(libraries):
        return None
    return f"<{header}> is neither std nor a library of {folder}; headers of the operating system belong to platform"


def check_file(root, path):
    name = path.relative_to(root).as_posix()
    lines = path.read_text().splitlines()
    if len(lines) > MAX_LINES:
        yield f"{name}: {len(lines)} lines, over {MAX_LINES}"
    for number, line in enumerate(lines, 1):
        if UNFINISHED.search(line):
            yield f"{name}:{number}: unfinished: {line.strip()}"
    if path.suffix not in (".h", ".cpp"):
        return
    folder = folder_of(name)
    if path.suffix == ".h" and "#pragma once" not in lines:
        yield f"{name}: a header without #pragma once"
    for number, kind, header in includes(path):
        if complaint := check_include(root, folder, kind, header):
            yield f"{name}:{number}: {complaint}"
    if folder != "platform":
        for number, line in enumerate(lines, 1):
            if SYSTEM_CONDITION.match(line):
                yield f"{name}:{number}: only platform asks which operating system this is"


def check_cycles(root):
    graph = {path.relative_to(root).as_posix(): [header for _, kind, header in includes(path) if kind == '"']
             for path in sources(root, ".h")}
    finished = set()

    def visit(name, trail):
        if name in trail:
            yield "headers include each other: " + " -> ".join(trail[trail.index(name):] + [name])
        elif name in graph and name not in finished:
            for header in graph[name]:
                yield from visit(header, trail + [name])
            finished.add(name)

    for name in graph:
        yield from visit(name, [])


def complaints(root):
    found = [complaint for path in sources(root, ".h", ".cpp", ".py") for complaint in check_file(root, path)]
    return found + list(check_cycles(root))


def test_the_house_is_in_order():
    assert list(sources(ROOT, ".h")), "no headers found: the test looks at the wrong place"
    assert complaints(ROOT) == []


HEADER = "#pragma once\n"
SOUND = {
    "core/cursor.h": HEADER + "#include <cstdint>\n",
    "platform/op.h": HEADER + '#include "core/cursor.h"\n',
    "platform/epoll.cpp": '#include <sys/epoll.h>\n#include "platform/op.h"\n#ifdef __linux__\n#endif\n',
    "dispatch/session.h": HEADER + '#include <fmt/core.h>\n#include "platform/op.h"\n#include "core/cursor.h"\n',
    "tests/core/cursor_test.cpp": '#include <gtest/gtest.h>\n#include "core/cursor.h"\n',
}
PLANTED = {
    "core includes platform": ("core/a.h", HEADER + '#include "platform/op.h"\n'),
    "core includes dispatch": ("core/a.h", HEADER + '#include "dispatch/session.h"\n'),
    "platform includes dispatch": ("platform/a.h", HEADER + '#include "dispatch/session.h"\n'),
    "core includes a library": ("core/a.h", HEADER + "#include <fmt/core.h>\n"),
    "core does I/O": ("core/a.h", HEADER + "#include <fstream>\n"),
    "core includes sys": ("core/a.cpp", "#include <sys/socket.h>\n"),
    "dispatch includes sys": ("dispatch/a.cpp", "#include <sys/socket.h>\n"),
    "dispatch includes unistd": ("dispatch/a.cpp", "  # include <unistd.h>\n"),
    "dispatch includes netinet": ("dispatch/commands/a.cpp", "#include <netinet/in.h>\n"),
    "dispatch includes liburing": ("dispatch/a.cpp", "#include <liburing.h>\n"),
    "dispatch includes fcntl": ("dispatch/a.cpp", "#include <fcntl.h>\n"),
    "dispatch includes signal.h": ("dispatch/a.cpp", "#include <signal.h>\n"),
    "dispatch includes poll": ("dispatch/a.cpp", "#include <poll.h>\n"),
    "dispatch includes openssl": ("dispatch/a.cpp", "#include <openssl/ssl.h>\n"),
    "bench includes dispatch": ("bench/a.cpp", '#include "dispatch/session.h"\n'),
    "bench includes sys": ("bench/a.cpp", "#include <sys/socket.h>\n"),
    "a command line includes platform": ("command_line/a.h", HEADER + '#include "platform/op.h"\n'),
    "dispatch includes tests": ("dispatch/a.cpp", '#include "tests/core/cursor_test.cpp"\n'),
    "a test of core includes platform": ("tests/core/a.cpp", '#include "platform/op.h"\n'),
    "a test of core includes sys": ("tests/core/a.cpp", "#include <sys/socket.h>\n"),
    "not relative to the root": ("core/a.cpp", '#include "cursor.h"\n'),
    "no pragma once": ("core/a.h", "#include <cstdint>\n"),
    "asks for the system": ("dispatch/a.cpp", "#if defined(_WIN32)\n#endif\n"),
    "too long": ("core/a.cpp", "\n" * (MAX_LINES + 1)),
    "unfinished": ("dispatch/a.cpp", "// TO" "DO: the rest\n"),
    "a cycle": ("core/cursor.h", HEADER + '#include "core/cursor.h"\n'),
}


def plant(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_sound_house_has_no_complaints(tmp_path):
    plant(tmp_path, SOUND)
    assert complaints(tmp_path) == []


@pytest.mark.parametrize("violation", PLANTED)
def test_a_violation_is_found_once(tmp_path, violation):
    name, text = PLANTED[violation]
    plant(tmp_path, SOUND | {name: text})
    found = complaints(tmp_path)
    assert len(found) == 1 and name in found[0], found


def test_a_cycle_over_several_headers_is_found(tmp_path):
    plant(tmp_path, {
        "core/a.h": HEADER + '#include "core/b.h"\n',
        "core/b.h": HEADER + '#include "core/c.h"\n',
        "core/c.h": HEADER + '#include "core/a.h"\n',
    })
    assert any("core/a.h -> core/b.h -> core/c.h -> core/a.h" in complaint for complaint in complaints(tmp_path))
