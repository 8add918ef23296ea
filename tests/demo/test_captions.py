"""Captions: about what is visible, never a list of labels, and hard in the ways real captions are."""

import numpy as np

from simzss.concepts.bank import ConceptBank
from simzss.concepts.extractor import ConceptExtractor
from simzss.concepts.routes.pipelines import load_pipeline
from simzss.demo.captions import Seen, describe, write_caption, write_captions
from simzss.demo.scenes import CLASS_NAMES, Picture, Scene, draw_scene, paint
from simzss.demo.vocabulary import SYNONYMS, VERBAL


def pictures(count: int) -> list[tuple[Scene, Picture]]:
    scenes = [draw_scene(np.random.default_rng(seed)) for seed in range(count)]
    return [(scene, paint(scene)) for scene in scenes]


def test_captions_depend_on_the_generator_alone() -> None:
    scene, picture = pictures(1)[0]
    written = [write_captions(scene, picture, np.random.default_rng(5), 4) for _ in range(2)]
    assert written[0] == written[1]
    assert len(set(written[0])) > 1


def test_hidden_things_are_not_described() -> None:
    for scene, picture in pictures(40):
        things, grounds = describe(scene, picture)
        visible = {CLASS_NAMES[scene.parts[part]] for part in np.unique(picture.part)}
        assert {thing.name for thing in things} | set(grounds) <= visible


def test_what_the_gazetteer_finds_is_mostly_there_and_far_from_all() -> None:
    extractor = ConceptExtractor(ConceptBank.from_names(CLASS_NAMES), load_pipeline("gazetteer"))
    found = right = shown = 0
    for number, (scene, picture) in enumerate(pictures(150)):
        present = {CLASS_NAMES[part] for part in np.array(scene.parts)[np.unique(picture.part)]}
        captions = write_captions(scene, picture, np.random.default_rng(number), 2)
        for caption in extractor.pipe(captions):
            names = [mention.name for mention in caption.mentions]
            found, right, shown = found + len(names), right + sum(n in present for n in names), shown + len(present)
    assert 0.9 < right / found < 0.995  # verbs and things that are not there fool it
    assert 0.2 < right / shown < 0.7  # and much is left unsaid


def test_synonyms_are_outside_the_bank() -> None:
    bank = ConceptBank.from_names(CLASS_NAMES)
    assert [word for words in SYNONYMS.values() for word in words if bank.lookup(word) is not None] == []
    assert set(SYNONYMS) <= set(CLASS_NAMES)


def test_class_names_occur_as_another_part_of_speech() -> None:
    words = {word.rstrip("s") for remark in VERBAL for word in remark.split()}
    assert {"water", "sand", "snow", "fish", "clock", "dog"} <= words


def test_plurals_and_numbers() -> None:
    sheep, person = Seen("sheep", 2, "white"), Seen("person", 3, None)
    written = {
        write_caption([thing], [], np.random.default_rng(seed)) for thing in (sheep, person) for seed in range(80)
    }
    text = " ".join(written)
    assert "sheeps" not in text
    assert "persons" not in text
    assert "people" in text
    assert "two " in text
    assert "three " in text
