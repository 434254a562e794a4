"""Who may talk to the Lab, and what its answers tell browsers.

The Lab listens on loopback; anywhere else it wants its own token. A request must name a host
that the Lab is known by, so that a page of another site cannot reach it through a name that
was bent to this machine, and what changes something must come from the Lab's own pages. Every
answer, errors included, carries a policy that forbids all that the Lab does not need.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable

from flask import Flask, Response, abort, request

MOST_BYTES = 2 * 2**20
"""Of a request; a genome file has at most half of that."""

COOKIE = "speciation-lab"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_SAFE = ("GET", "HEAD", "OPTIONS")


def guard(
    server: Flask,
    hosts: Iterable[str],
    script_hashes: Callable[[], Iterable[str]],
    token: str | None = None,
) -> None:
    """Put a guard before a server and a policy on its answers.

    Args:
        server: The server.
        hosts: Values of the ``Host`` header that are let in, such as ``127.0.0.1:8050``.
        script_hashes: CSP hashes of the inline scripts of the page, asked for once.
        token: What a visitor must know; None lets in whoever reaches a loopback address.
    """
    known = frozenset(host.lower() for host in hosts)
    policy: list[str] = []
    server.config["MAX_CONTENT_LENGTH"] = MOST_BYTES

    @server.before_request
    def let_in() -> Response | None:
        if request.host.lower() not in known:
            abort(403, "This host is not one that the Lab is known by.")
        origin = request.headers.get("Origin")
        own = {f"{scheme}://{host}" for host in known for scheme in ("http", "https")}
        if request.method not in _SAFE and (origin or "").lower() not in own:
            abort(403, "This request does not come from the Lab's own pages.")
        return _with_token(token) if token is not None else None

    @server.errorhandler(RecursionError)
    def too_deep(_: RecursionError) -> tuple[str, int]:
        return "This request is nested too deeply to be read.", 400

    @server.after_request
    def seal(response: Response) -> Response:
        if not policy:
            policy.append(_policy(script_hashes()))
        for name, value in _HEADERS.items():
            response.headers[name] = value
        response.headers["Content-Security-Policy"] = policy[0]
        if not request.path.startswith(("/_dash-component-suites/", "/assets/")):
            response.headers["Cache-Control"] = "no-store"
        return response


def _with_token(token: str) -> Response | None:
    """Let in whoever knows the token; one in the address becomes a cookie and disappears."""
    given = request.args.get("token", "")
    if given and hmac.compare_digest(given.encode(), token.encode()):
        answer = Response(status=303, headers={"Location": request.path})
        answer.set_cookie(COOKIE, token, httponly=True, samesite="Strict")
        return answer
    if not hmac.compare_digest(request.cookies.get(COOKIE, "").encode(), token.encode()):
        abort(401, "The Lab wants its token: open the address that it printed when it began.")
    return None


def _policy(hashes: Iterable[str]) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' {' '.join(hashes)}".strip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
