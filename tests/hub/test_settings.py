"""hub.toml: defaults without it, one clear line for what is wrong in it."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from edge.errors import ConfigError
from hub.settings import FILE, Section, Settings, load
from tests.tree import ROOT


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert load(tmp_path) == Settings()


def test_what_stands_in_the_file_holds(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('[pages]\norigin = "https://hub.example:8443"\n[counts]\nsuppress_under = 10\n')
    settings = load(tmp_path)
    assert (settings.pages.origin, settings.pages.secure_cookie) == ("https://hub.example:8443", True)
    assert settings.counts.suppress_under == 10
    assert settings.review == Settings().review


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[pages]\norigni = 1\n", "origni"),
        ("[page]\n", "page"),
        ("[review]\nsample_share = 1.5\n", "sample_share"),
        ('[pages]\norigin = "hub.example"\n', "hub.example"),
        ('[pages]\norigin = "https://hub.example/path"\n', "hub.example/path"),
        ("[pages\n", "line 1"),
        ("[sessions]\nidle_minutes = 0\n", "idle_minutes"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_it(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(tmp_path)
    assert what in str(refused.value)
    assert FILE in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_document_names_every_setting_with_its_default() -> None:
    rows = re.findall(
        r"^\| `([a-z_.]+)` \| `(.*?)` \|", (ROOT / "docs/hub-upkeep.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    defaults = {
        f"{section}.{name}": msgspec.json.encode(getattr(values, name)).decode()
        for section, values in ((each, getattr(Settings(), each)) for each in Settings.__struct_fields__)
        if isinstance(values, Section)
        for name in values.__struct_fields__
    }
    assert dict(rows) == defaults
