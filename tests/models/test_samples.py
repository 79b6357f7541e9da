"""Drawn negatives and augmentation: seeded, in range, boxes inside, and none of it from the product's phantom."""

from __future__ import annotations

import ast
from pathlib import Path

import cv2
import numpy as np
import pytest

from models import augment, negatives
from models.data import Picture
from models.options import Options
from models.samples import Samples

MODELS = Path(augment.__file__).parent


def picture(source: str = "trc_dermoscopy", box: tuple[float, ...] = (20, 30, 60, 80)) -> Picture:
    """A train picture without a file."""
    boxes = np.array([box], np.float32) if box else np.zeros((0, 4), np.float32)
    classes = np.full(len(boxes), int(source == "acne04_faces"), np.int64)
    return Picture("x.jpg", Path("x.jpg"), source, "train", "g", 120, 120, boxes, classes)


def spot(side: int = 120) -> np.ndarray:
    """Skin with a dark spot where the box is."""
    rgb = np.full((side, side, 3), (210, 160, 140), np.uint8)
    rgb[35:75, 25:55] = (90, 60, 50)
    return rgb


@pytest.mark.parametrize("size", [(320, 320), (180, 320), (320, 240)])
def test_drawn_negatives_have_the_size_and_range_asked_for(size: tuple[int, int]) -> None:
    for seed in range(25):
        drawn = negatives.drawn(np.random.default_rng(seed), *size)
        assert drawn.shape == (*size, 3)
        assert np.isfinite(drawn).all()
        assert drawn.min() >= 0
        assert drawn.max() <= 255


def test_drawn_negatives_repeat_by_seed() -> None:
    one, same, other = (negatives.drawn(np.random.default_rng(s), 180, 320) for s in (3, 3, 4))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_drawn_skin_reaches_from_the_lightest_to_the_darkest_tone() -> None:
    means = [negatives.tone(np.random.default_rng(seed)).mean() for seed in range(200)]
    assert min(means) < 70
    assert max(means) > 190


def test_this_room_does_not_know_the_phantom() -> None:
    for file in MODELS.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            assert not any("phantom" in name or name.startswith("edge.camera") for name in names), file


def test_a_quarter_turn_moves_box_and_picture_alike() -> None:
    image = spot().astype(np.float32)
    box = np.array([[25, 35, 55, 75]], np.float32)
    for turns in range(1, 5):
        turned, moved = augment.rotate(image, box, turns)
        x0, y0, x1, y1 = moved[0].astype(int)
        assert np.ptp(turned[y0:y1, x0:x1, 0]) == 0
        assert turned[y0, x0, 0] == 90


def test_the_letterbox_is_the_runtimes() -> None:
    from edge.preprocess import Preprocessor
    from models.calibration import float_input

    image = np.random.default_rng(0).integers(0, 255, (180, 320, 3)).astype(np.uint8)
    ours, boxes = augment.letterbox(image, np.array([[0, 0, 10, 10]], np.float32))
    tensor = np.empty((1, 320, 320, 3), np.float32)
    letterbox = Preprocessor(float_input()).write(image, tensor)
    assert np.array_equal(tensor[0], (ours.astype(np.float32) - 127) / 128)
    assert (letterbox.pad_x_px, letterbox.pad_y_px) == (0, 70)
    assert boxes.tolist() == [[0, 70, 10, 80]]


def test_a_pasted_lesion_darkens_the_place_of_its_box() -> None:
    rng = np.random.default_rng(5)
    lesion = augment.lesion_ratio(rng, spot(), picture())
    assert lesion is not None
    base = augment.Sample(np.full((320, 320, 3), 100, np.float32), *augment.empty())
    assert augment.paste(rng, base, *lesion)
    x0, y0, x1, y1 = base.boxes[0].astype(int)
    inside, outside = base.image[y0:y1, x0:x1].mean(), 100.0
    assert inside < 0.85 * outside
    assert (base.classes == 0).all()


@pytest.fixture(scope="module")
def mixed() -> Samples:
    """Samples of pictures that are not on disk."""
    pictures = [picture(), picture("acne04_faces"), picture("neg_healthy_crops", ())]
    pixels = spot()

    class Loaded(Picture):
        def rgb(self) -> np.ndarray:
            return pixels

    loaded = [Loaded(**{name: getattr(p, name) for name in p.__dataclass_fields__}) for p in pictures]
    return Samples(11, 1000, pictures=list(loaded))


def test_a_sample_depends_on_seed_and_index_only(mixed: Samples) -> None:
    for index in (0, 7, 31):
        (image, boxes, classes), again = mixed[index], mixed[index]
        assert np.array_equal(image, again[0])
        assert np.array_equal(boxes, again[1])
        assert np.array_equal(classes, again[2])


def test_boxes_of_samples_lie_inside_and_have_an_extent(mixed: Samples) -> None:
    seen = 0
    for index in range(150):
        image, boxes, classes = mixed[index]
        assert image.shape == (320, 320, 3)
        assert image.dtype == np.uint8
        assert len(boxes) == len(classes)
        if len(boxes):
            seen += 1
            assert boxes.min() >= -0.01
            assert boxes.max() <= 320.01
            assert ((boxes[:, 2:] - boxes[:, :2]) >= 1).all()
    assert seen > 50


def test_the_mix_adds_up(mixed: Samples) -> None:
    clean = Samples(1, 1, Options(licence="clean"), mixed.pictures)
    for number in (0, 999):
        assert sum(mixed.mix(number).values()) == pytest.approx(1)
        assert sum(clean.mix(number).values()) == pytest.approx(1)
        assert clean.mix(number)["face"] == 0
    assert (mixed.mix(0)["face"], mixed.mix(999)["face"]) == (Options().faces, Options().late_faces)


def test_clean_licences_leave_the_faces_out(mixed: Samples) -> None:
    clean = Samples(11, 100, Options(licence="clean"), mixed.pictures)
    assert {p.source for p in clean.pictures} == {"trc_dermoscopy", "neg_healthy_crops"}
    assert not any(clean[index][2].any() for index in range(40))


def test_a_tight_box_fits_what_is_seen_of_the_lesion() -> None:
    ratio = np.ones((100, 100, 3), np.float32)
    cv2.circle(ratio, (50, 50), 25, (0.4, 0.3, 0.3), -1)
    tight = augment.tight_box(ratio, np.array([15, 15, 85, 85], np.float32))
    assert np.abs(tight - [25, 25, 76, 76]).max() <= 3
    faint = augment.tight_box(np.ones((100, 100, 3), np.float32), np.array([20, 20, 80, 80], np.float32))
    assert faint == pytest.approx([25, 25, 75, 75])
    assert sum(augment.CANVAS_CHANCES) == pytest.approx(1)
