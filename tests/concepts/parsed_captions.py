"""Captions with a dependency parse written by hand, and the mentions they hold by the rule of the paper.

A token is `text_POS_label_head`, the head counted from 0; `text=lemma_...` where the lemma is another. The labels are
those of spaCy's English pipelines. `exact` and `fallback` list what the mentions read, and their concepts where the two
differ ("skis:ski" would be the text "skis" for the concept "ski"); no `fallback` means the same as `exact`.
"""

from dataclasses import dataclass

import spacy
from spacy.tokens import Doc

ENGLISH = spacy.blank("en").vocab


BANK = (
    "apple", "baseball bat", "bench", "bus", "car", "cat", "chair", "clothes", "dog", "front", "hot dog", "man",
    "mouse", "parking meter", "pizza", "player", "room", "room table", "scissors", "shelf", "skis", "snow", "stairs",
    "stop sign", "street", "t-shirt", "table", "tennis racket", "traffic light", "train", "water", "woman",
)  # fmt: skip


@dataclass(frozen=True)
class ParsedCaption:
    """A parse and what should be found in it."""

    about: str
    tokens: str
    exact: tuple[str, ...] = ()
    fallback: tuple[str, ...] | None = None

    def doc(self) -> Doc:
        """The parse as spaCy holds it."""
        cells = [token.rsplit("_", 3) for token in self.tokens.split()]
        words = [cell[0].partition("=") for cell in cells]
        return Doc(
            ENGLISH,
            words=[word for word, _, _ in words],
            lemmas=[lemma or word for word, _, lemma in words],
            pos=[cell[1] for cell in cells],
            deps=[cell[2] for cell in cells],
            heads=[int(cell[3]) for cell in cells],
        )


CAPTIONS = [
    # one word
    ParsedCaption("a noun", "a_DET_det_1 dog_NOUN_ROOT_1", ("dog",)),
    ParsedCaption("no article", "dog_NOUN_nsubj_1 runs=run_VERB_ROOT_1", ("dog",)),
    ParsedCaption(
        "two phrases", "a_DET_det_1 dog_NOUN_ROOT_1 on_ADP_prep_1 a_DET_det_4 bench_NOUN_pobj_2", ("dog", "bench")
    ),
    ParsedCaption("adjectives are left out", "a_DET_det_3 big_ADJ_amod_3 red_ADJ_amod_3 car_NOUN_ROOT_3", ("car",)),
    ParsedCaption(
        "the same concept twice",
        "a_DET_det_1 dog_NOUN_ROOT_1 behind_ADP_prep_1 a_DET_det_4 dog_NOUN_pobj_2",
        ("dog", "dog"),
    ),
    ParsedCaption("object of a verb", "man_NOUN_nsubj_1 eats=eat_VERB_ROOT_1 pizza_NOUN_dobj_1", ("man", "pizza")),
    ParsedCaption(
        "passive subject", "cars=car_NOUN_nsubjpass_2 are=be_AUX_auxpass_2 parked=park_VERB_ROOT_2", ("cars:car",)
    ),
    ParsedCaption("attribute", "it_PRON_nsubj_1 is=be_AUX_ROOT_1 a_DET_det_3 train_NOUN_attr_1", ("train",)),
    ParsedCaption("apposition", "rex_PROPN_ROOT_0 ,_PUNCT_punct_0 a_DET_det_3 dog_NOUN_appos_0", ("dog",)),
    ParsedCaption("a proper noun as root", "bus_PROPN_ROOT_0", ("bus",)),
    # plural
    ParsedCaption("plural", "two_NUM_nummod_1 dogs=dog_NOUN_ROOT_1", ("dogs:dog",)),
    ParsedCaption("irregular plural", "three_NUM_nummod_1 women=woman_NOUN_ROOT_1", ("women:woman",)),
    ParsedCaption("irregular plural that the pipeline leaves", "two_NUM_nummod_1 mice_NOUN_ROOT_1", ("mice:mouse",)),
    ParsedCaption("plural in the bank", "a_DET_det_1 pair_NOUN_ROOT_1 of_ADP_prep_1 skis=ski_NOUN_pobj_2", ("skis",)),
    ParsedCaption("plural in the bank, singular here", "one_NUM_nummod_1 ski_NOUN_ROOT_1", ("ski:skis",)),
    ParsedCaption("lemma is no word", "clothes=clothe_NOUN_ROOT_0", ("clothes",)),
    ParsedCaption("never singular", "the_DET_det_1 scissors=scissor_NOUN_ROOT_1", ("scissors",)),
    ParsedCaption("the pipeline's lemma where ours fails", "shelvez=shelf_NOUN_ROOT_0", ("shelvez:shelf",)),
    ParsedCaption(
        "only the root is lemmatised",
        "traffic_NOUN_compound_1 lights=light_NOUN_ROOT_1",
        ("traffic lights:traffic light",),
    ),
    # compounds
    ParsedCaption("compound", "a_DET_det_2 tennis_NOUN_compound_2 racket_NOUN_ROOT_2", ("tennis racket",)),
    ParsedCaption(
        "adjective before a compound",
        "a_DET_det_3 red_ADJ_amod_3 stop_NOUN_compound_3 sign_NOUN_ROOT_3",
        ("stop sign",),
    ),
    ParsedCaption(
        "the last of two compounds",
        "the_DET_det_3 dining_NOUN_compound_2 room_NOUN_compound_3 table_NOUN_ROOT_3",
        ("room table",),
    ),
    ParsedCaption(
        "a word between compound and root",
        "a_DET_det_3 parking_NOUN_compound_3 old_ADJ_amod_3 meter_NOUN_ROOT_3",
        ("parking old meter:parking meter",),
    ),
    ParsedCaption("unknown compound", "a_DET_det_2 kitchen_NOUN_compound_2 table_NOUN_ROOT_2", (), ("table",)),
    ParsedCaption("a brand before the noun", "a_DET_det_2 honda_PROPN_compound_2 car_NOUN_ROOT_2", (), ("car",)),
    ParsedCaption("an unknown head", "a_DET_det_2 car_NOUN_compound_2 door_NOUN_ROOT_2", ()),
    ParsedCaption("hot is an adjective", "a_DET_det_2 hot_ADJ_amod_2 dog_NOUN_ROOT_2", ("dog",)),
    ParsedCaption("hot is a compound", "a_DET_det_2 hot_ADJ_compound_2 dog_NOUN_ROOT_2", ("hot dog",)),
    ParsedCaption(
        "a hyphen", "a_DET_det_3 t_NOUN_compound_3 -_PUNCT_punct_3 shirt_NOUN_ROOT_3", ("t - shirt:t shirt",)
    ),
    ParsedCaption("a compound behind the root is none", "man_NOUN_ROOT_0 tennis_NOUN_compound_0", ("man",)),
    # coordination
    ParsedCaption(
        "coordination", "a_DET_det_1 cat_NOUN_ROOT_1 and_CCONJ_cc_1 a_DET_det_4 dog_NOUN_conj_1", ("cat", "dog")
    ),
    ParsedCaption(
        "three of them",
        "cat_NOUN_ROOT_0 ,_PUNCT_punct_0 dog_NOUN_conj_0 and_CCONJ_cc_2 mouse_NOUN_conj_2",
        ("cat", "dog", "mouse"),
    ),
    ParsedCaption(
        "coordinated compounds",
        "traffic_NOUN_compound_1 lights=light_NOUN_ROOT_1 and_CCONJ_cc_1 stop_NOUN_compound_4 signs=sign_NOUN_conj_1",
        ("traffic lights:traffic light", "stop signs:stop sign"),
    ),
    ParsedCaption(
        "an unknown thing between",
        "dog_NOUN_ROOT_0 ,_PUNCT_punct_0 gizmo_NOUN_conj_0 and_CCONJ_cc_2 cat_NOUN_conj_2",
        ("dog", "cat"),
    ),
    # possessives
    ParsedCaption("possessive", "the_DET_det_1 man_NOUN_poss_3 's_PART_case_1 dog_NOUN_ROOT_3", ("dog",)),
    ParsedCaption("possessive pronoun", "his_PRON_poss_1 dog_NOUN_ROOT_1", ("dog",)),
    ParsedCaption(
        "possessive and compound",
        "a_DET_det_1 player_NOUN_poss_4 's_PART_case_1 baseball_NOUN_compound_4 bat_NOUN_ROOT_4",
        ("baseball bat",),
    ),
    # "front of" and its like: a noun by form, and a mention if the bank has it
    ParsedCaption(
        "front of, with front in the bank",
        "dog_NOUN_ROOT_0 in_ADP_prep_0 front_NOUN_pobj_1 of_ADP_prep_2 a_DET_det_5 bus_NOUN_pobj_3",
        ("dog", "front", "bus"),
    ),
    ParsedCaption(
        "side of, with side not in the bank",
        "dog_NOUN_ROOT_0 on_ADP_prep_0 the_DET_det_3 side_NOUN_pobj_1 of_ADP_prep_3 a_DET_det_6 street_NOUN_pobj_4",
        ("dog", "street"),
    ),
    ParsedCaption(
        "a group of",
        "a_DET_det_1 group_NOUN_ROOT_1 of_ADP_prep_1 chairs=chair_NOUN_pobj_2",
        ("chairs:chair",),
    ),
    # numbers and pronouns
    ParsedCaption("a number and an adjective", "2_NUM_nummod_2 small_ADJ_amod_2 dogs=dog_NOUN_ROOT_2", ("dogs:dog",)),
    ParsedCaption("a number alone", "one_NUM_nsubj_1 sits=sit_VERB_ROOT_1", ()),
    ParsedCaption("a pronoun", "she_PRON_nsubj_1 rides=ride_VERB_ROOT_1 it_PRON_dobj_1", ()),
    ParsedCaption(
        "a pronoun beside a noun", "he_PRON_nsubj_1 drives=drive_VERB_ROOT_1 a_DET_det_3 car_NOUN_dobj_1", ("car",)
    ),
    # another part of speech
    ParsedCaption("a verb", "they_PRON_nsubj_1 train_VERB_ROOT_1", ()),
    ParsedCaption("water as a verb", "to_PART_aux_1 water_VERB_ROOT_1 plants=plant_NOUN_dobj_1", ()),
    ParsedCaption("an adjective from a noun", "a_DET_det_2 snow_ADJ_amod_2 day_NOUN_ROOT_2", ()),
    # nothing
    ParsedCaption(
        "nothing in the bank", "a_DET_det_1 gizmo_NOUN_ROOT_1 on_ADP_prep_1 a_DET_det_4 gadget_NOUN_pobj_2", ()
    ),
    ParsedCaption("no noun", "running=run_VERB_ROOT_0 fast_ADV_advmod_0", ()),
    ParsedCaption("punctuation alone", "._PUNCT_ROOT_0", ()),
]
"""The cases, from simple to odd."""
