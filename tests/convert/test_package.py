"""The bundle's folder is there whole, or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from convert import package
from edge import bundle
from edge.bundle import Bundle
from edge.errors import StoreError, UsageError
from tests.tree import ROOT

SHIPPED = bundle.default_path()
WRITE = (
    "import resource, sys; from pathlib import Path; from convert import package; from edge import bundle;"
    "loaded = bundle.load(); resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2);"
    "package.write_bundle(Path(sys.argv[1]), loaded.card, loaded.model, '<p>report</p>')"
)


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    return bundle.load()


def write(target: Path, shipped: Bundle) -> None:
    package.write_bundle(target, shipped.card, shipped.model, "<p>report</p>")


def test_all_four_files_are_there_and_the_runtime_reads_them(tmp_path: Path, shipped: Bundle) -> None:
    target = tmp_path / "made" / "bundle"
    package.check_target(target)
    write(target, shipped)
    assert sorted(each.name for each in target.iterdir()) == ["card.json", "labels.txt", "model.tflite", "report.html"]
    assert bundle.load(target).card == shipped.card
    labels = [label.name for label in shipped.card.labels]
    assert (target / "labels.txt").read_text(encoding="utf-8").splitlines() == labels
    assert [each.name for each in target.parent.iterdir()] == ["bundle"]
    assert target.stat().st_mode & 0o777 == 0o777 & ~current_umask()


def test_folder_that_exists_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").write_text("mine")
    for name in (".", "link", "file"):
        with pytest.raises(UsageError, match="does not exist yet"):
            package.check_target(tmp_path / name)
    with pytest.raises(UsageError, match="can write to"):
        package.check_target(tmp_path / "file" / "bundle")
    with pytest.raises(UsageError, match="can write to"):
        package.check_target(Path("/proc/bundle"))  # where even root, who may write anywhere, cannot make a folder


def test_room_is_asked_for_before_anything_is_done_and_given_back(tmp_path: Path) -> None:
    package.check_target(tmp_path / "deep" / "bundle", room_bytes=1_000_000)
    with pytest.raises(StoreError, match=r"room for about 1000000000000\.0 MB.*make space"):
        package.check_target(tmp_path / "deep" / "bundle", room_bytes=10**18)
    assert list(tmp_path.iterdir()) == []


def test_folder_that_came_meanwhile_is_left_alone(tmp_path: Path, shipped: Bundle) -> None:
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "mine").write_text("mine")
    with pytest.raises(StoreError, match=str(target)):
        write(target, shipped)
    assert [each.name for each in target.iterdir()] == ["mine"]
    assert [each.name for each in tmp_path.iterdir()] == ["bundle"]


@pytest.mark.parametrize("limit_bytes", [0, 1000, 100_000, 3_000_000])
def test_disk_that_is_full_leaves_nothing(tmp_path: Path, limit_bytes: int) -> None:
    """A limit on the file size stands in for a full disk: write() fails half way, whichever file it is."""
    target = tmp_path / "made" / "bundle"
    done = subprocess.run(
        [sys.executable, "-c", WRITE, str(target), str(limit_bytes)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "StoreError" in done.stderr
    assert "make space" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_model_that_does_not_fit_its_card_is_not_left_as_a_bundle(tmp_path: Path, shipped: Bundle) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        package.write_bundle(tmp_path / "bundle", shipped.card, shipped.model + b"\0", "")
    assert list(tmp_path.iterdir()) == []


def test_report_replaces_an_older_one(tmp_path: Path) -> None:
    path = package.report_beside(tmp_path / "bundle")
    assert path == tmp_path / "bundle.report.html"
    for text in ("first", "second"):
        package.write_report(path, text)
        assert path.read_text(encoding="utf-8") == text
    assert list(tmp_path.iterdir()) == [path]


def current_umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
