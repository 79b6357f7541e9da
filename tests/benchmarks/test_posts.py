"""The three sites of the demonstration together see what one device saw alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.posts import PERSONS, POSTS
from edge import config


@pytest.mark.parametrize("total", [1, 5, 6, 60, 299, 300, 301])
def test_no_frame_is_lost_among_them(total: int) -> None:
    assert sum(post.frames(total) for post in POSTS) == total
    assert all(post.frames(total) >= 0 for post in POSTS)


def test_the_first_six_persons_are_each_seen_at_one_site_for_the_same_time(tmp_path: Path) -> None:
    seen: list[int] = []
    durations_s = set()
    for post in POSTS:
        file = tmp_path / f"{post.device}.toml"
        file.write_text(post.settings(seed=1, lesions=2, ledger=tmp_path / "ledger"))
        settings, _ = config.load(config_file=file, environ={})
        frames = post.frames(PERSONS * settings.phantom.frames_per_person)
        durations_s.add(frames / settings.camera.rate_hz)
        first = settings.phantom.first_person
        seen += range(first, first + frames // settings.phantom.frames_per_person)
        between_ms = 1000 / settings.camera.rate_hz
        assert settings.quality.verdict_max_age_ms > 2 * between_ms
    assert seen == list(range(PERSONS))
    assert len(durations_s) == 1
    assert [post.has_view for post in POSTS] == [True, False, False]
