"""Picture files in and out: whole, upright, 8-bit RGB, or an error of one line.

Pillow decides whether a file is whole: OpenCV decodes the first rows of a truncated JPEG and calls it a picture.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.MpoImagePlugin import MpoImageFile
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

_READERS = (JpegImageFile, MpoImageFile, PngImageFile, WebPImageFile, BmpImageFile, TiffImageFile)
_FORMATS = [reader.format for reader in _READERS]
"""Importing a reader registers it; the rest of Pillow's readers stay out of reach of foreign files."""
_ACCEPTED = "JPEG, PNG, WebP, BMP or TIFF"
_UNDECODABLE = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, ArithmeticError)
"""What Pillow's decoders raise on damaged bytes, by plugin; zlib.error and struct.error come on top."""
_DAMAGED = (*_UNDECODABLE, zlib.error, struct.error)
_MID_GREY = 128
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
        if path.stat().st_size == 0:
            raise PictureError(f"expected a picture ({_ACCEPTED}), got the empty file {path}: copy it again")
        with path.open("rb") as file, _open(path, file) as image:
            _check_size(path, image.size)
            notes = _frame_notes(image)
            try:
                image.load()
            except _DAMAGED as error:
                raise PictureError(
                    f"expected a whole picture, got a truncated or damaged one in {path} ({_one_line(error)}): "
                    "copy it again"
                ) from error
            upright = _upright(image, notes)
            rgb = _to_rgb(path, upright, notes)
    except PictureError:
        raise
    except OSError as error:
        reason = error.strerror or _one_line(error)
        raise PictureError(f"expected a readable picture at {path}, got: {reason}: check the path") from error
    return Picture(rgb, "; ".join(note for note in notes if note))


def pictures_in(path: Path) -> list[Path]:
    """The picture files of one folder, by suffix, sorted by name; subfolders are not entered.

    Raises PictureError where there is no such folder or no such file in it.
    """
    try:
        found = sorted(each for each in path.iterdir() if each.suffix.lower() in PICTURE_SUFFIXES and each.is_file())
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


def _open(path: Path, file: object) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # Up to twice its limit Pillow only warns; _check_size refuses with our own words.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(file, formats=_FORMATS)  # type: ignore[arg-type]
    except Image.DecompressionBombError as error:
        raise PictureError(
            f"expected at most {PIXELS_MAX // 10**6} megapixels and {SIDE_MAX_PX} px a side, got more in {path}: "
            "make it smaller"
        ) from error
    except _DAMAGED as error:
        raise PictureError(f"expected a picture ({_ACCEPTED}), got something else in {path}: convert it") from error


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


def _frame_notes(image: Image.Image) -> list[str]:
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
