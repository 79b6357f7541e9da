"""Training samples from pictures: windows, shrink-and-paste, skin tones, light, and a letterbox as on the device.

A sample is RGB uint8 [320, 320, 3] with boxes [n, 4] in input pixels and classes [n]; it depends on (seed, index) only.
What carries dermoscopy to a handheld is shrink-and-paste: the ratio lesion / surrounding skin, made small, multiplies
other skin (healthy crops, cheeks, drawn skin of six tones), so texture and light are the new skin's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.architecture import INPUT_PX, PAD_VALUE
from models.data import Picture
from models.negatives import Image, Rng

MIN_VISIBLE_FRACTION = 0.6
MIN_SIDE_PX = 3.0
RATIO_PX = 288
VISIBLE_RATIO = 0.85
"""A pasted lesion's mean ratio in its darkest channel is at most this: fainter ones vanish when made small."""
MARGIN = 1.2
"""Side of a dermoscopy box over the side of the lesion's outline."""
TIGHT_DEPTH_FRACTION, TIGHT_SIDE_FRACTION = 0.33, 0.5
DARK_SPOT = 38
CANVASES = ((320, 320), (180, 320), (240, 320), (320, 240), (320, 180))
CANVAS_CHANCES = (0.55, 0.2, 0.13, 0.06, 0.06)
Boxes = NDArray[np.float32]


@dataclass
class Sample:
    """A picture [h, w, 3] float32 0..255 with its boxes (own pixels) and classes."""

    image: Image
    boxes: Boxes
    classes: NDArray[np.int64]


def empty() -> tuple[Boxes, NDArray[np.int64]]:
    """No box, no class."""
    return np.zeros((0, 4), np.float32), np.zeros(0, np.int64)


def window(rgb: NDArray[np.uint8], picture: Picture, area: tuple[float, float, float, float], size: tuple[int, int]
           ) -> Sample | None:  # fmt: skip
    """Cut area (x0, y0, x1, y1, source px) and resize to size (h, w); None if a box is cut badly."""
    x0, y0, x1, y1 = (round(v) for v in area)
    height, width = size
    cut = rgb[y0:y1, x0:x1]
    shrink = cut.shape[0] > height
    image = cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)
    scale = np.array([width / (x1 - x0), height / (y1 - y0)] * 2, np.float32)
    boxes = (picture.boxes_px - np.array([x0, y0, x0, y0], np.float32)) * scale
    clipped = boxes.clip(0, [width, height, width, height]).astype(np.float32)
    visible = area_px(clipped) / area_px(boxes).clip(1e-6)
    keep = visible >= MIN_VISIBLE_FRACTION
    if picture.source == "trc_dermoscopy" and bool(((visible > 0.02) & ~keep).any()):
        return None
    keep &= (clipped[:, 2:] - clipped[:, :2]).min(1, initial=1e9) >= MIN_SIDE_PX
    return Sample(image.astype(np.float32), clipped[keep], picture.classes[keep])


def area_px(boxes: Boxes) -> NDArray[np.float32]:
    """Areas of boxes [n, 4] -> [n]."""
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).clip(0).prod(1), np.float32)


def random_window(rng: Rng, rgb: NDArray[np.uint8], picture: Picture, size: tuple[int, int], low: float, high: float,
                  around: bool = False) -> Sample:  # fmt: skip
    """A window of low..high of the largest of that shape; around: with a box inside. Else the whole picture."""
    rows, cols = rgb.shape[:2]
    aspect = size[1] / size[0]
    biggest = min(rows, cols / aspect)
    for _ in range(8):
        height = biggest * rng.uniform(low, high)
        width = height * aspect
        x0, y0 = rng.uniform(0, max(cols - width, 0)), rng.uniform(0, max(rows - height, 0))
        if around and len(picture.boxes_px):
            box = picture.boxes_px[rng.integers(len(picture.boxes_px))]
            x0 = float(np.clip((box[0] + box[2]) / 2 - rng.uniform(0.2, 0.8) * width, 0, max(cols - width, 0)))
            y0 = float(np.clip((box[1] + box[3]) / 2 - rng.uniform(0.2, 0.8) * height, 0, max(rows - height, 0)))
        sample = window(rgb, picture, (x0, y0, min(x0 + width, cols), min(y0 + height, rows)), size)
        if sample is not None:
            return sample
    whole = window(rgb, picture, (0, 0, cols, rows), (INPUT_PX, INPUT_PX))
    assert whole is not None
    return whole


def clear_window(rng: Rng, rgb: NDArray[np.uint8], picture: Picture, size: tuple[int, int]) -> Sample | None:
    """A window that touches no box, or None."""
    rows, cols = rgb.shape[:2]
    aspect = size[1] / size[0]
    for _ in range(12):
        height = min(rows, cols / aspect) * rng.uniform(0.15, 0.5)
        width = height * aspect
        x0, y0 = rng.uniform(0, cols - width), rng.uniform(0, rows - height)
        boxes = picture.boxes_px
        touch = (boxes[:, 0] < x0 + width) & (boxes[:, 2] > x0) & (boxes[:, 1] < y0 + height) & (boxes[:, 3] > y0)
        if not touch.any():
            return window(rgb, picture, (x0, y0, x0 + width, y0 + height), size)
    return None


def skin_colour(rgb: NDArray[np.uint8], picture: Picture) -> NDArray[np.float32]:
    """Median colour outside the boxes (grown by 5 %), dark corners left out: RGB [3]."""
    small = cv2.resize(rgb, (64, 64), interpolation=cv2.INTER_AREA)
    mask = small.max(2) > 50
    for x0, y0, x1, y1 in picture.boxes_px * np.array([64 / rgb.shape[1], 64 / rgb.shape[0]] * 2, np.float32):
        mask[max(int(y0) - 2, 0) : int(y1) + 3, max(int(x0) - 2, 0) : int(x1) + 3] = False
    pixels = small[mask]
    if len(pixels) < 40:
        pixels = small.reshape(-1, 3)
    return np.asarray(np.median(pixels, 0), np.float32).clip(30, 255)


def lesion_ratio(rng: Rng, rgb: NDArray[np.uint8], picture: Picture) -> tuple[Image, Boxes] | None:
    """The lesion over its own skin: ratio [h, w, 3] faded to 1 at the rim, and the box inside it [4]."""
    if not len(picture.boxes_px):
        return None
    box = picture.boxes_px[rng.integers(len(picture.boxes_px))]
    rows, cols = rgb.shape[:2]
    margin = 0.12 * (box[2:] - box[:2])
    x0, y0 = np.floor((box[:2] - margin).clip(0)).astype(int)
    x1, y1 = np.ceil(np.minimum(box[2:] + margin, [cols, rows])).astype(int)
    others = [o for o in picture.boxes_px if o is not box and o[0] < x1 and o[2] > x0 and o[1] < y1 and o[3] > y0]
    if len(others) > 1 or x1 - x0 < 40 or y1 - y0 < 40:
        return None
    box = box - [x0, y0, x0, y0]
    shrink = min(1.0, RATIO_PX / max(x1 - x0, y1 - y0))
    cut = cv2.resize(rgb[y0:y1, x0:x1], None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA).astype(np.float32)
    box = (box * shrink).clip(0, [cut.shape[1], cut.shape[0]] * 2).astype(np.float32)
    border = np.concatenate([cut[:6].reshape(-1, 3), cut[-6:].reshape(-1, 3), cut[:, :6].reshape(-1, 3),
                             cut[:, -6:].reshape(-1, 3)])  # fmt: skip
    bright = border[border.max(1) > 70]
    if len(bright) < len(border) // 2:
        return None
    ratio = cut / np.median(bright, 0).clip(30)
    height, width = ratio.shape[:2]
    y = np.minimum(np.arange(height) + 1, height - np.arange(height)) / (0.16 * height)
    x = np.minimum(np.arange(width) + 1, width - np.arange(width)) / (0.16 * width)
    fade = np.minimum(y[:, None].clip(0, 1), x[None].clip(0, 1)).astype(np.float32)[..., None]
    ratio = (1 + (ratio.clip(0.03, 1.6) - 1) * fade).astype(np.float32)
    bx0, by0, bx1, by1 = (int(v) for v in box)
    middle = float(ratio[by0:by1, bx0:bx1].mean((0, 1)).min())
    if middle > 0.97:
        return None
    if middle > VISIBLE_RATIO:
        ratio **= np.float32(np.log(VISIBLE_RATIO) / np.log(middle))
    return ratio, box


def tight_box(ratio: Image, box: Boxes) -> Boxes:
    """The visible lesion inside box [4] of a ratio picture: what is at least a third as deep as its darkest part.

    The given boxes carry a margin of about a fifth, which a person who outlines a lesion on a phone picture does not
    leave. Where the outline is unclear the box is only shrunk by that fifth.
    """
    x0, y0, x1, y1 = (int(v) for v in box)
    depth = np.ascontiguousarray((1 - ratio[y0:y1, x0:x1]).clip(0).max(2))
    depth = cv2.GaussianBlur(depth, (0, 0), max(1.0, 0.02 * max(depth.shape)))
    mask = (depth > TIGHT_DEPTH_FRACTION * np.percentile(depth, 95)).astype(np.uint8)
    _, _, stats, centroids = cv2.connectedComponentsWithStats(mask)
    sides = np.array([x1 - x0, y1 - y0], np.float32)
    if len(stats) > 1:
        best = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
        left, top, width, height = (float(v) for v in stats[best, :4])
        central = bool((np.abs(centroids[best] / sides - 0.5) < 0.25).all())
        if central and bool((np.array([width, height]) / sides > TIGHT_SIDE_FRACTION).all()):
            return np.array([x0 + left, y0 + top, x0 + left + width, y0 + top + height], np.float32)
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 / MARGIN
    return np.concatenate([middle - half, middle + half]).astype(np.float32)


def paste(rng: Rng, base: Sample, ratio: Image, box: Boxes) -> bool:
    """Multiply a lesion, resized to 0.08..0.75 of the short side, into base; False if there is no free place."""
    height, width = base.image.shape[:2]
    side = min(height, width) * float(np.exp(rng.uniform(np.log(0.08), np.log(0.75))))
    scale = side / max(box[2] - box[0], box[3] - box[1])
    cols, rows = max(8, round(ratio.shape[1] * scale)), max(8, round(ratio.shape[0] * scale))
    if cols >= width or rows >= height:
        return False
    small = cv2.resize(ratio, (cols, rows), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    turns = int(rng.integers(4))
    placed_box = box * np.array([cols / ratio.shape[1], rows / ratio.shape[0]] * 2, np.float32)
    small, placed_box = rotate(small, placed_box[None], turns)
    rows, cols = small.shape[:2]
    if cols >= width or rows >= height:
        return False
    small = np.exp(np.log(small) * rng.uniform(0.8, 1.6)).astype(np.float32)
    for _ in range(6):
        x0, y0 = int(rng.integers(0, width - cols)), int(rng.integers(0, height - rows))
        spot = placed_box + np.array([x0, y0, x0, y0], np.float32)
        low = np.maximum(spot[:, :2], base.boxes[:, :2])
        high = np.minimum(spot[:, 2:], base.boxes[:, 2:])
        free = not len(base.boxes) or not bool(((high - low).min(1) > 0).any())
        place = base.image[y0 : y0 + rows, x0 : x0 + cols]
        if free and np.percentile(place[::4, ::4].max(2), 20) > DARK_SPOT:
            place *= small
            base.boxes = np.concatenate([base.boxes, spot]).astype(np.float32)
            base.classes = np.concatenate([base.classes, np.zeros(1, np.int64)])
            return True
    return False


def rotate(image: NDArray[Any], boxes: Boxes, turns: int) -> tuple[NDArray[Any], Boxes]:
    """Quarter turns counter-clockwise."""
    for _ in range(turns % 4):
        width = image.shape[1]
        image = np.ascontiguousarray(np.rot90(image))
        boxes = np.stack([boxes[:, 1], width - boxes[:, 2], boxes[:, 3], width - boxes[:, 0]], 1)
    return image, boxes


def retint(sample: Sample, colour: NDArray[np.float32], wanted: NDArray[np.float32]) -> None:
    """Move skin of one colour to another tone, channel by channel; lesions keep their ratio to it."""
    sample.image *= (wanted / colour).astype(np.float32)


def light(rng: Rng, image: Image) -> NDArray[np.uint8]:
    """Exposure, white balance, gamma, contrast, saturation, blur, noise and JPEG of a handheld camera."""
    out = image.clip(0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        grey = cv2.cvtColor(out, cv2.COLOR_RGB2GRAY)[..., None].repeat(3, 2)
        weight = float(rng.uniform(0.5, 1.5))
        out = cv2.addWeighted(out, weight, grey, 1 - weight, 0).astype(np.uint8, copy=False)
    gain = rng.uniform(0.75, 1.25) * rng.normal(1, 0.06, 3)
    level = np.arange(256, dtype=np.float32)[:, None] / 255
    curve = 255 * level ** np.exp(rng.uniform(-0.4, 0.4)) * gain
    mean = np.interp(out.mean(), np.arange(256), curve.mean(1))
    curve = mean + (curve - mean) * rng.uniform(0.75, 1.25)
    out = cv2.LUT(out, curve.clip(0, 255).astype(np.uint8)[None]).astype(np.uint8, copy=False)
    kind = rng.random()
    if kind < 0.25:
        out = cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.4, 2.2))).astype(np.uint8, copy=False)
    elif kind < 0.35:
        length = int(rng.integers(3, 10))
        kernel = np.zeros((length, length), np.float32)
        angle = rng.uniform(0, np.pi)
        half = np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2
        middle = (length - 1) / 2
        ends = [tuple(round(float(v)) for v in middle + s * half) for s in (-1, 1)]
        cv2.line(kernel, ends[0], ends[1], 1.0)
        out = cv2.filter2D(out, -1, kernel / kernel.sum()).astype(np.uint8, copy=False)
    if rng.random() < 0.4:
        grain = rng.standard_normal(out.shape, dtype=np.float32) * np.float32(rng.uniform(1, 9))
        out = (out + grain).clip(0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        coded = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 95))])[1]
        out = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return out


def letterbox(image: NDArray[np.uint8], boxes: Boxes) -> tuple[NDArray[np.uint8], Boxes]:
    """Centre on a 320 x 320 canvas of value 114, as the runtime does."""
    height, width = image.shape[:2]
    if (height, width) == (INPUT_PX, INPUT_PX):
        return image, boxes
    x, y = (INPUT_PX - width) // 2, (INPUT_PX - height) // 2
    canvas = np.full((INPUT_PX, INPUT_PX, 3), PAD_VALUE, np.uint8)
    canvas[y : y + height, x : x + width] = image
    return canvas, boxes + np.array([x, y, x, y], np.float32)
