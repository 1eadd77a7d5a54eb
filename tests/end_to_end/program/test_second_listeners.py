"""Others that listen on the ports of portshare while it runs."""

import pytest

from harness.own_network import Site, no_namespaces
from harness.process import run

pytestmark = pytest.mark.skipif(no_namespaces(), reason="this system lets us have no network namespace")

OURS, THEIRS = "192.0.2.1", "192.0.2.9"


@pytest.fixture
def site(tmp_path, workshop):
    site = Site(tmp_path, workshop, OURS, THEIRS)
    yield site
    site.close()


def config(site, bind):
    return f"""
[listener.front]
bind = ["{bind}"]
protocols = []
default = "application"
[backend.application]
servers = ["{site.application.address}"]
"""


def test_a_second_listener_is_noticed(site):
    """One that takes an address out of our wildcard, which only a privileged program can."""
    dispatcher = site.start(config(site, "0.0.0.0:80"))
    stranger = site.hold(f"force,{OURS},80")
    dispatcher.says(rf"warning: listener 'front': a second program on its port: \S+ \(pid {stranger.pid}, user \S+\) "
                    rf"takes every connection to {OURS}:80")
    stranger.kill()
    dispatcher.says(rf"\(pid {stranger.pid}, user \S+\) does not listen on {OURS}:80 any more")
    assert dispatcher.stderr.count("a second program") == 1


def test_who_else_is_there_is_no_second_listener(site):
    dispatcher = site.start(config(site, f"{OURS}:80"))
    site.hold(f"tcp,{THEIRS},80")
    stranger = site.hold(f"force,{OURS},80")
    dispatcher.says(rf"\(pid {stranger.pid}, user \S+\) takes a part of the connections to {OURS}:80")
    assert THEIRS not in dispatcher.stderr


def test_status_and_metrics_tell_of_it_as_long_as_it_is_there(site):
    dispatcher = site.workshop.portshare(config(site, "0.0.0.0:80"), prefix=site.network.prefix, admin=True)

    def count():
        metrics = run(["curl", "-s", "--unix-socket", dispatcher.admin, "http://localhost/metrics"]).stdout
        return next(line for line in metrics.splitlines() if line.startswith("portshare_second_listeners "))

    assert dispatcher.ask("/status")[1]["second_listeners"] == [] and count().endswith(" 0")
    stranger = site.hold(f"force,{OURS},80")
    dispatcher.eventually(lambda: count().endswith(" 1"), "a second listener in the metrics")
    other, = dispatcher.ask("/status")[1]["second_listeners"]
    assert (other["listener"], other["address"]) == ("front", f"{OURS}:80")
    assert f"pid {stranger.pid}" in other["holder"]
    assert f"another program listens on {OURS}:80" in dispatcher.command("status").stdout
    stranger.kill()
    dispatcher.eventually(lambda: count().endswith(" 0"), "its end")
    assert dispatcher.ask("/status")[1]["second_listeners"] == []
