"""Every kind of bad and odd picture, made here: whole ones are read right, the others refused in one line."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from edge.errors import PictureError
from edge.frame import Pixels
from edge.pictures import PICTURE_SUFFIXES, encode_jpeg, pictures_in, read_picture

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")


def scene() -> Pixels:
    """48 × 64, every corner of another colour, smooth enough for JPEG."""
    corners = np.array([[[200, 30, 30], [30, 200, 30]], [[30, 30, 200], [220, 220, 220]]], dtype=np.uint8)
    return np.asarray(cv2.resize(corners, (64, 48), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def read(tmp_path: Path, content: bytes, name: str = "picture") -> tuple[Pixels, str]:
    path = tmp_path / name
    path.write_bytes(content)
    picture = read_picture(path)
    assert picture.rgb.dtype == np.uint8
    assert picture.rgb.ndim == 3
    assert picture.rgb.shape[2] == 3
    assert picture.rgb.flags.c_contiguous
    assert picture.rgb.flags.writeable
    assert "\n" not in picture.note
    return picture.rgb, picture.note


def refused(tmp_path: Path, content: bytes, reason: str) -> str:
    path = tmp_path / "picture"
    path.write_bytes(content)
    with pytest.raises(PictureError, match=reason) as caught:
        read_picture(path)
    message = str(caught.value)
    assert "\n" not in message
    assert "expected" in message
    assert "got" in message
    assert str(path) in message
    assert caught.value.exit_code == 65
    return message


@pytest.mark.parametrize("kind", FORMATS)
def test_a_whole_picture_of_each_format_is_read_as_it_is(tmp_path: Path, kind: str) -> None:
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    rgb, note = read(tmp_path, encoded(Image.fromarray(scene()), kind, **options))
    assert np.abs(rgb.astype(int) - scene()).max() <= (0 if kind != "JPEG" else 12)
    assert note == ""


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("missing", [1, 2, 12, 40, 0.3, 0.6, 0.97])
def test_a_truncated_picture_is_refused(tmp_path: Path, kind: str, missing: float) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (80, 100, 3), dtype=np.uint8)
    whole = encoded(Image.fromarray(noise), kind)
    left = len(whole) - missing if missing >= 1 else len(whole) * (1 - missing)
    refused(tmp_path, whole[: int(left)], "truncated or damaged")


@pytest.mark.parametrize("progressive", [False, True])
def test_a_truncated_jpeg_is_refused_though_opencv_reads_it(tmp_path: Path, progressive: bool) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    whole = encoded(Image.fromarray(noise), "JPEG", progressive=progressive)
    half = whole[: len(whole) * 2 // 3]
    refused(tmp_path, half, "truncated or damaged")
    assert cv2.imread(str(tmp_path / "picture")) is not None


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, b"", "empty file")


@pytest.mark.parametrize(
    "content", [b"hello", b"<svg/>", b"\x00" * 4000, b"GIF89a" + b"\x00" * 100, b"\x00\x00\x00 ftypheic"]
)
def test_something_else_is_refused_and_the_formats_are_named(tmp_path: Path, content: bytes) -> None:
    message = refused(tmp_path, content, "something else")
    assert "JPEG, PNG, WebP, BMP or TIFF" in message


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="No such file"):
        read_picture(tmp_path / "nothing.jpg")
    with pytest.raises(PictureError, match="a folder"):
        read_picture(tmp_path)


@pytest.mark.parametrize("size_px", [(1, 1), (31, 400), (400, 31)])
def test_too_small_is_refused(tmp_path: Path, size_px: tuple[int, int]) -> None:
    refused(tmp_path, encoded(Image.new("RGB", size_px), "PNG"), f"{size_px[0]} × {size_px[1]}.*larger picture")


def test_twenty_thousand_pixels_wide_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, encoded(Image.new("L", (20_000, 40)), "PNG"), "20000 × 40.*smaller")


@pytest.mark.parametrize("side_px", [12_000, 16_000, 60_000])
def test_a_decompression_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, side_px: int) -> None:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", side_px, side_px, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    refused(tmp_path, bomb, "89 megapixels")


def test_grey_becomes_three_equal_channels(tmp_path: Path) -> None:
    grey = scene()[:, :, 0]
    rgb, note = read(tmp_path, encoded(Image.fromarray(grey), "PNG"))
    assert np.array_equal(rgb, np.repeat(grey[:, :, np.newaxis], 3, axis=2))
    assert note == "grey, spread to RGB"


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_are_scaled_and_not_cut(tmp_path: Path, suffix: str) -> None:
    deep = np.random.default_rng(2).integers(0, 65536, (40, 50, 3), dtype=np.uint16)
    colour, grey = tmp_path / f"colour{suffix}", tmp_path / f"grey{suffix}"
    cv2.imwrite(str(colour), deep)
    cv2.imwrite(str(grey), deep[:, :, 0])
    rgb, note = read(tmp_path, colour.read_bytes())
    assert np.abs(rgb - deep[:, :, ::-1] / 257).max() < 1
    assert "16 bits" in note
    rgb, note = read(tmp_path, grey.read_bytes())
    assert np.abs(rgb - np.repeat(deep[:, :, :1], 3, axis=2) / 257).max() <= 0.5
    assert "16 bits" in note
    assert "grey" in note


def test_sixteen_bits_with_alpha(tmp_path: Path) -> None:
    deep = np.full((40, 40, 4), (65535, 0, 0, 65535), dtype=np.uint16)
    deep[:, 20:, 3] = 0
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    rgb, note = read(tmp_path, (tmp_path / "deep.png").read_bytes())
    assert rgb[10, 5].tolist() == [0, 0, 255]
    assert rgb[10, 30].tolist() == [128, 128, 128]
    assert "16 bits" in note
    assert "alpha" in note


def test_cmyk_is_converted(tmp_path: Path) -> None:
    picture = Image.new("CMYK", (64, 48), (0, 255, 255, 0))
    rgb, note = read(tmp_path, encoded(picture, "JPEG", quality=95))
    assert np.abs(rgb[20, 20].astype(int) - (255, 0, 0)).max() <= 6
    assert "CMYK" in note


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_alpha_is_laid_over_mid_grey(tmp_path: Path, mode: str) -> None:
    rgba = Image.new("RGBA", (64, 48), (240, 240, 240, 255))
    rgba.paste((10, 10, 10, 0), (32, 0, 64, 48))
    if mode == "P":
        picture = Image.new("P", (64, 48), 0)
        picture.putpalette([240, 240, 240, 10, 10, 10])
        picture.paste(1, (32, 0, 64, 48))
        content = encoded(picture, "PNG", transparency=1)
    else:
        content = encoded(rgba.convert(mode), "PNG")
    rgb, note = read(tmp_path, content)
    assert rgb[20, 10].tolist() == [240, 240, 240]
    assert rgb[20, 50].tolist() == [128, 128, 128]
    assert "alpha" in note


def test_a_palette_and_black_and_white_are_converted(tmp_path: Path) -> None:
    rgb, note = read(tmp_path, encoded(Image.fromarray(scene()).quantize(16), "PNG"))
    assert rgb.std() > 20
    assert "palette" in note
    rgb, note = read(tmp_path, encoded(Image.fromarray(scene()).convert("1"), "PNG"))
    assert set(np.unique(rgb)) == {0, 255}
    assert "black and white" in note


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first_is_taken(tmp_path: Path, kind: str) -> None:
    first, second = Image.new("RGB", (40, 40), (200, 0, 0)), Image.new("RGB", (40, 40), (0, 0, 200))
    rgb, note = read(tmp_path, encoded(first, kind, save_all=True, append_images=[second]))
    assert rgb[20, 20, 0] > 150
    assert "first of 2 frames" in note


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    refused(tmp_path, encoded(Image.new("F", (40, 40)), "TIFF"), "mode F.*8-bit RGB")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_out_upright(tmp_path: Path, orientation: int, kind: str) -> None:
    upright = scene()
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif, quality=95)
    rgb, note = read(tmp_path, content)
    assert rgb.shape == upright.shape
    assert np.abs(rgb.astype(int) - upright).mean() < 4
    assert note == ""


def test_orientation_also_turns_sixteen_bit_grey(tmp_path: Path) -> None:
    grey = Image.fromarray(np.tile(np.arange(40, dtype=np.uint16) * 1600, (60, 1)))
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb, _ = read(tmp_path, encoded(grey, "PNG", exif=exif))
    assert rgb.shape == (40, 60, 3)
    assert rgb[0, 0, 0] == 0
    assert rgb[39, 0, 0] > 240


def test_broken_exif_does_not_cost_the_picture(tmp_path: Path) -> None:
    rgb, note = read(tmp_path, encoded(Image.fromarray(scene()), "JPEG", exif=b"Exif\0\0broken beyond repair"))
    assert rgb.shape == (48, 64, 3)
    assert note in {"", "EXIF unreadable, orientation taken as upright"}


@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_end_in_a_picture_or_in_our_error(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    content = bytearray(encoded(Image.fromarray(scene()), kind))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, min(len(content) - 1, 400)))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged"
    path.write_bytes(content)
    shape: tuple[int, ...] | str
    try:
        shape = read_picture(path).rgb.shape
    except PictureError as error:
        shape = str(error)
    assert len(shape) == 3 if isinstance(shape, tuple) else "\n" not in shape


def test_a_folder_is_listed_sorted_and_not_entered(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "notes.txt", "c.tiff"):
        (tmp_path / name).touch()
    (tmp_path / "deeper.jpg").mkdir()
    assert [path.name for path in pictures_in(tmp_path)] == ["a.jpg", "b.PNG", "c.tiff"]


def test_a_folder_without_pictures_says_so(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "a.jpg").touch()
    with pytest.raises(PictureError, match="got none: subfolders are not searched"):
        pictures_in(tmp_path)
    with pytest.raises(PictureError, match="No such file"):
        pictures_in(tmp_path / "nothing")


def test_what_we_encode_we_read(tmp_path: Path) -> None:
    content = encode_jpeg(scene(), 95)
    rgb, note = read(tmp_path, content)
    assert np.abs(rgb.astype(int) - scene()).mean() < 4
    assert note == ""
    assert len(encode_jpeg(scene(), 20)) < len(content)
    assert ".jpg" in PICTURE_SUFFIXES
