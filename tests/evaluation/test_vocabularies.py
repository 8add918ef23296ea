"""Word lists: each class has its words, none has another's, and files are refused that do not fit."""

from dataclasses import replace
from pathlib import Path

import pytest

from simzss.benchmarks import EIGHT
from simzss.errors import UserError
from simzss.evaluation.spec import Benchmark, load_benchmark
from simzss.evaluation.vocabularies import MADE, check_vocabulary, known_vocabularies, wordnet, words_of

VOC = load_benchmark("voc21")


@pytest.mark.parametrize("vocabulary", [*MADE, "standard", "clip_dinoiser", "proxyclip"])
@pytest.mark.parametrize("key", EIGHT)
def test_every_class_of_the_eight_has_words_of_its_own(key: str, vocabulary: str) -> None:
    benchmark = load_benchmark(key)
    words = words_of(benchmark, vocabulary)
    assert len(words.classes) == len(benchmark.names)
    assert all(words.classes)
    every = [word for each in words.classes for word in each]
    if vocabulary in MADE:
        assert len(set(every)) == len(every) or vocabulary == "plural"
        assert not set(words.distractors) & set(every)


def test_lists_from_wordnet_mean_what_the_benchmarks_mean() -> None:
    classes = dict(zip(VOC.names, words_of(VOC, "synonyms").classes, strict=True))
    assert classes["aeroplane"] == ("aeroplane", "airplane", "plane")
    assert classes["sofa"] == ("sofa", "couch", "lounge")
    assert dict(zip(VOC.names, words_of(VOC, "hypernyms").classes, strict=True))["dog"][1:] == (
        "canine",
        "domestic animal",
    )
    assert dict(zip(VOC.names, words_of(VOC, "plural").classes, strict=True))["person"] == ("people",)
    assert wordnet()["synonyms"]["mouse"] == ["computer mouse"]  # not the animal


def test_a_word_that_two_classes_could_claim_belongs_to_neither() -> None:
    ade = load_benchmark("ade20k")
    classes = dict(zip(ade.names, words_of(ade, "hypernyms").classes, strict=True))
    assert "furniture" in wordnet()["hypernyms"]["cabinet"] + wordnet()["hypernyms"]["bookcase"]
    assert classes["cabinet"] == ("cabinet",)
    assert "building" not in classes["skyscraper"]  # which is a class itself


def test_distractors_are_twenty_and_nonsense_keeps_the_background() -> None:
    assert len(words_of(VOC, "distractors").distractors) == 20
    nonsense = words_of(VOC, "nonsense").classes
    assert nonsense[0] == ("background",)
    assert not {word for words in nonsense[1:] for word in words} & set(VOC.names)


def words_file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "words.yaml"
    path.write_text(text)
    return str(path)


TWO = Benchmark("two", "Two", "x", "i/{stem}.png", "m/{stem}.png", VOC.labels, False, ("cat", "dog"), None)


def test_a_file_gives_every_class_its_words(tmp_path: Path) -> None:
    words = words_of(TWO, words_file(tmp_path, "dog: [puppy]\ncat: [cat, kitten]\n"))
    assert words.classes == (("cat", "kitten"), ("puppy",))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("cat: [cat]\n", "class 'dog' of two is missing"),
        ("cat: [cat]\ndog: [dog]\ncat: [kitten]\n", "line 3: key 'cat' stands there twice; write it once"),
        ("cat: [cat]\ndog: [dog]\ncow: [cow]\n", "'cow' is no class of two"),
        ("cat: [pet]\ndog: [dog, pet]\n", "'pet' is listed twice"),
        ("cat: cat\ndog: [dog]\n", "'cat' needs a list of words"),
        ("cat: []\ndog: [dog]\n", "'cat' needs a list of words"),
        ("[cat, dog]\n", "expected keys and values, got list"),
        ("cat: [", "not a YAML file"),
    ],
)
def test_a_file_that_does_not_fit_gets_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as raised:
        words_of(TWO, words_file(tmp_path, text))
    assert "\n" not in str(raised.value)


def test_unknown_vocabularies_are_refused_but_one_of_another_benchmark_is_not() -> None:
    check_vocabulary([TWO], "proxyclip")  # renames nothing there
    with pytest.raises(UserError, match=r"two has no class names 'clip_dinosaur'; choose among .*synonyms"):
        check_vocabulary([TWO], "clip_dinosaur")
    with pytest.raises(UserError, match=r"nowhere\.yaml: cannot be read"):
        check_vocabulary([TWO], "nowhere.yaml")
    assert {"standard", "plural", "clip_dinoiser"} <= known_vocabularies([TWO])


def test_of_two_own_benchmarks_the_one_without_a_vocabulary_is_named() -> None:
    renamed = replace(TWO, key="renamed", variants={"pets": {"cat": ("kitty",)}})
    assert words_of(renamed, "pets").classes == (("kitty",), ("dog",))
    with pytest.raises(UserError, match=r"^two has no class names 'pets'; choose among"):
        check_vocabulary([renamed, TWO], "pets")
