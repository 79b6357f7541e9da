"""hub.toml: defaults without it, one clear line for what is wrong in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import ConfigError
from hub.settings import FILE, Settings, load


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
