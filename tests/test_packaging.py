"""The wheel: what is in it, and that it works where the clone is not."""

from __future__ import annotations

import email
import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

import edge
from edge import bundle
from tests.tree import ROOT, files

pytestmark = pytest.mark.slow

PACKAGES = {"benchmarks", "convert", "edge", "firmware_cfg", "hub"}
MODULES = {"demo.py", "dermedge.py", "witness.py"}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing built earlier gets in."""
    folder = tmp_path_factory.mktemp("wheel")
    for path in files():
        copy = folder / "source" / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([*pip, str(folder / "source")], check=True)
    (built,) = folder.glob("dermedge-*.whl")
    return built


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """A folder with a fresh environment `venv` in it, and the wheel without any extra in that."""
    return installed(tmp_path_factory.mktemp("bare"), str(wheel))


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """The same with the extra `runtime`."""
    return installed(tmp_path_factory.mktemp("elsewhere"), f"{wheel}[runtime]")


def installed(folder: Path, requirement: str) -> Path:
    venv.create(folder / "venv", with_pip=True)
    subprocess.run(
        [str(folder / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet", requirement], check=True
    )
    return folder


def dermedge(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command, out of reach of the clone."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(folder / "venv" / "bin" / "dermedge"), *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_names_are_ours(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        top_level = {name.partition("/")[0] for name in archive.namelist()}
    assert top_level == PACKAGES | MODULES | {f"dermedge-{edge.__version__}.dist-info"}


def test_no_file_of_a_package_is_left_out(wheel: Path) -> None:
    """A data file that package_data forgets is missed only where it is installed."""
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    ours = {str(path.relative_to(ROOT)) for path in files() if path.relative_to(ROOT).parts[0] in PACKAGES}
    assert ours - packed == set()
    assert {"edge/terms.toml", "firmware_cfg/profiles/pi-zero-2w.toml"} <= packed


def test_both_licences_are_in_it(wheel: Path) -> None:
    """It carries weights that are not under the code's licence."""
    folder = f"dermedge-{edge.__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        for name in ("LICENSE", "models/LICENSE"):
            assert archive.read(f"{folder}/licenses/{name}") == (ROOT / name).read_bytes()
        stated = email.message_from_bytes(archive.read(f"{folder}/METADATA"))["License"]
    assert stated.startswith("Apache-2.0 for the code; the weights")
    assert "research and demonstration only" in stated


def test_bare_installation_helps_and_says_what_it_lacks(bare: Path) -> None:
    helped = dermedge(bare, "--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "firmware" in helped.stdout
    lacking = dermedge(bare, "detect", "picture.png")
    assert lacking.returncode == 69
    assert "pip install 'dermedge[runtime]'" in lacking.stderr


def test_runtime_detects(elsewhere: Path) -> None:
    picture = np.full((480, 640, 3), (150, 170, 215), dtype=np.uint8)
    cv2.circle(picture, (320, 240), 70, (40, 50, 90), -1, cv2.LINE_AA)
    cv2.imwrite(str(elsewhere / "drawn.png"), picture)

    done = dermedge(elsewhere, "detect", "--json", "--score-threshold", "0", "drawn.png")

    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["image"], answer["size_px"]) == ("drawn.png", [640, 480])
    assert answer["detections"], "with threshold 0 every picture has detections"
    labels = {label.name for label in bundle.load().card.labels}
    assert {each["label"] for each in answer["detections"]} <= labels
    assert set(answer["latency_ms"]) == {"preprocess", "invoke", "decode"}


def test_profiles_are_found_where_they_are_installed(elsewhere: Path) -> None:
    listed = dermedge(elsewhere, "firmware", "list")
    assert listed.returncode == 0, listed.stderr
    assert "pi-5" in listed.stdout
