"""Nobody talks to the Lab who should not, and every answer carries its policy."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from dashboards.lab.app import make_app
from dashboards.lab.guard import COOKIE, MOST_BYTES
from dashboards.lab.sources import Sources

HOME = {"Host": "127.0.0.1:8050"}
OWN = HOME | {"Origin": "http://127.0.0.1:8050"}


@pytest.fixture
def client(tmp_path) -> FlaskClient:
    return lab(tmp_path)


def lab(folder: Path, **told) -> FlaskClient:
    return make_app(Sources(folder, folder), 8050, **told).server.test_client()


ROUTES = (
    "/",
    "/library",
    "/nowhere",
    "/_dash-layout",
    "/_dash-dependencies",
    "/assets/lab.js",
    "/assets/../app.py",
    "/_dash-component-suites/dash/nothing.js",
    "/_favicon.ico",
)


def test_every_answer_carries_the_policy(client):
    for path in ROUTES:
        for host in ("127.0.0.1:8050", "evil.example"):
            answer = client.get(path, headers={"Host": host})
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe-eval" not in policy
            assert "script-src 'self' 'unsafe" not in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert "frame-ancestors 'none'" in policy
            answer.close()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:8051", "127.0.0.1", ""])
def test_a_host_that_is_not_ours_is_refused(client, host):
    for path in ROUTES:
        assert client.get(path, headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "http://localhost:1"])
def test_a_change_from_another_page_is_refused(client, origin):
    headers = HOME | ({"Origin": origin} if origin else {})
    answer = client.post("/_dash-update-component", json={}, headers=headers)
    assert answer.status_code == 403


def test_a_request_that_is_too_large_is_refused(client):
    answer = client.post("/_dash-update-component", json={"x": "y" * MOST_BYTES}, headers=OWN)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "path", ["/assets/../app.py", "/assets/%2e%2e/app.py", "/assets//etc/passwd"]
)
def test_a_path_cannot_leave_the_assets(client, path):
    answer = client.get(path, headers=HOME)
    assert b"make_app" not in answer.data
    assert b"root:" not in answer.data


def test_beyond_loopback_a_token_is_needed(tmp_path):
    with pytest.raises(ValueError, match="needs a token"):
        lab(tmp_path, host="10.0.0.1")


def test_a_token_lets_in_and_leaves_the_address(tmp_path):
    client = lab(tmp_path, host="10.0.0.1", token="s3cret")
    away = {"Host": "10.0.0.1:8050"}
    for path in ("/", "/_dash-layout", "/assets/lab.js", "/?token=wrong"):
        assert client.get(path, headers=away).status_code == 401
    answer = client.get("/library?token=s3cret", headers=away)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/library")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=s3cret")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    client.set_cookie(COOKIE, "s3cret", domain="10.0.0.1")
    assert client.get("/", headers=away).status_code == 200


def test_a_request_that_is_nested_too_deeply_is_refused_in_a_sentence(client):
    body, form = "[" * 100_000, "application/json"
    answer = client.post("/_dash-update-component", data=body, headers=OWN, content_type=form)
    assert (answer.status_code, "nested too deeply" in answer.text) == (400, True)
