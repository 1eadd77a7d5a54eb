"""`portshare probe` on the system that runs the tests: what it finds is compared with what is known of Linux."""

import itertools
import json
import os
import pathlib
import subprocess

import pytest

from harness.own_network import no_namespaces
from harness.portshare import BINARY, portshare
from harness.process import run

WITHOUT_IPV6 = pathlib.Path(__file__).parents[1] / "harness/without_ipv6.py"
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
OPTIONS = ("none", "SO_REUSEADDR", "SO_REUSEPORT")
OWNERS = ("same_process", "other_process", "other_user")
SAME = ("127.0.0.1", "127.0.0.1")
ADDRESSES = (SAME, ("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "0.0.0.0"), ("[::]", "0.0.0.0"), ("0.0.0.0", "[::]"))


class Matrix(dict):
    """The trials of a run by (port, owner, addresses, options)."""

    def __init__(self, text):
        document = json.loads(text)
        super().__init__({(trial["port"], trial["owner"], (trial["first"]["address"], trial["second"]["address"]),
                           (trial["first"]["option"], trial["second"]["option"])): trial
                          for trial in document["trials"]})
        assert len(self) == len(document["trials"]), "a combination stands there twice"
        self.summary = document["summary"]

    def results(self, port, owner, addresses=SAME):
        """The result by pair of options."""
        return {options: self[port, owner, addresses, options]["result"]
                for options in itertools.product(OPTIONS, OPTIONS)}


@pytest.fixture(scope="module")
def matrix():
    result = portshare("probe", "--json")
    assert result.returncode == 0, result
    return Matrix(result.stdout)


def all_but(allowed, result, otherwise="bind fails"):
    """That result for the pairs of options in `allowed`, for all others that their bind fails."""
    return {options: result if options in allowed else otherwise for options in itertools.product(OPTIONS, OPTIONS)}


BOTH_ADDRESS = ("SO_REUSEADDR", "SO_REUSEADDR")
BOTH_PORT = ("SO_REUSEPORT", "SO_REUSEPORT")


def test_every_combination_is_there(matrix):
    assert set(matrix) == set(itertools.product(("listening", "connected", "time_wait"), OWNERS, ADDRESSES,
                                                itertools.product(OPTIONS, OPTIONS)))


@pytest.mark.parametrize("owner", OWNERS[:2])
def test_an_open_listener_shares_its_port_only_if_both_want_it(matrix, owner):
    assert matrix.results("listening", owner) == all_but([BOTH_PORT], "both at random")
    connections = matrix["listening", owner, SAME, BOTH_PORT]["connections"]
    assert connections["first"] > 0 and connections["second"] > 0 and connections["refused"] == 0
    refused = matrix["listening", owner, SAME, ("none", "none")]
    assert refused["bind"] == "EADDRINUSE" and refused["listen"] is None
    assert refused["connections"]["first"] >= 16 and refused["connections"]["second"] == 0


@pytest.mark.parametrize("owner", OWNERS[:2])
def test_a_more_specific_address_goes_first_if_both_share(matrix, owner):
    assert matrix.results("listening", owner, ("0.0.0.0", "127.0.0.1")) == all_but([BOTH_PORT], "second")
    assert matrix.results("listening", owner, ("127.0.0.1", "0.0.0.0")) == all_but([BOTH_PORT], "first")


@ROOT_ONLY
def test_another_user_gets_nothing_of_an_open_listener(matrix):
    for addresses in ADDRESSES:
        trials = [matrix["listening", "other_user", addresses, options]
                  for options in itertools.product(OPTIONS, OPTIONS)]
        if trials[0]["result"] == "not tried":
            assert "[::]" in addresses and "IPv6" in trials[0]["reason"]
            continue
        assert [trial["result"] for trial in trials] == ["bind fails"] * len(trials)
        assert all(trial["connections"]["second"] == 0 for trial in trials)


@pytest.mark.parametrize("owner", OWNERS[:2])
@pytest.mark.parametrize("port", ["connected", "time_wait"])
def test_a_closed_listener_leaves_its_port_to_who_reuses_it(matrix, port, owner):
    assert matrix.results(port, owner) == all_but([BOTH_ADDRESS, BOTH_PORT], "second")


@ROOT_ONLY
@pytest.mark.parametrize("port", ["connected", "time_wait"])
def test_a_closed_listener_leaves_its_port_to_another_user_too(matrix, port):
    results = matrix.results(port, "other_user")
    assert results[BOTH_ADDRESS] == "second" and results["none", "none"] == "bind fails"


@pytest.mark.skipif(no_namespaces(), reason="this system lets us have no namespaces of our own")
def test_a_host_that_keeps_nothing_in_time_wait_is_not_judged():
    """One with very many connections that have just ended."""
    network = "ip link set lo up && echo 0 > /proc/sys/net/ipv4/tcp_max_tw_buckets && exec \"$0\" probe --json"
    result = run(["unshare", "-rn", "sh", "-c", network, BINARY])
    assert result.returncode == 0, result
    trials = {key: trial for key, trial in Matrix(result.stdout).items() if key[0] == "time_wait"}
    assert {trial["result"] for trial in trials.values()} == {"not tried"}
    assert "tcp_max_tw_buckets" in trials["time_wait", "same_process", SAME, BOTH_ADDRESS]["reason"]


def test_live_connections_go_on(matrix):
    trials = [trial for key, trial in matrix.items() if key[0] == "connected" and trial["result"] != "not tried"]
    assert trials and all(trial["established_connection_lives"] for trial in trials)


def test_the_summary_says_that_our_listeners_are_safe(matrix):
    assert matrix.summary[-1] == ("portshare listens with SO_REUSEADDR alone: on this system nobody takes connections "
                                  "from it, and a restart is not held up by old connections.")


def test_the_table_for_people():
    result = portshare("probe")
    assert result.returncode == 0 and result.stderr == ""
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("127.0.0.1, 127.0.0.1" in line for line in lines) == 3, "once per state of the port"
    assert any("share the connections at random" in line for line in lines)


@ROOT_ONLY
def test_without_privileges_the_rest_is_tried():
    result = run(["setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all",
                  BINARY, "probe", "--json"])
    if result.returncode == 126 or "Permission denied" in result.stderr:
        pytest.skip("nobody may not read the folder of the program")
    matrix = Matrix(result.stdout)
    others = [trial for key, trial in matrix.items() if key[1] == "other_user"]
    assert {(trial["result"], trial["reason"]) for trial in others} == {("not tried", "needs root")}
    assert matrix.results("listening", "other_process")[BOTH_PORT] == "both at random"


def test_without_ipv6_the_rest_is_tried():
    result = run(["/usr/bin/python3", WITHOUT_IPV6, BINARY, "probe", "--json"])
    assert result.returncode == 0, result
    matrix = Matrix(result.stdout)
    of_ipv6 = [trial for key, trial in matrix.items() if "[::]" in key[2] and key[1] == "other_process"]
    assert {trial.get("reason") for trial in of_ipv6} == {"this system has no IPv6"}
    assert matrix.results("listening", "other_process")[BOTH_PORT] == "both at random"


def test_nothing_is_left_listening():
    """Neither sockets that listen nor helpers outlive the command."""
    program = subprocess.Popen([BINARY, "probe", "--json"], stdout=subprocess.PIPE, start_new_session=True)
    program.communicate(timeout=60)
    assert program.returncode == 0
    sessions = (pathlib.Path(f"/proc/{pid}/stat") for pid in os.listdir("/proc") if pid.isdigit())
    for stat in sessions:
        try:
            session = int(stat.read_text().rpartition(")")[2].split()[3])
        except OSError:
            continue  # it has ended meanwhile
        assert session != program.pid, f"{stat} is left"


def test_unknown_options_are_errors():
    result = portshare("probe", "--jsno")
    assert result.returncode == 2 and "--json" in result.stderr
