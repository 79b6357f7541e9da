"""The page: to this machine only, in both languages, boxes on their frame; in a real browser."""

from __future__ import annotations

import base64
import http.client
import itertools
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge.config import Screen as ScreenSettings
from edge.errors import ConfigError
from edge.frame import Box
from edge.pipeline import Result, ShownBox, View
from edge.screen.server import Screen, Status
from tests.edge.cards import card

if TYPE_CHECKING:
    from playwright.sync_api import Browser

GOOD = Status("", "", 0.05, provisioned=True, connected=True, backlog=0)
LESION = Box(500, 200, 700, 400)


def view(sequence: int = 0, **changes: object) -> View:
    rgb = np.full((720, 1280, 3), (205, 160, 140), dtype=np.uint8)
    rgb[200:400, 500:700] = (95, 60, 45)
    shown = View(rgb, sequence, (ShownBox(LESION, "cutaneous_tumour", None),), True, None, "screening", ())
    return shown._replace(**changes)  # type: ignore[arg-type]


class Bench:
    def __init__(self) -> None:
        self.status = GOOD
        self.screen = Screen(ScreenSettings(port=0), card(), lambda: self.status)
        self.screen.start()

    def ask(self, path: str = "/", **headers: str) -> tuple[http.client.HTTPResponse, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.screen.port, timeout=5)
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response, text

    def message(self) -> dict[str, object]:
        """The first message of a new stream."""
        connection = http.client.HTTPConnection("127.0.0.1", self.screen.port, timeout=5)
        connection.request("GET", "/events")
        line = connection.getresponse().readline()
        connection.close()
        message: dict[str, object] = json.loads(line.removeprefix(b"data: "))
        return message


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.screen.stop()


@pytest.mark.parametrize("path", ["/", "/events", "/page.js", "/page.css"])
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil:{port}"]
)
def test_another_host_is_refused(bench: Bench, path: str, host: str) -> None:
    response, text = bench.ask(path, Host=host.format(port=bench.screen.port))
    assert response.status == 421
    assert "jpeg" not in text


def test_only_this_machine_can_reach_it(bench: Bench) -> None:
    assert bench.screen._server.server_address[0] == "127.0.0.1"


def test_another_page_may_not_embed_it(bench: Bench) -> None:
    assert bench.ask("/events", **{"Sec-Fetch-Site": "cross-site"})[0].status == 403
    response, _ = bench.ask("/")
    assert response.status == 200
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


def test_localhost_is_this_machine(bench: Bench) -> None:
    assert bench.ask("/", Host=f"localhost:{bench.screen.port}")[0].status == 200
    assert bench.ask("/secret")[0].status == 404


def test_the_language_is_asked_or_the_browsers(bench: Bench) -> None:
    assert '<html lang="en">' in bench.ask("/")[1]
    assert '<html lang="zh">' in bench.ask("/?lang=zh")[1]
    assert '<html lang="zh">' in bench.ask("/", **{"Accept-Language": "zh-CN,zh;q=0.9"})[1]
    assert '<html lang="en">' in bench.ask("/?lang=en", **{"Accept-Language": "zh-CN"})[1]
    assert '<html lang="en">' in bench.ask('/?lang="><script>')[1]


def test_picture_and_boxes_are_one_message(bench: Bench) -> None:
    bench.screen.show(view(7, results=(Result("cutaneous_tumour", "routine"),)))
    message = bench.message()
    frame = message["frame"]
    assert isinstance(frame, dict)
    assert (frame["sequence"], frame["size_px"]) == (7, [1280, 720])
    assert frame["boxes"] == [{"box_px": [500, 200, 700, 400], "label": "cutaneous_tumour", "tier": None}]
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(frame["jpeg"]), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert picture is not None
    assert picture.shape == (360, 640, 3), "a small copy"
    assert np.abs(picture[150, 300].astype(int) - (95, 60, 45)).max() < 12, "red stays red"


def test_nothing_is_encoded_while_nobody_looks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []

    def make(shown: object, *, with_picture: bool) -> bytes:
        made.append((shown, with_picture))
        return b"{}"

    monkeypatch.setattr(bench.screen, "_make", make)
    for sequence in range(20):
        bench.screen.show(view(sequence))
    assert not made
    bench.message()
    assert made


def test_whoever_refused_is_not_shown(bench: Bench) -> None:
    bench.screen.show(view(encounter="refused", boxes=()))
    frame = bench.message()["frame"]
    assert isinstance(frame, dict)
    assert frame["jpeg"] is None


def test_without_a_new_frame_the_status_goes_on(bench: Bench) -> None:
    bench.status = GOOD._replace(problem="camera", detail="no picture for 9 s", frame_age_s=9.0)
    message = bench.message()
    assert "frame" not in message
    assert message["status"] == bench.status._asdict()


def test_a_port_in_use_is_a_config_error(bench: Bench) -> None:
    with pytest.raises(ConfigError, match="free port"):
        Screen(ScreenSettings(port=bench.screen.port), card(), lambda: GOOD)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_in_a_real_browser(bench: Bench, browser: Browser, language: str) -> None:
    words = {
        "en": ("Demonstration, not for clinical use", "Nothing found by this model", "Glare", "Skin growth", "waiting"),
        "zh": ("演示用途", "本模型未检出", "有反光", "皮肤肿物", "条待发送"),
    }[language]
    page = browser.new_page(locale="zh-CN" if language == "zh" else "en-GB", viewport={"width": 1366, "height": 768})
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    bench.screen.show(view(1, boxes=()))
    page.goto(bench.screen.address)
    page.wait_for_selector("body[data-sequence='1']")
    text = page.inner_text("body")
    assert words[0] in text
    assert words[1] in text, "nothing found always says by whom"
    assert page.locator("#boxes rect").count() == 0

    kept = ShownBox(LESION, "cutaneous_tumour", "routine")
    bench.status = GOOD._replace(connected=False, backlog=4)
    page.wait_for_timeout(750)  # a hint stays for a while, so that it can be read
    bench.screen.show(view(2, boxes=(kept,), hint="glare", accepted=False, results=(Result(kept.label, "routine"),)))
    page.wait_for_selector("body[data-sequence='2']")
    text = page.inner_text("body")
    for each in words[2:]:
        assert each in text
    assert words[1] not in text
    assert {"en": "Saved · Skin growth", "zh": "已保存 · 皮肤肿物"}[language] in text
    stage = page.locator("#picture").bounding_box()
    shown = page.locator("#boxes .kept .box-line").bounding_box()
    assert stage is not None
    assert shown is not None
    assert (shown["x"] - stage["x"]) / stage["width"] == pytest.approx(500 / 1280, abs=0.01)
    assert shown["width"] / stage["width"] == pytest.approx(200 / 1280, abs=0.01)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    assert page.locator("#quarantined").is_hidden()
    bench.status = GOOD._replace(quarantined=3)
    page.wait_for_selector("#quarantined:not([hidden])")
    assert "3" in page.inner_text("#quarantined")

    bench.status = GOOD._replace(problem="camera", detail="no picture")
    page.wait_for_selector("#problem:not([hidden])")
    assert not complaints
    assert all(url.startswith((bench.screen.address, "data:")) for url in asked), "no request leaves the machine"
    page.close()


def test_words_of_lesions_that_lie_close_do_not_cover_one_another(bench: Bench, browser: Browser) -> None:
    page = browser.new_page(locale="en-GB", viewport={"width": 390, "height": 780})
    close = tuple(
        ShownBox(Box(500 + 30 * each, 200 + 12 * each, 560 + 30 * each, 260 + 12 * each), "cutaneous_tumour", "routine")
        for each in range(3)
    )
    bench.screen.show(view(1, boxes=close))
    page.goto(bench.screen.address)
    page.wait_for_selector("body[data-sequence='1']")
    shown = [each.bounding_box() for each in page.locator("#labels .label").all()]
    page.close()
    for first, second in itertools.combinations(shown, 2):
        assert first is not None
        assert second is not None
        is_apart = first["y"] + first["height"] <= second["y"] or second["y"] + second["height"] <= first["y"]
        is_beside = first["x"] + first["width"] <= second["x"] or second["x"] + second["width"] <= first["x"]
        assert is_apart or is_beside
