"""What a phone makes of a scene: light, lens, sensor, processing, file. Not the augmentation of training.

The order is that of a camera (as in Brooks et al. 2019, "Unprocessing images for learned raw denoising"): linear light,
illumination and vignetting, blur, shot and read noise, white balance, tone curve, noise reduction, sharpening, JPEG.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Jpeg:
    """A file as the phone would store it."""

    data: bytes

    def rgb(self) -> NDArray[np.uint8]:
        """Decoded: RGB uint8 [height, width, 3]."""
        bgr = cv2.imdecode(np.frombuffer(self.data, np.uint8), cv2.IMREAD_COLOR)
        assert bgr is not None  # made by us a moment ago
        return np.ascontiguousarray(bgr[:, :, ::-1]).astype(np.uint8, copy=False)


def to_linear(srgb: Floats) -> Floats:
    """From sRGB 0..1 to linear light 0..1."""
    return np.asarray(np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4), np.float32)


def to_srgb(linear: Floats) -> Floats:
    """From linear light 0..1 to sRGB 0..1."""
    low = linear.clip(0, 1)
    return np.asarray(np.where(low <= 0.0031308, 12.92 * low, 1.055 * low ** (1 / 2.4) - 0.055), np.float32)


def illumination(rng: Rng, height: int, width: int) -> Floats:
    """Room light from one side, a phone's shade or its flash, and the lens's falling corners: [height, width, 1]."""
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    turn, slope = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.35)
    field = 1 + slope * (float(np.cos(turn)) * x + float(np.sin(turn)) * y)
    kind = rng.random()
    cx, cy = rng.uniform(-0.6, 0.6, 2)
    distance = (x - float(cx)) ** 2 + (y - float(cy)) ** 2
    if kind < 0.3:
        field = field * (0.65 + rng.uniform(0.2, 0.7) * np.exp(-distance / rng.uniform(0.4, 1.2)))  # flash
    elif kind < 0.55:
        field = field * (1 - rng.uniform(0.2, 0.5) / (1 + np.exp((distance - rng.uniform(0.3, 1.2)) * 6)))  # the shade
    corner = (x * x + y * y) / 2
    return np.asarray((field * (1 - rng.uniform(0, 0.35) * corner**2))[..., None], np.float32)


def lens(rng: Rng, linear: Floats) -> Floats:
    """In focus, out of it (a disc), or moved (a curved path)."""
    kind, short = rng.random(), min(linear.shape[:2])
    if kind < 0.45:
        return cv2.GaussianBlur(linear, (0, 0), float(rng.uniform(0.5, 1.6))).astype(np.float32, copy=False)
    if kind < 0.8:
        radius = max(1, round(short * float(rng.uniform(0.002, 0.014))))
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)).astype(np.float32)
    else:
        length = max(3, round(short * float(rng.uniform(0.005, 0.035))))
        steps = np.linspace(-0.5, 0.5, 33)
        turn, bow = rng.uniform(0, np.pi), rng.uniform(-0.3, 0.3)
        path = np.stack((steps, bow * (steps**2 - 0.08)), 1) @ np.array(
            [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
        )
        kernel = np.zeros((length + 2, length + 2), np.float32)
        for px, py in np.round(path * length + (length + 1) / 2).astype(int):
            kernel[py, px] += 1
    return cv2.filter2D(linear, -1, kernel / kernel.sum()).astype(np.float32, copy=False)


def sensor(rng: Rng, linear: Floats, gains: NDArray[np.float64]) -> Floats:
    """Shot and read noise before the white balance's gains, at one of a hand's light levels."""
    shot = float(np.exp(rng.uniform(np.log(1e-4), np.log(2.5e-3))))
    read = shot * rng.uniform(0.02, 0.2)
    raw = linear / gains.astype(np.float32)
    noise = rng.standard_normal(raw.shape, dtype=np.float32) * np.sqrt(shot * raw.clip(0) + np.float32(read * shot))
    return np.asarray((raw + noise) * gains.astype(np.float32), np.float32)


def expose(rng: Rng, srgb: Floats) -> Jpeg:
    """A scene [height, width, 3] in sRGB 0..1 as a phone's JPEG."""
    height, width = srgb.shape[:2]
    linear = lens(rng, to_linear(srgb.clip(0, 1)) * illumination(rng, height, width))
    linear = sensor(rng, linear, np.array([rng.uniform(1.6, 2.4), 1.0, rng.uniform(1.4, 2.2)]))
    warmth, tint = rng.normal(0, 0.09), rng.normal(0, 0.035)
    balance = np.exp(np.array([warmth, -tint, -warmth])).astype(np.float32)
    level = 0.5 / max(float(np.percentile(linear @ np.array([0.3, 0.6, 0.1], np.float32), 90)), 0.05)
    gain = level ** rng.uniform(0.15, 0.6) * 2 ** rng.uniform(-0.35, 0.3)  # the meter goes part of the way
    out = to_srgb(linear * balance * np.float32(gain))
    contrast = rng.uniform(0, 0.7)
    out = out + np.float32(contrast) * (out * out * (3 - 2 * out) - out)  # S-shaped tone curve
    luma, red, blue = cv2.split(cv2.cvtColor(out.clip(0, 1), cv2.COLOR_RGB2YCrCb))
    chroma = float(rng.uniform(0.5, 3))
    red, blue = (cv2.GaussianBlur(each, (0, 0), chroma) for each in (red, blue))  # colour noise is smoothed
    luma = cv2.bilateralFilter(luma, 5, float(rng.uniform(0.005, 0.05)), 2)
    luma = luma + np.float32(rng.uniform(0, 1.0)) * (luma - cv2.GaussianBlur(luma, (0, 0), 1.5))  # sharpening's halo
    vivid = np.float32(rng.uniform(0.85, 1.25))
    merged = cv2.merge((luma, 0.5 + (red - 0.5) * vivid, 0.5 + (blue - 0.5) * vivid)).clip(0, 1)
    bgr = (cv2.cvtColor(merged, cv2.COLOR_YCrCb2BGR).clip(0, 1) * 255 + 0.5).astype(np.uint8)
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 95))])
    assert done  # three channels of 8 bits always are
    return Jpeg(data.tobytes())
