"""`except`: a wildcard that leaves some addresses to others, now and as addresses come and go."""

import signal
import socket

import pytest

from harness.own_network import Site, no_namespaces
from harness.portshare import BINARY, portshare
from harness.process import Process, run

pytestmark = pytest.mark.skipif(no_namespaces(), reason="this system lets us have no network namespace")

OURS, EXCEPTED, LATER = "192.0.2.1", "192.0.2.9", "192.0.2.20"
OURS_V6, EXCEPTED_V6, LATER_V6 = "2001:db8::1", "2001:db8::9", "2001:db8::20"


def config(site, bind=("*:80",), exceptions=(EXCEPTED, EXCEPTED_V6)):
    return f"""
[listener.front]
bind = {list(bind)}
except = {list(exceptions)}
protocols = []
default = "application"
[backend.application]
servers = ["{site.application.address}"]
"""


@pytest.fixture
def site(tmp_path, workshop):
    site = Site(tmp_path, workshop, OURS, EXCEPTED, OURS_V6, EXCEPTED_V6)
    yield site
    site.close()


def test_an_application_has_the_excepted_address(site):
    before = site.hold(f"tcp,{EXCEPTED},80")
    dispatcher = site.start(config(site))
    after = site.hold(f"tcp,{EXCEPTED_V6},80")
    for address in (OURS, OURS_V6, "127.0.0.1", "::1"):
        assert site.serves(address) and site.holders(address) == [dispatcher.pid], address
    assert site.holders(EXCEPTED) == [before.pid]
    assert site.holders(EXCEPTED_V6) == [after.pid]


def test_nobody_has_the_excepted_address_otherwise(site):
    site.start(config(site))
    assert site.serves(EXCEPTED) is None and site.serves(EXCEPTED_V6) is None


def test_addresses_come_and_go(site):
    dispatcher = site.start(config(site))
    for address in (LATER, LATER_V6):
        assert not site.holders(address)
        for _ in range(2):
            site.network.add(address)
            dispatcher.eventually(lambda: site.holders(address) == [dispatcher.pid], f"a listener on {address}")
            assert site.serves(address)
            site.network.remove(address)
            dispatcher.eventually(lambda: not site.holders(address), f"the end of the listener on {address}")
    assert site.serves(OURS) and site.serves(OURS_V6)
    assert dispatcher.stderr.count(f"takes connections on {LATER}:80") == 2
    assert dispatcher.stderr.count(f"leaves {LATER}:80: the address has gone") == 2


def test_an_excepted_address_that_comes_later_is_left_alone(site):
    site.network.remove(EXCEPTED)
    dispatcher = site.start(config(site))
    site.network.add(EXCEPTED)
    site.network.add(LATER)
    dispatcher.eventually(lambda: site.holders(LATER), f"a listener on {LATER}")
    assert not site.holders(EXCEPTED)


CLIENT = """
import socket, sys
client = socket.create_connection((sys.argv[1], 80))
print(client.recv(100).decode(), flush=True)
print(client.recv(100).decode(), flush=True)
"""


def test_open_connections_do_not_notice(site):
    slow = site.directory / "slow.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(slow))
        listener.listen()
        dispatcher = site.start(config(site).replace(site.application.address, f"unix:{slow}"))
        client = site.keep(Process("client", [*site.network.prefix, "python3", "-c", CLIENT, OURS], site.directory))
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"before")
            client.eventually(lambda: client.stdout == "before\n", "the first bytes")
            site.network.add(LATER)
            dispatcher.says(f"takes connections on {LATER}:80")
            site.network.remove(LATER)
            dispatcher.says(f"leaves {LATER}:80")
            connection.sendall(b"after")
            client.eventually(lambda: client.stdout == "before\nafter\n", "the last bytes")


def test_a_new_address_that_somebody_holds_is_had_when_it_is_free(site):
    dispatcher = site.start(config(site))
    holder = site.hold(f"free,{LATER},80")
    site.network.add(LATER)
    dispatcher.says(rf"cannot listen on {LATER}:80: the address is already in use by another program")
    dispatcher.says(rf"\(pid {holder.pid}, user \S+\) listens on {LATER}:80")
    assert site.serves(OURS)
    holder.kill()
    dispatcher.eventually(lambda: site.holders(LATER) == [dispatcher.pid], f"a listener on {LATER}")
    assert dispatcher.stderr.count("cannot listen on") == 1  # said once, however often it was tried


def test_an_address_that_somebody_holds_ends_the_start(site):
    holder = site.hold(f"tcp,{OURS},80")
    path = site.directory / "portshare.toml"
    path.write_text(config(site))
    result = run([*site.network.prefix, BINARY, "run", "-c", path])
    assert result.returncode == 1, result
    assert f"cannot listen on {OURS}:80" in result.stderr and f"(pid {holder.pid}, " in result.stderr


def test_an_address_that_is_being_checked_is_had_when_it_has_been(site):
    """Duplicate address detection (RFC 4862) keeps an address of IPv6 from being bound at first."""
    dispatcher = site.start(config(site))
    site.network.shell("ip link add veth0 type veth peer name veth1 && ip link set veth0 up && ip link set veth1 up && "
                       "ip address add 2001:db8:1::7/64 dev veth0")
    dispatcher.eventually(lambda: site.holders("2001:db8:1::7"), "a listener on the new address")
    assert site.serves("2001:db8:1::7")
    dispatcher.says(r"takes connections on \[fe80::[0-9a-f:]+%[0-9]+\]:80")
    assert "cannot listen" not in dispatcher.stderr


def test_one_family(site):
    site.start(config(site, bind=["0.0.0.0:80"], exceptions=[EXCEPTED]))
    assert site.serves(OURS) and site.serves(OURS_V6) is None and site.serves(EXCEPTED) is None


def test_another_listener_has_the_excepted_address(site):
    dispatcher = site.start(config(site, exceptions=[EXCEPTED]) + f"""
[listener.back]
bind = ["{EXCEPTED}:80"]
protocols = []
default = "application"
""")
    assert site.serves(OURS) and site.serves(EXCEPTED)
    dispatcher.logged(listener="front", destination=f"{OURS}:80")
    dispatcher.logged(listener="back", destination=f"{EXCEPTED}:80")


def test_a_reload_changes_the_exceptions(site):
    dispatcher = site.start(config(site, exceptions=[EXCEPTED]))

    def reload(old, new, count):
        dispatcher.config_file.write_text(dispatcher.config_file.read_text().replace(old, new))
        dispatcher.signal(signal.SIGHUP)
        dispatcher.eventually(lambda: dispatcher.stderr.count("is in force") == count, "the reload")

    reload(f"except = ['{EXCEPTED}']", f"except = ['{OURS}']", 1)
    assert site.serves(EXCEPTED) and site.serves(OURS) is None
    assert f"except: [{EXCEPTED}] -> [{OURS}]" in dispatcher.stderr
    reload(f"except = ['{OURS}']", "except = []", 2)  # a wildcard again
    assert site.serves(EXCEPTED) and site.serves(OURS) and site.serves("127.0.0.77")
    reload("except = []", f"except = ['{EXCEPTED}']", 3)
    assert site.serves(EXCEPTED) is None and site.serves(OURS)
    site.network.add(LATER)
    dispatcher.eventually(lambda: site.holders(LATER), f"a listener on {LATER}")


def test_routes_see_the_destination(site):
    dispatcher = site.start(config(site, exceptions=[EXCEPTED]) + f"""
[[route]]
destination = ["{OURS}"]
reject = true
""")
    assert site.serves("127.0.0.1")
    with pytest.raises(AssertionError, match="reset"):
        site.serves(OURS)
    dispatcher.logged(destination=f"{OURS}:80", outcome="rejected")
    explained = portshare("explain", "-c", dispatcher.config_file, "--listener", "front",
                          "--destination", f"{OURS}:80")
    assert "wins: reject" in explained.stdout, explained
    explained = portshare("explain", "-c", dispatcher.config_file, "--listener", "front",
                          "--destination", f"{EXCEPTED}:80")
    assert f"leaves {EXCEPTED} to others" in explained.stdout, explained


def test_an_application_behind_portshare_on_the_excepted_address(site):
    """It would be a circle if the listener took that address."""
    site.hold(f"tcp,{EXCEPTED},80")
    text = config(site, exceptions=[EXCEPTED]).replace(site.application.address, f"{EXCEPTED}:80")
    assert site.start(text).running()
    path = site.directory / "circle.toml"
    path.write_text(text.replace(f"servers = [\"{EXCEPTED}:80\"]", f"servers = [\"{OURS}:80\"]"))
    checked = run([*site.network.prefix, BINARY, "check", "-c", path])
    assert checked.returncode == 2 and "leads back to portshare" in checked.stdout + checked.stderr
