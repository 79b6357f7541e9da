"""Picture files in and out: whole, upright, 8-bit RGB, or an error of one line.

Pillow decides whether a file is whole: OpenCV decodes the first rows of a truncated JPEG and calls it a picture.
"""

from __future__ import annotations

import logging
import os
import stat
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image, ImageFile, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from edge.errors import PictureError
from edge.frame import Pixels

SIDE_MIN_PX = 32
SIDE_MAX_PX = 16384
PIXELS_MAX = 89_478_485
"""A quarter of a gigabyte as RGB; also the area from which Pillow warns of a decompression bomb."""
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")

_READERS = (JpegImageFile, PngImageFile, WebPImageFile, BmpImageFile, TiffImageFile)
_FORMATS = [reader.format for reader in _READERS]
"""Importing a reader registers it; the rest of Pillow's readers stay out of reach of foreign files."""
_ACCEPTED = "JPEG, PNG, WebP, BMP or TIFF"
_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    zlib.error,
    struct.error,
)
"""What Pillow's readers raise on damaged bytes, format by format."""
_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"BM", b"II*\0", b"MM\0*")
_PNG_END = b"IEND\xaeB`\x82"
"""Without this check a PNG that lost its last bytes passes: all of its pixels may already be there."""
_TAIL_BYTES = 4096
_MID_GREY = 128
# Pillow logs what it then raises; without a handler of anybody's that would be a second line on stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())
_NOTES = {
    "1": "black and white, spread to RGB",
    "L": "grey, spread to RGB",
    "P": "palette colours, converted to RGB",
    "CMYK": "CMYK, converted to RGB without a colour profile",
    "YCbCr": "YCbCr, converted to RGB",
    "HSV": "HSV, converted to RGB",
    "RGBX": "",
    "RGB": "",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """rgb: (height, width, 3) uint8, upright. note: what was converted, one line; empty when nothing was."""

    rgb: Pixels
    note: str


def read_picture(path: Path) -> Picture:
    """A file as upright RGB, EXIF orientation applied.

    Grey, CMYK, palette and 16-bit pictures are converted, alpha is laid over mid-grey, of several frames the first is
    taken; `note` says so. Raises PictureError for a file that is missing, empty, truncated, of another format, or has
    a side under 32 px, a side over 16384 px or more than 89 megapixels.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise PictureError(f"expected a picture file at {path}, got something else: a folder, a pipe or a device")
        with path.open("rb") as file, warnings.catch_warnings():
            # Pillow warns of oddities on stderr; what matters comes as an error or as a note.
            warnings.simplefilter("ignore")
            return _read(path, file)
    except PictureError:
        raise
    except OSError as error:
        reason = error.strerror or _one_line(error)
        raise PictureError(f"expected a readable picture at {path}, got: {reason}: check the path") from error


def pictures_in(path: Path) -> list[Path]:
    """The picture files of one folder, by suffix, sorted by name; subfolders are not entered.

    A broken link is among them, so that whoever reads it says so. Raises PictureError where there is no such folder or
    no such file in it.
    """
    try:
        found = sorted(each for each in path.iterdir() if each.suffix.lower() in PICTURE_SUFFIXES and not each.is_dir())
    except OSError as error:
        raise PictureError(f"expected a folder of pictures at {path}, got: {error.strerror}: check the path") from error
    if not found:
        raise PictureError(
            f"expected pictures ({', '.join(PICTURE_SUFFIXES)}) in {path}, got none: "
            "subfolders are not searched, name the folder that holds the pictures"
        )
    return found


def encode_jpeg(rgb: Pixels, quality: int) -> bytes:
    """An (height, width, 3) RGB picture as JPEG bytes; quality 1 to 100."""
    done, encoded = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise PictureError(f"expected a picture that JPEG can hold, got shape {rgb.shape}: pass (height, width, 3)")
    return encoded.tobytes()


def _read(path: Path, file: BinaryIO) -> Picture:
    with _open(path, file) as image:
        _check_size(path, image.size)
        try:
            notes = _frame_notes(image)
            image.load()
        except _DAMAGED as error:
            raise _damaged(path, _one_line(error)) from error
        if image.format == "PNG" and not _ends_with(file, _PNG_END):
            raise _damaged(path, "no end marker")
        rgb = _to_rgb(path, _upright(image, notes), notes)
    return Picture(rgb, "; ".join(note for note in notes if note))


def _open(path: Path, file: BinaryIO) -> ImageFile.ImageFile:
    try:
        return Image.open(file, formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise PictureError(
            f"expected at most {PIXELS_MAX // 10**6} megapixels and {SIDE_MAX_PX} px a side, got more in {path}: "
            "make it smaller"
        ) from error
    except _DAMAGED as error:
        file.seek(0)
        start = file.read(16)
        if not start:
            raise PictureError(f"expected a picture ({_ACCEPTED}), got the empty file {path}: copy it again") from error
        if start.startswith(_STARTS):
            raise _damaged(path, "its header does not hold together") from error
        raise PictureError(
            f"expected a picture ({_ACCEPTED}), got something else in {path}: save it as one of these"
        ) from error


def _damaged(path: Path, reason: str) -> PictureError:
    return PictureError(f"expected a whole picture, got a truncated or damaged one in {path} ({reason}): copy it again")


def _ends_with(file: BinaryIO, marker: bytes) -> bool:
    """Whether the marker stands near the end; some programs append a few bytes of their own."""
    file.seek(0, os.SEEK_END)
    file.seek(max(0, file.tell() - _TAIL_BYTES))
    return marker in file.read()


def _check_size(path: Path, size_px: tuple[int, int]) -> None:
    width, height = size_px
    if min(size_px) < SIDE_MIN_PX:
        raise PictureError(
            f"expected sides of at least {SIDE_MIN_PX} px, got {width} × {height} in {path}: take a larger picture"
        )
    if max(size_px) > SIDE_MAX_PX or width * height > PIXELS_MAX:
        raise PictureError(
            f"expected at most {PIXELS_MAX // 10**6} megapixels and {SIDE_MAX_PX} px a side, got {width} × {height} "
            f"in {path}: make it smaller"
        )


def _frame_notes(image: ImageFile.ImageFile) -> list[str]:
    """What is known before decoding. MPO's further pictures are previews and gain maps of the same shot."""
    notes = []
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        notes.append(f"first of {frames} frames")
    if image.mode.startswith("I;16") or any(";16" in str(tile[3]) for tile in image.tile):
        notes.append("16 bits a channel, scaled to 8")
    return notes


def _upright(image: Image.Image, notes: list[str]) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except _DAMAGED:
        # The pixels are whole: broken metadata is no reason to refuse them.
        notes.append("EXIF unreadable, orientation taken as upright")
        return image


def _to_rgb(path: Path, image: Image.Image, notes: list[str]) -> Pixels:
    mode = image.mode
    if mode.startswith("I;16"):
        grey = ((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8)
        notes.append(_NOTES["L"])
        return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    if image.has_transparency_data:
        notes.append("alpha, laid over mid-grey")
        rgba = image.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, (_MID_GREY, _MID_GREY, _MID_GREY, 255))
        return np.array(Image.alpha_composite(ground, rgba).convert("RGB"), dtype=np.uint8)
    if mode not in _NOTES:
        raise PictureError(
            f"expected grey, RGB or CMYK of 8 or 16 bits a channel, got mode {mode} in {path}: convert it to 8-bit RGB"
        )
    notes.append(_NOTES[mode])
    return np.array(image.convert("RGB"), dtype=np.uint8)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
