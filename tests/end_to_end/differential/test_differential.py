"""What portshare and its peers make of the same odd first bytes. They may differ where docs/differences.md says why."""

import re

import pytest

from differential.http_shapes import FOLLOWER
from differential.http_shapes import SHAPES as HTTP_SHAPES
from differential.peers import (NAMES, Server, ask_all, ask_http, ask_tls, nginx_for_http, nginx_for_tls, portshare_for,
                                serve_http, serve_tls)
from differential.tls_shapes import SHAPES as TLS_SHAPES
from harness.portshare import ROOT


def documented(heading):
    """{shape: (portshare, peer)} of the table under a heading that begins like this."""
    section = re.search(rf"^## {heading}.*?\n(.*?)(?=^## |\Z)", (ROOT / "docs/differences.md").read_text(), re.M | re.S)[1]
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in section.splitlines()
            if line.startswith("| ")][1:]
    assert all(len(row) == 4 and row[3] for row in rows), "a row without its reason"
    shapes = [row[0] for row in rows]
    assert len(set(shapes)) == len(shapes), "a shape stands there twice"
    return {shape: (ours, theirs) for shape, ours, theirs, _ in rows}


def differences(answers):
    return {shape: (answer["portshare"], answer["nginx"]) for shape, answer in answers.items()
            if answer["portshare"] != answer["nginx"]}


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


@pytest.mark.smoke
def test_http_1_differs_from_nginx_only_where_it_is_said(http_answers):
    assert differences(http_answers) == documented("HTTP/1,")


@pytest.mark.smoke
def test_tls_differs_from_nginx_only_where_it_is_said(tls_answers):
    assert differences(tls_answers) == documented("TLS,")


def test_the_peers_have_seen_what_they_were_meant_to(http_answers, tls_answers):
    """Otherwise agreement would say nothing."""
    for shape, expected in (("plain", "alpha, beta"), ("chunked", "alpha, beta"), ("Connection: close", "alpha"),
                            ("unknown Host", "no route"), ("Content-Length before chunked", "refused"),
                            ("HTTP/1.0", "alpha")):
        assert http_answers[shape] == {"portshare": expected, "nginx": expected}, shape
    for shape, expected in (("plain", "alpha"), ("for the other name", "beta"), ("for an unknown name", "default"),
                            ("no server_name", "default"), ("records of 1 byte", "alpha"), ("truncated", "refused")):
        assert tls_answers[shape] == {"portshare": expected, "nginx": expected}, shape


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
