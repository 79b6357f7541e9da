"""One process an outbox: a second one is refused at once, and a killed one leaves nothing behind that refuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import dermedge
from edge.clock import SystemClock
from edge.config import Config, Delivery, Identity, Outbox
from edge.errors import RunningError
from edge.provisioned import Provisioned, open_provisioned
from tests.edge.test_doctor import provision

ROOT = Path(__file__).resolve().parents[2]
HOLDER = """
import sys, time
from edge.clock import SystemClock
from edge.config import Config, Delivery, Identity, Outbox
from edge.provisioned import open_provisioned
held = open_provisioned(
    Config(identity=Identity(directory=sys.argv[1]), delivery=Delivery(publisher="memory")), SystemClock(), dict
)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return provision(tmp_path)


def opened(folder: Path) -> Provisioned:
    settings = Config(identity=Identity(directory=str(folder)), delivery=Delivery(publisher="memory"))
    made = open_provisioned(settings, SystemClock(), dict)
    assert made is not None
    return made


@pytest.fixture
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_until_the_first_is_killed(holder: subprocess.Popen[str], folder: Path) -> None:
    with pytest.raises(RunningError, match="already running") as told:
        opened(folder)
    assert told.value.exit_code == 69
    holder.send_signal(signal.SIGKILL)
    holder.wait(10)
    opened(folder).close()


def test_what_only_reads_works_beside_it(
    holder: subprocess.Popen[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert holder.poll() is None
    assert dermedge.main(["outbox", "status", "--identity", str(folder)]) == 0
    assert "backlog" in capsys.readouterr().out
    dermedge.main(["doctor", "--wait", "0.1", "--identity", str(folder), "--set", "delivery.publisher=memory"])
    assert "ok    outbox" in capsys.readouterr().out


def test_run_says_so_in_one_line(
    holder: subprocess.Popen[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert holder.poll() is None
    words = ["run", "--source", "phantom", "--set", "operator.script=phantom", "--frames", "1"]
    assert dermedge.main([*words, "--identity", str(folder)]) == 69
    told = capsys.readouterr()
    assert told.out == ""
    assert "already running" in told.err
    assert told.err.count("\n") == 1


def test_a_close_lets_the_next_one_in(folder: Path) -> None:
    first = opened(folder)
    with pytest.raises(RunningError):
        opened(folder)
    first.close()
    opened(folder).close()


def test_an_opening_that_fails_holds_nothing(folder: Path) -> None:
    outbox = folder / "outbox.db"
    outbox.write_bytes(b"this is a letter, not a database" * 200)
    with pytest.raises(OSError, match="aside"):
        opened(folder)
    outbox.unlink()
    opened(folder).close()


def test_a_link_to_the_same_outbox_is_the_same_outbox(
    holder: subprocess.Popen[str], folder: Path, tmp_path: Path
) -> None:
    assert holder.poll() is None
    (tmp_path / "elsewhere").symlink_to(folder / "outbox.db")
    settings = Config(
        identity=Identity(directory=str(folder)),
        delivery=Delivery(publisher="memory"),
        outbox=Outbox(path=str(tmp_path / "elsewhere")),
    )
    with pytest.raises(RunningError):
        open_provisioned(settings, SystemClock(), dict)


def test_receipts_are_not_taken_beside_it_and_an_export_is_made(
    holder: subprocess.Popen[str], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert holder.poll() is None
    (tmp_path / "receipts").write_bytes(b"")
    assert dermedge.main(["outbox", "acknowledge", str(tmp_path / "receipts"), "--identity", str(folder)]) == 69
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert "already running" in told.err
    assert dermedge.main(["outbox", "export", str(tmp_path / "stick"), "--identity", str(folder)]) == 0


def test_names_are_on_the_disk_and_not_only_what_is_in_the_files(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys, outbox, ballast, ledger and exports: each folder is synced after its files were made or renamed."""
    synced: list[tuple[Path, set[str]]] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path.is_dir():
            synced.append((path, {each.name for each in path.iterdir()}))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    words = [
        "provision",
        "--offline",
        "--site",
        "village-3",
        "--device",
        "cam-9",
        "--hub-keys",
        str(folder / "hub-keys.json"),
    ]
    assert dermedge.main([*words, str(tmp_path / "new" / "device")]) == 0
    device = tmp_path / "new" / "device"
    settings = Config(
        identity=Identity(directory=str(device)),
        delivery=Delivery(publisher="memory"),
        outbox=Outbox(ledger=str(tmp_path / "notes" / "ledger.jsonl"), ballast_bytes=65536),
    )
    made = open_provisioned(settings, SystemClock(), dict)
    assert made is not None
    made.close()
    (tmp_path / "stick").mkdir()
    assert dermedge.main(["outbox", "export", str(tmp_path / "stick" / "parcel"), "--identity", str(device)]) == 0
    wanted = {
        (tmp_path, "new"),
        (tmp_path / "new", "device"),
        (device, "device.json"),
        (device, "outbox.db"),
        (device, "outbox.db-ballast"),
        (tmp_path, "notes"),
        (tmp_path / "notes", "ledger.jsonl"),
        (tmp_path / "stick", "parcel"),
    }
    assert wanted <= {(path, name) for path, names in synced for name in names}
