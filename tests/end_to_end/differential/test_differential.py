"""What portshare and its peers make of the same odd first bytes. They may differ where docs/differences.md says why."""

import re

import pytest

from differential.h2_shapes import SHAPES as H2_SHAPES
from differential.http_shapes import FOLLOWER
from differential.http_shapes import SHAPES as HTTP_SHAPES
from differential.peers import (NAMES, Server, ask_all, ask_h2, ask_http, ask_tls, nginx_for_h2, nginx_for_http,
                                nginx_for_tls, portshare_for, serve_http, serve_tls)
from differential.tls_shapes import SHAPES as TLS_SHAPES
from harness.portshare import ROOT


def documented(heading):
    """{shape: {peer: answers}} of the table under a heading that begins like this."""
    section = re.search(rf"^## {heading}.*?\n(.*?)(?=^## |\Z)", (ROOT / "docs/differences.md").read_text(), re.M | re.S)[1]
    peers, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines()
                    if line.startswith("| ")]
    assert all(len(row) == len(peers) and row[-1] for row in rows), "a row without its reason"
    shapes = [row[0] for row in rows]
    assert len(set(shapes)) == len(shapes), "a shape stands there twice"
    return {row[0]: dict(zip(peers[1:-1], (cell.split(" or ") for cell in row[1:-1]))) for row in rows}


def differences(answers):
    return {shape: answer for shape, answer in answers.items() if len(set(answer.values())) > 1}


def expect_differences(answers, heading):
    found, said = differences(answers), documented(heading)
    assert found.keys() == said.keys()
    assert {shape: answer for shape, answer in found.items()
            if any(answer[peer] not in said[shape][peer] for peer in answer)} == {}


def port_of(application):
    return int(application.address.rpartition(":")[2])


@pytest.fixture(scope="module")
def http_answers(module_workshop):
    servers = {name: Server(module_workshop, name, serve_http) for name in NAMES}
    ports = {"portshare": portshare_for(module_workshop, "http", servers),
             "nginx": port_of(nginx_for_http(module_workshop, servers))}
    return ask_all(ask_http, ports, {shape: data + FOLLOWER for shape, data in HTTP_SHAPES.items()})


@pytest.fixture(scope="module")
def tls_answers(module_workshop):
    servers = {name: Server(module_workshop, name, serve_tls) for name in (*NAMES, "default")}
    ports = {"portshare": portshare_for(module_workshop, "tls", servers, 'default = "default"'),
             "nginx": port_of(nginx_for_tls(module_workshop, servers))}
    return ask_all(ask_tls, ports, TLS_SHAPES)


@pytest.fixture(scope="module")
def h2_answers(module_workshop):
    # Behind portshare is the more lenient of its peers, so that what is refused there was refused by portshare.
    nginx = nginx_for_h2(module_workshop)
    ports = {"portshare": portshare_for(module_workshop, "http", {"alpha": nginx}), "nginx": port_of(nginx),
             "nghttpd": port_of(module_workshop.nghttpd("alpha"))}
    return ask_all(ask_h2, ports, H2_SHAPES)


@pytest.mark.smoke
def test_http_1_differs_from_nginx_only_where_it_is_said(http_answers):
    expect_differences(http_answers, "HTTP/1,")


@pytest.mark.smoke
def test_tls_differs_from_nginx_only_where_it_is_said(tls_answers):
    expect_differences(tls_answers, "TLS,")


@pytest.mark.smoke
def test_http_2_differs_from_nginx_and_nghttpd_only_where_it_is_said(h2_answers):
    expect_differences(h2_answers, "HTTP/2 ")


def test_the_peers_have_seen_what_they_were_meant_to(http_answers, tls_answers, h2_answers):
    """Otherwise agreement would say nothing."""
    for shape, expected in (("plain", "alpha, beta"), ("chunked", "alpha, beta"), ("Connection: close", "alpha"),
                            ("unknown Host", "no route"), ("Content-Length before chunked", "refused"),
                            ("HTTP/1.0", "alpha")):
        assert http_answers[shape] == {"portshare": expected, "nginx": expected}, shape
    for shape, expected in (("plain", "alpha"), ("for the other name", "beta"), ("for an unknown name", "default"),
                            ("no server_name", "default"), ("records of 1 byte", "alpha"), ("truncated", "refused")):
        assert tls_answers[shape] == {"portshare": expected, "nginx": expected}, shape
    for shape, expected in (("plain", "alpha"), ("unknown frame", "alpha"), ("Host for :authority", "alpha"),
                            ("index 0", "refused"), ("HEADERS on stream 0", "refused")):
        assert set(h2_answers[shape].values()) == {expected}, shape


def test_nothing_odd_takes_another_way_than_its_name_says(http_answers, tls_answers):
    """Every shape names alpha.test first: portshare never sends it to beta, and only nameless ones to the default."""
    for shape, answer in http_answers.items():
        assert not answer["portshare"].startswith("beta"), shape
    for shape, answer in tls_answers.items():
        if shape != "for the other name":
            assert answer["portshare"] != "beta", shape
    nameless = {shape for shape, answer in tls_answers.items() if answer["portshare"] == "default"}
    assert nameless == {"for an unknown name", "no extensions field", "empty list of extensions", "no server_name",
                        "name with an underscore", "name of an IPv4 address", "name of an IPv6 address",
                        "name of 255 bytes"}
