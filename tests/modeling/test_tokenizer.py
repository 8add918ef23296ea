"""CLIP's tokenizer against open_clip's own, and characters against tokens."""

import html
import json
import unicodedata
from pathlib import Path

import ftfy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.tokenizer import SimpleTokenizer

from simzss.modeling.tokenizer import Tokenizer, align, clean

TOKENIZER = Tokenizer()
REFERENCE = SimpleTokenizer()

EDGE_CASES = [
    "",
    "   ",
    "A cat's DON'T I'LL we'Re",
    "İstanbul café naïve",
    "ΣΑΣ ΟΔΟΣ",
    "a &amp; b &lt;tag&gt; &amp;amp; x&nbsp;y",
    "family 👩‍👩‍👧 flag 🇫🇷",
    "مرحبا بالعالم",
    "e\u0301 combining a\u0308",
    "\x00nul \x1c sep\x85 nel\u200b zero",
    "schÃ¶n âœ” No",
    "12345 2nd ½ ² ⅷ",
    "日本語テキスト",
    "ﬁ ligature ẞ straße ǅ",
    "''''s !!!'t … — “quotes”",
    "word " * 200,
]


def reference_ids(text: str) -> list[int]:
    ids = [REFERENCE.sot_token_id, *REFERENCE.encode(text), REFERENCE.eot_token_id]
    return ids if len(ids) <= 77 else [*ids[:76], REFERENCE.eot_token_id]


@pytest.mark.parametrize("text", EDGE_CASES, ids=ascii)
def test_ids_equal_open_clip_on_odd_texts(text: str) -> None:
    assert TOKENIZER([text])[0].ids == reference_ids(text)


def comparable(text: str) -> bool:
    """Without what the head of `simzss.modeling.tokenizer` says is read differently."""
    special = any(word in text.lower() for word in ("<start_of_text>", "<end_of_text>"))
    known = all(unicodedata.category(character) not in {"Cn", "Cs"} for character in text + clean(text))
    return not special and known  # a repair can give a character that Unicode did not have, too


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60).filter(comparable))
def test_ids_equal_open_clip_and_characters_lie_in_the_text(text: str) -> None:
    tokens = TOKENIZER([text])[0]
    assert tokens.ids == reference_ids(text)
    assert all(0 <= start <= end <= len(text) for start, end in tokens.characters)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=60))
def test_what_is_not_repaired_needs_no_repair(text: str) -> None:
    """Against ftfy and html on every text of ASCII: those that are passed over come out as if they were not."""
    repaired = html.unescape(html.unescape(ftfy.fix_text(text)))
    assert clean(text) == " ".join(repaired.split()).lower()


@pytest.mark.data
def test_ids_equal_open_clip_on_all_coco_captions(shared: Path) -> None:
    path = shared / "data" / "coco_captions_val2017" / "captions_val2017.json"
    captions = [row["caption"] for row in json.loads(path.read_text())["annotations"]]
    assert len(captions) == 25_014
    assert [row.ids for row in TOKENIZER(captions)] == [reference_ids(caption) for caption in captions]


def test_special_tokens_are_clips_own() -> None:
    assert (TOKENIZER.start_id, TOKENIZER.end_id, TOKENIZER.vocabulary_size) == (49_406, 49_407, 49_408)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("A Traffic  Light at night", "Traffic  Light"),
        ("the &quot;fire hydrant&quot; is red", "fire hydrant"),
        ("İ saw a dog", "dog"),
        ("two snowboarders' boots", "boots"),
        ("  schÃ¶n cat âœ”", "cat"),
    ],
)
def test_token_span_decodes_to_its_characters(text: str, phrase: str) -> None:
    tokens = TOKENIZER([text])[0]
    start = text.index(phrase)
    span = tokens.span(start, start + len(phrase))
    assert span is not None
    assert TOKENIZER.decode(tokens.ids[span[0] : span[1]]) == clean(phrase)


def test_span_cut_by_the_context_length_is_lost() -> None:
    text = "very " * 74 + "red fire hydrant"  # start + 74 + "red" + end are 77 tokens
    tokens = TOKENIZER([text])[0]
    assert len(tokens.ids) == 77
    red, hydrant = text.index("red"), text.index("fire")
    assert tokens.span(red, red + 3) == (75, 76)
    assert tokens.span(hydrant, len(text)) is None
    assert tokens.span(red, len(text)) is None


def test_span_without_any_token_is_none() -> None:
    assert TOKENIZER(["a  cat"])[0].span(1, 3) is None


def test_alignment_follows_characters_through_repairs() -> None:
    text = "a &amp; b"
    cleaned = clean(text)
    assert cleaned == "a & b"
    origin = align(text, cleaned)
    assert [text[start:end] for start, end in (origin[0], origin[4])] == ["a", "b"]


def test_the_fingerprint_names_vocabulary_and_context_length() -> None:
    assert TOKENIZER.fingerprint == Tokenizer().fingerprint
    assert TOKENIZER.fingerprint != Tokenizer(context_length=76).fingerprint
