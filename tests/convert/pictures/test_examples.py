"""What a folder, a CSV and an .npz say of pictures, and one line for each way in which they can be wrong."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from convert.description import Description, Picture, Vector
from convert.errors import ConvertError
from convert.inferred import complete
from convert.pictures.examples import Example, read_examples
from edge.frame import Box
from tests.convert.colours import LABELS, picture, write
from tests.convert.tiny import classifier

PLAIN = complete(Description(labels=LABELS, input=Picture(mean=0.0, std=255.0)), classifier())


def with_numbers(*columns: str) -> Description:
    """A model with a second input of two numbers."""
    said = Description(
        labels=LABELS, input=Picture(mean=0.0, std=255.0), vectors=(Vector("numbers", columns),) if columns else ()
    )
    return complete(said, classifier(vector=2))


def read(path: Path, described: Description = PLAIN, *splits: str) -> list[Example]:
    return read_examples(path, described, splits=splits)[0]


def csv(folder: Path, text: str) -> Path:
    path = folder / "set.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_boxes_of_one_picture_come_together(tmp_path: Path) -> None:
    path = csv(
        tmp_path,
        "file,source,label,x,y,w,h,split,group\n"
        "one.png,clinic,Reddish,1,2,3,4,train,g1\n"
        "two.png,clinic,greenish,,,,,train,g2\n"
        "one.png,clinic,bluish,10,20,30.5,40,train,g1\n",
    )
    one, two = read(path)
    assert one == Example(
        "one.png",
        "reddish",
        "clinic",
        "g1",
        tmp_path / "one.png",
        boxes=(("reddish", Box(1, 2, 4, 6)), ("bluish", Box(10, 20, 40.5, 60))),
    )
    assert (two.boxes, two.label, one.stratum, two.stratum) == ((), "greenish", "bluish+reddish", "greenish")


def test_of_the_splits_the_first_that_occurs_is_taken(tmp_path: Path) -> None:
    path = csv(tmp_path, "image,label,split\n1.png,bluish,train\n2.png,bluish,val\n3.png,bluish,test\n")
    assert [each.name for each in read(path, PLAIN, "train")] == ["1.png"]
    assert [each.name for each in read(path, PLAIN, "none", "test")] == ["3.png"]
    assert len(read(path, PLAIN, "none")) == len(read(path)) == 3
    assert read_examples(path, PLAIN, splits=("val",))[1] == "val split of set.csv"


def test_pictures_stand_beside_the_csv_in_images_or_where_it_is_said(tmp_path: Path) -> None:
    beside = write(tmp_path / "set", 3)
    assert read(beside)[0].path == tmp_path / "set" / "images" / "0.png"
    (tmp_path / "set" / "images" / "0.png").rename(tmp_path / "set" / "0.png")
    assert read(beside)[0].path == tmp_path / "set" / "0.png"
    assert read_examples(beside, PLAIN, splits=(), pictures=tmp_path)[0][0].path == tmp_path / "0.png"


def test_a_picture_is_a_group_of_its_own_where_none_is_named(tmp_path: Path) -> None:
    assert {each.group for each in read(csv(tmp_path, "image\n1.png\n2.png\n"))} == {"1.png", "2.png"}


def test_columns_become_the_other_input(tmp_path: Path) -> None:
    path = csv(tmp_path, "image,label,age,is_female\n1.png,bluish,51.5,1\n")
    (one,) = read(path, with_numbers("age", "is_female"))
    assert one.arrays["numbers"].tolist() == [[51.5, 1.0]]
    assert one.arrays["numbers"].dtype == np.float32


@pytest.mark.parametrize(
    ("text", "described", "complaint"),
    [
        ("name,label\na.png,bluish\n", PLAIN, "expected a column file or image"),
        ("image,label\n", PLAIN, "got none"),
        ("image,label\na.png\n", PLAIN, "line 2"),
        ("image,label\na.png,bluish,3\n", PLAIN, "line 2"),
        ("image,label\n,bluish\n", PLAIN, "file name"),
        ("image,label\na.png,bluish\na.png,reddish\n", PLAIN, "one label for a.png .*got bluish, reddish"),
        ("image,label,x,y,w,h\na.png,bluish,1,2,three,4\n", PLAIN, "line 2, got: could not convert.*'three'"),
        ("image,label,x,y,w,h\na.png,bluish,1,2,0,4\n", PLAIN, "width and height over 0"),
        ("image,label,x,y,w,h\na.png,bluish,1,nan,3,4\n", PLAIN, "finite numbers"),
        ("image,age\na.png,1\n", with_numbers("age", "is_female"), "'numbers': is_female"),
        ("image,age\na.png,1\n", with_numbers(), r"named by `columns` under \[\[vectors\]\]"),
    ],
)
def test_a_csv_that_is_wrong(tmp_path: Path, text: str, described: Description, complaint: str) -> None:
    with pytest.raises(ConvertError, match=complaint):
        read(csv(tmp_path, text), described)


def test_bytes_that_are_no_csv(tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_bytes(b"image,label\n\xff\xfe,\n")
    with pytest.raises(ConvertError, match="UTF-8"):
        read(tmp_path / "set.csv")
    with pytest.raises(ConvertError, match="No such file"):
        read(tmp_path / "other.csv")
    with pytest.raises(ConvertError, match="nothing is there"):
        read(tmp_path / "gone")
    (tmp_path / "set.txt").write_text("image\n")
    with pytest.raises(ConvertError, match="another kind of file"):
        read(tmp_path / "set.txt")


def test_a_folder_of_pictures_or_of_a_folder_a_label(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("a.png", "Reddish/b.png", "bluish/c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), picture(0, rng))
    (tmp_path / "notes.txt").write_text("no picture")
    assert [(each.name, each.label) for each in read(tmp_path)] == [
        ("a.png", ""),
        ("Reddish/b.png", "reddish"),
        ("bluish/c.jpg", "bluish"),
    ]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConvertError, match="got none"):
        read(tmp_path / "empty")
    with pytest.raises(ConvertError, match="values for input numbers"):
        read(tmp_path, with_numbers())


def test_arrays_of_an_npz(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = np.stack([picture(label, rng) for label in range(3)])
    path = tmp_path / "set.npz"
    np.savez(path, images=pictures, numbers=[[1, 2], [3, 4], [5, 6]], labels=[2, 0, 1], groups=["a", "a", "b"])
    found = read(path, with_numbers())
    assert [each.label for each in found] == ["bluish", "reddish", "greenish"]
    assert [each.group for each in found] == ["a", "a", "b"]
    assert found[1].arrays["numbers"].tolist() == [[3.0, 4.0]]
    assert np.array_equal(found[2].rgb(), pictures[2])


def test_arrays_that_are_preprocessed_already(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    np.savez(path, image=np.full((4, 16, 16, 3), 0.25), labels=["bluish", "Reddish", "bluish", "reddish"])
    found = read(path)
    assert [each.has_picture for each in found] == [False] * 4
    assert found[0].arrays["image"].shape == (1, 16, 16, 3)
    assert found[1].label == "reddish"


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"pictures": np.zeros((2, 40, 40, 3), np.uint8)}, "array image or image or images"),
        ({"images": np.zeros((2, 40, 40, 3), np.float32)}, r"shape \(n, 16, 16, 3\)"),
        ({"images": np.zeros((2, 40, 40, 3), np.uint8), "labels": [0]}, "2 labels"),
        ({"images": np.zeros((2, 40, 40, 3), np.uint8), "labels": [0, 3]}, "from 0 to 2"),
        ({"image": np.full((2, 16, 16, 3), np.nan)}, "NaN or infinity"),
        ({"image": np.array(["a", "b"])}, "expected numbers"),
    ],
)
def test_an_npz_that_is_wrong(tmp_path: Path, arrays: dict[str, np.ndarray], complaint: str) -> None:
    np.savez(tmp_path / "set.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(ConvertError, match=complaint):
        read(tmp_path / "set.npz")


def test_an_npz_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    np.savez(path, images=np.zeros((2, 40, 40, 3), np.uint8))
    whole = path.read_bytes()
    for content in (b"", b"PK\x03\x04", whole[: len(whole) // 2], b"\x93NUMPY"):
        path.write_bytes(content)
        with pytest.raises(ConvertError, match=r"expected a whole .npz"):
            read(path)
    np.savez(path, images=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ConvertError, match="pickle"):
        read(path)
