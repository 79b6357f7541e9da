"""A stand-in for close-ups by phone: lesions of `val`, cut along their edge, laid on the skin of other `val` pictures.

It is not a set of phone pictures and says so wherever it is reported. It shares no code with the augmentation of
training (models/augment.py): there the lesion's colour ratio is multiplied in behind its labelled box; here a matte
follows the lesion's own edge, colours move in CIELAB or gradients are cloned (Perez et al. 2003, "Poisson image
editing"), and a camera with light, lens, sensor and JPEG looks at the scene. Its boxes touch the visible lesion; those
of the data set are about 1.2 times as wide, which the side ratio of a detector shows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models import data, lesion_matte, phone_camera, skin_sheet
from models.lesion_matte import Cut
from models.phone_camera import Jpeg

COUNT = 200
SEED = 20261125
FRAMES = ((720, 960), (960, 720), (576, 1024))
FRAME_CHANCES = (0.5, 0.3, 0.2)
SIDES = (0.12, 0.6)
"""The lesion's longer side over the frame's shorter one, log-uniform."""
SECOND_LESION = 0.15
CACHE = Path("build") / "phone_like"
Rng = np.random.Generator


@dataclass(frozen=True)
class Shot:
    """One picture: JPEG, boxes [n, 4] in px that touch the visible lesions, skin type 0..5, group of its first lesion."""

    jpeg: Jpeg
    boxes_px: NDArray[np.float32]
    tone: int
    group: str


class Skins:
    """The skins of one split: exemplars of healthy crops and of dermoscopy, and faces for their cheeks."""

    def __init__(self, split: str) -> None:
        self.crops = _exemplars(data.load(split, "neg_healthy_crops"))
        self.dermoscopy = _exemplars(data.load(split, "trc_dermoscopy"))
        self.faces = data.load(split, "acne04_faces")

    def scene(self, rng: Rng, size: tuple[int, int], tone: int, group: str) -> NDArray[np.float32]:
        """Skin of one type in CIELAB [height, width, 3], never of the lesion's own group."""
        kind = rng.random()
        lab = None
        if kind < 0.45:
            face = self.faces[int(rng.integers(len(self.faces)))]
            lab = skin_sheet.cheek(rng, face, face.rgb(), size)
        if lab is None:
            others = [lab for g, lab in (self.crops if kind < 0.6 else self.dermoscopy) if g != group]
            lab = skin_sheet.sheet(rng, others[int(rng.integers(len(others)))], size, float(rng.uniform(1.2, 2.6)))
        return skin_sheet.retone(rng, lab, tone)


def _exemplars(pictures: Sequence[data.Picture]) -> list[tuple[str, NDArray[np.float32]]]:
    found = [(picture.group, skin_sheet.exemplar(picture)) for picture in pictures]
    return [(group, lab) for group, lab in found if lab is not None]


def place(rng: Rng, cut: Cut, size: tuple[int, int]) -> NDArray[np.float64]:
    """Turn, shear a little and scale a cut, then move it to a random place: affine [2, 3] from cut px to frame px."""
    height, width = size
    x0, y0, x1, y1 = cut.box
    side = min(size) * float(np.exp(rng.uniform(*np.log(SIDES)))) / max(x1 - x0, y1 - y0)
    turn, flip = rng.uniform(0, 2 * np.pi), 1 if rng.random() < 0.5 else -1
    cos, sin = np.cos(turn), np.sin(turn)
    lean = np.array([[1.0, rng.uniform(-0.12, 0.12)], [0.0, rng.uniform(0.85, 1.0)]])  # the phone is held at an angle
    linear = side * np.array([[cos, -sin], [sin, cos]]) @ lean @ np.diag([flip, 1.0])
    middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    reach = np.abs(linear) @ np.array([(x1 - x0) / 2, (y1 - y0) / 2])
    margin = np.minimum(reach + 2, np.array([width, height]) / 2)
    # Close-ups are aimed: most lesions lie near the middle, some anywhere.
    spread = rng.uniform(-1, 1, 2) if rng.random() < 0.5 else rng.normal(0, 0.35, 2).clip(-1, 1)
    goal = np.array([width, height]) / 2 + spread * (np.array([width, height]) / 2 - margin)
    return np.column_stack((linear, goal - linear @ middle))


def lay(rng: Rng, scene: NDArray[np.float32], cut: Cut, move: NDArray[np.float64]
        ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:  # fmt: skip
    """The scene (CIELAB) with the lesion in it, and the box of what is visible; None: it vanished in the skin."""
    height, width = scene.shape[:2]
    shrink = float(np.sqrt(abs(np.linalg.det(move[:, :2]))))
    lab, alpha = cut.lab, cut.alpha
    if shrink < 0.6:  # averaged first, so that the warp does not alias
        lab, alpha = (cv2.GaussianBlur(each, (0, 0), 0.35 / shrink) for each in (lab, alpha))
    flags = {"flags": cv2.INTER_LINEAR}
    alpha = cv2.warpAffine(alpha, move, (width, height), **flags)
    lesion = cv2.warpAffine(lab, move, (width, height), borderMode=cv2.BORDER_REPLICATE, **flags)
    inside = alpha > 0.5
    if int(inside.sum()) < 60:
        return scene, None
    ground = cv2.GaussianBlur(scene, (0, 0), 0.02 * max(size_of(inside)) + 1)
    # In CIELAB the lesion keeps its difference to the skin that it came from; on dark skin there is less room for it.
    room = (np.median(ground[..., 0][inside]) / cut.skin[0]) ** 0.8
    moved = ground + (lesion - cut.skin) * np.array([room, 0.5 + 0.5 * room, 0.5 + 0.5 * room], np.float32)
    moved[..., 0] = moved[..., 0].clip(3, 99)
    if rng.random() < 0.4:
        out = _clone(scene, np.asarray(moved, np.float32), alpha)
    else:
        fine = scene - cv2.GaussianBlur(scene, (0, 0), 1.5)
        out = scene + (moved + 0.5 * fine - scene) * alpha[..., None]
    contrast = np.abs(out[inside].mean(0) - ground[inside].mean(0))
    if float(np.linalg.norm(contrast)) < 8:
        return scene, None
    x, y, wide, high = cv2.boundingRect(inside.astype(np.uint8))
    return np.asarray(out, np.float32), np.array([x, y, x + wide, y + high], np.float32)


def size_of(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """Width and height of a mask's extent in px."""
    _, _, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return width, height


def _clone(scene: NDArray[np.float32], lesion: NDArray[np.float32], alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Poisson blending of the lesion with a rim of the skin round it."""
    mask = cv2.dilate((alpha > 0.02).astype(np.uint8), np.ones((5, 5), np.uint8))
    mask[:2], mask[-2:], mask[:, :2], mask[:, -2:] = 0, 0, 0, 0
    x, y, width, height = cv2.boundingRect(mask)
    if min(width, height) < 8:
        return scene
    source = scene + (lesion - scene) * alpha[..., None].clip(0, 1)
    rgb = [(cv2.cvtColor(each, cv2.COLOR_Lab2RGB).clip(0, 1) * 255).astype(np.uint8) for each in (source, scene)]
    done = cv2.seamlessClone(rgb[0], rgb[1], mask * 255, (x + width // 2, y + height // 2), cv2.NORMAL_CLONE)
    return lesion_matte.to_lab(done)


def shot(rng: Rng, cuts: Sequence[Cut], skins: Skins, tone: int) -> Shot:
    """One picture with one lesion, seldom two; tries again until one is visible."""
    while True:
        size = FRAMES[int(rng.choice(len(FRAMES), p=FRAME_CHANCES))]
        first = cuts[int(rng.integers(len(cuts)))]
        chosen = [first, cuts[int(rng.integers(len(cuts)))]] if rng.random() < SECOND_LESION else [first]
        scene, boxes = skins.scene(rng, size, tone, first.group), np.zeros((0, 4), np.float32)
        for cut in chosen:
            laid, box = lay(rng, scene, cut, place(rng, cut, size))
            if box is not None and not _near(box, boxes):
                scene, boxes = laid, np.concatenate([boxes, box[None]])
        if len(boxes):
            srgb = cv2.cvtColor(scene, cv2.COLOR_Lab2RGB).astype(np.float32, copy=False)
            return Shot(phone_camera.expose(rng, srgb), boxes, tone, first.group)


def _near(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> bool:
    gap = 0.1 * (box[2:] - box[:2]).max()
    low, high = box[:2] - gap, box[2:] + gap
    return bool(((boxes[:, :2] < high) & (boxes[:, 2:] > low)).all(1).any())


def make(split: str = "val", count: int = COUNT) -> Iterator[Shot]:
    """All pictures of the set, seeded; skin types take turns, lesions take turns by chance."""
    cuts = [each for each in map(lesion_matte.cut, data.load(split, "trc_dermoscopy")) if each is not None]
    skins = Skins(split)
    for index in range(count):
        yield shot(np.random.default_rng([SEED, index]), cuts, skins, index % len(skin_sheet.TONES_LAB))


def key(split: str, count: int) -> str:
    """What the set depends on: this code, its seed and the table of boxes."""
    digest = hashlib.sha256(f"{split} {count} {SEED}".encode())
    for module in (data, lesion_matte, phone_camera, skin_sheet):
        digest.update(Path(str(module.__file__)).read_bytes())
    digest.update(Path(__file__).read_bytes() + (data.data_dir() / "boxes.csv").read_bytes())
    return digest.hexdigest()[:16]


def shots(split: str = "val", count: int = COUNT) -> list[Shot]:
    """The set, from the cache under build/ where it is there already (a minute to make otherwise)."""
    folder = CACHE / f"{split}-{key(split, count)}"
    table = folder / "boxes.json"
    if not table.exists():
        folder.mkdir(parents=True, exist_ok=True)
        rows: list[dict[str, Any]] = []
        for index, each in enumerate(make(split, count)):
            (folder / f"{index:03d}.jpg").write_bytes(each.jpeg.data)
            rows.append({"boxes_px": each.boxes_px.tolist(), "tone": each.tone, "group": each.group})
        table.write_text(json.dumps(rows), encoding="utf-8")
    return [
        Shot(Jpeg((folder / f"{index:03d}.jpg").read_bytes()), np.array(row["boxes_px"], np.float32), row["tone"],
             row["group"])
        for index, row in enumerate(json.loads(table.read_text(encoding="utf-8")))
    ]  # fmt: skip


def phone_like(split: str = "val") -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """RGB uint8 [height, width, 3] and boxes [n, 4] (x0, y0, x1, y1, px) that touch the visible lesions."""
    for each in shots(split):
        yield each.jpeg.rgb(), each.boxes_px
