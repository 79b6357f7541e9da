"""Who may ask `hub serve` for anything: its own pages, by its own names, and nobody else."""

from __future__ import annotations

import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from hub.dashboard.office import COOKIE
from tests.hub.pages.served import HUB, Served, environment
from tests.hub.sender import make_hub


def test_a_port_that_is_taken_is_told_before_any_address(tmp_path: Path) -> None:
    hub = make_hub(tmp_path / "hub")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [*HUB, "serve", "--dir", str(hub), "--port", port, "--no-browser"]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 78
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f"expected port {port} of 127.0.0.1" in done.stderr
    assert "--port" in done.stderr


def test_only_this_machine_s_own_names_are_answered(shared_pages: Served) -> None:
    with urllib.request.urlopen(f"{shared_pages.address}sign-in", timeout=10) as answer:
        headers = answer.headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "http" not in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Frame-Options"] == "DENY"
    request = urllib.request.Request(shared_pages.address, headers={"Host": "dermedge.example.org"})
    assert refused(request) == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
    ],
)
def test_another_site_s_page_gets_neither_the_socket_nor_the_page(
    shared_pages: Served, headers: dict[str, str]
) -> None:
    """Though the browser sends the cookie of somebody who is signed in."""
    cookie = {"Cookie": f"{COOKIE}={shared_pages.sign_in()}"}
    socket_address = f"{shared_pages.address}_nicegui_ws/socket.io/?EIO=4&transport=polling"
    own = {"Origin": shared_pages.address.rstrip("/"), "Sec-Fetch-Site": "same-origin"} | cookie
    with urllib.request.urlopen(urllib.request.Request(socket_address, headers=own), timeout=10) as answer:
        assert answer.status == 200
    foreign = headers | cookie
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    upgrade["Sec-WebSocket-Key"] = "AAAAAAAAAAAAAAAAAAAAAA=="
    asked = socket_address.replace("polling", "websocket")
    assert refused(urllib.request.Request(socket_address, headers=foreign)) == 403
    assert refused(urllib.request.Request(shared_pages.address, headers=foreign)) == 403
    assert refused(urllib.request.Request(asked, headers=foreign | upgrade)) == 403


def test_without_a_session_there_is_neither_a_page_nor_a_socket(shared_pages: Served) -> None:
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    opener = urllib.request.build_opener(Stay)
    for path in ("", "zh", "worklist", "zh/worklist", "referrals", "follow-ups", "slip", "slip/cam-1/e", "nowhere"):
        with pytest.raises(urllib.error.HTTPError) as away:
            opener.open(f"{shared_pages.address}{path}", timeout=10)
        assert (away.value.code, "sign-in?next=" in away.value.headers["Location"]) == (303, True), path
        away.value.close()
    socket_address = f"{shared_pages.address}_nicegui_ws/socket.io/?EIO=4&transport=polling"
    own = {"Origin": shared_pages.address.rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert refused(urllib.request.Request(socket_address, headers=own)) == 401
    assert refused(urllib.request.Request(f"{shared_pages.address}sign-out", data=b"", headers=own)) == 401
    stale = own | {"Cookie": f"{COOKIE}=no-such-token"}
    assert refused(urllib.request.Request(socket_address, headers=stale)) == 401


def test_a_link_from_another_site_may_open_the_page(shared_pages: Served) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    with urllib.request.urlopen(urllib.request.Request(shared_pages.address, headers=headers), timeout=10) as answer:
        assert answer.status == 200


def refused(request: urllib.request.Request) -> int:
    """The status that refuses it; being answered is a failure."""
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=10)
    assert error.value.headers["Access-Control-Allow-Origin"] is None
    error.value.close()
    return error.value.code
