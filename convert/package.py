"""A finished bundle onto the disk: all of it or nothing.

Everything is written into a hidden folder beside the target, read back as the runtime reads it, synced, and renamed
(temp, fsync, rename): a crash, a full disk or Ctrl-C leaves no folder with the target's name.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from edge import bundle
from edge.bundle import Card
from edge.errors import StoreError, UsageError

LABELS_FILE = "labels.txt"
REPORT_FILE = "report.html"
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def check_target(target: Path, *, room_bytes: int = 0) -> None:
    """Before minutes of work, not after: can the bundle's folder be made, and is there so much room for it?

    A folder and a file of that size are made beside the target, and removed: rights, quotas, a read-only or a full file
    system each speak up there alone. Raises UsageError where the target exists or its place is none, StoreError where
    there is no room.
    """
    if os.path.lexists(target):
        raise UsageError(f"expected a folder that does not exist yet for --out, got {target}: name another, or move it")
    above = next(each for each in target.absolute().parents if os.path.lexists(each))
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}."[:64], dir=above))
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise _no_room(target, room_bytes, error) from error
        raise UsageError(
            f"expected --out in a folder that this user can write to, got {above} ({error.strerror}): name another"
        ) from error
    try:
        with (folder / "room").open("wb") as file:
            if room_bytes:
                os.posix_fallocate(file.fileno(), 0, room_bytes)
    except OSError as error:
        raise _no_room(target, room_bytes, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _no_room(target: Path, room_bytes: int, error: OSError) -> StoreError:
    return StoreError(
        f"expected room for about {room_bytes / 1e6:.1f} MB at {target}; {error.strerror}: make space, or name another "
        "--out"
    )


def report_beside(target: Path) -> Path:
    """Where the report goes when there is no bundle to put it in."""
    return target.with_name(f"{target.name}.{REPORT_FILE}")


def write_bundle(
    target: Path, card: Card, model: bytes, report: str, extra: Mapping[str, bytes] = MappingProxyType({})
) -> None:
    """Model, card, labels, report and extra files as the new folder `target`.

    Raises StoreError where it cannot be written, and then nothing is left.
    """
    with _errors(target), _parents(target):
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            folder.chmod(0o777 & ~_umask())
            bundle.save(folder, card, model)
            _write(folder / LABELS_FILE, "".join(f"{label.name}\n" for label in card.labels))
            _write(folder / REPORT_FILE, report)
            for name, content in extra.items():
                _write(folder / name, content)
            bundle.load(folder)
            _sync(folder)
            folder.rename(target)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        _sync(target.parent)


def write_report(path: Path, report: str) -> None:
    """The report alone; in place of an older one only when it is whole. Raises StoreError."""
    with _errors(path), _parents(path):
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            temporary.chmod(0o666 & ~_umask())
            _write(temporary, report)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync(path.parent)


@contextlib.contextmanager
def _errors(target: Path) -> Iterator[None]:
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        reason = error.strerror or error
        raise StoreError(f"expected to write {target}; {reason}: make space, or name another --out") from error


@contextlib.contextmanager
def _parents(target: Path) -> Iterator[None]:
    """The folders above the target; those made here go again where the work inside fails."""
    missing = [each for each in target.absolute().parents if not each.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for each in missing:
            with contextlib.suppress(OSError):
                each.rmdir()
        raise


def _write(path: Path, content: str | bytes) -> None:
    with path.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Without it a power cut may undo a rename."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
