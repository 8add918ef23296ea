"""Flickr8k from its own list and from a folder in place."""

import json
from pathlib import Path

import pytest

from data_prep import flickr8k
from simzss.errors import UserError

LIST = "b.jpg#0\tA dog .\nb.jpg#1\tA brown dog .\na.jpg#0\tTwo cats .\nc.jpg.1#0\tno file\n"


def test_the_own_list_becomes_cocos_format() -> None:
    captions = flickr8k.read_tokens(LIST)
    names = {row["id"]: row["file_name"] for row in captions["images"]}
    found = [(names[row["image_id"]], row["caption"]) for row in captions["annotations"]]
    assert found == [("b.jpg", "A dog ."), ("b.jpg", "A brown dog ."), ("a.jpg", "Two cats .")]


def test_the_same_photographs_are_held_back_whatever_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flickr8k, "HELD_BACK", 3)
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in range(10)]
    annotations = [{"id": n, "image_id": n % 10, "caption": f"caption {n}"} for n in range(20)]
    forwards = flickr8k.split({"images": images, "annotations": annotations})
    backwards = flickr8k.split({"images": images[::-1], "annotations": annotations})
    out = {row["file_name"] for row in forwards["heldout.json"]["images"]}
    assert out == {row["file_name"] for row in backwards["heldout.json"]["images"]}
    assert len(out) == 3
    assert len(forwards["train.json"]["images"]) == 7
    assert len(forwards["train.json"]["annotations"]) == 14


def test_a_folder_in_place_is_used_and_checked(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    stored = flickr8k.read_tokens(LIST)
    (tmp_path / "captions.json").write_text(json.dumps(stored))
    (tmp_path / "images" / "a.jpg").touch()
    with pytest.raises(UserError, match=r"lacks b\.jpg"):
        flickr8k.fetch_flickr8k(tmp_path)
    (tmp_path / "images" / "b.jpg").touch()
    folder, captions = flickr8k.fetch_flickr8k(tmp_path)
    assert (folder, captions) == (tmp_path / "images", stored)


@pytest.mark.parametrize("text", ['{"images": [1]}', '{"images": []}', '{"images": [], "annotations": [{}]}', "[]"])
def test_what_is_no_file_of_captions_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "captions.json").write_text(text)
    with pytest.raises(UserError, match=r"captions\.json is no file of captions"):
        flickr8k.fetch_flickr8k(tmp_path)


def test_captions_of_images_that_are_not_listed_are_told(tmp_path: Path) -> None:
    (tmp_path / "captions.json").write_text('{"images": [], "annotations": [{"image_id": 1}]}')
    with pytest.raises(UserError, match="captions of 1 images that it does not list"):
        flickr8k.fetch_flickr8k(tmp_path)


def test_photographs_that_are_there_are_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a kill between the photographs and their captions."""
    (tmp_path / "images").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "images" / name).touch()
    fetched = []

    def unpack(archive: object, folder: Path, _: tuple[str, ...]) -> None:
        fetched.append(archive)
        (folder / flickr8k.TOKENS).parent.mkdir(parents=True, exist_ok=True)
        (folder / flickr8k.TOKENS).write_text(LIST)

    monkeypatch.setattr(flickr8k, "fetch", lambda archive, _: archive)
    monkeypatch.setattr(flickr8k, "unpack", unpack)
    assert flickr8k.fetch_flickr8k(tmp_path)[1] == flickr8k.read_tokens(LIST)
    assert fetched == [flickr8k.TEXT]
