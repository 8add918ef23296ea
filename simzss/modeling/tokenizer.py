"""CLIP's byte-pair tokenizer, with the characters that every token came from.

The vocabulary is the one packaged in `open_clip_torch`, so nothing is downloaded; the merging is done by Hugging Face's
`tokenizers`. Ids equal those of open_clip's own tokenizer, which first repairs a text (ftfy), resolves HTML entities,
folds white space and lower-cases. Those repairs move characters, so the offsets that come back from the merging are
carried over to the text as it was given: concept tables hold character spans, and serve any tokenizer.

Two differences: the literal words `<start_of_text>` and `<end_of_text>` in a caption are ordinary text here, and
letters that entered Unicode after version 15 may be cut differently (the regular expressions are another library's).
"""

import gzip
import hashlib
import html
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, runtime_checkable

import ftfy
import torch
from jaxtyping import Int
from tokenizers import Encoding, Regex, decoders, models, pre_tokenizers
from tokenizers import Tokenizer as FastTokenizer
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from simzss.errors import UserError

START, END = "<start_of_text>", "<end_of_text>"
NUM_MERGES = 49_152 - 256 - 2
"""CLIP uses this many lines of the merge file; behind them come the two special tokens."""
PIECES = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
"""What a text is cut into before merging (CLIP's simple_tokenizer.py)."""


@dataclass(frozen=True)
class Tokens:
    """One tokenised text."""

    ids: list[int]
    """A start token where the tokenizer has one, the text's tokens, end token; at most the context length."""
    characters: list[tuple[int, int]]
    """Span of the original text for each of the text's tokens, also for those cut off."""
    first: int = 1
    """Position in `ids` of the first of them: 1 behind a start token."""

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """The positions in `ids` (first, one past the last) that cover the characters from `start` to `end`.

        None if no token covers them or if some of those that do were cut off.
        """
        covering = [i for i, (first, last) in enumerate(self.characters, self.first) if first < end and last > start]
        if not covering or covering[-1] >= len(self.ids) - 1:
            return None
        return covering[0], covering[-1] + 1


@runtime_checkable
class TextTokenizer(Protocol):
    """What the text encoder and the data ask of a tokenizer."""

    context_length: int
    """Longest sequence in tokens, special tokens included."""
    vocabulary_size: int
    end_id: int
    """Id of the end token, with which captions are padded too."""

    @property
    def fingerprint(self) -> str:
        """Hash of everything that ids and spans depend on: what was tokenised with another one does not fit."""
        ...

    def __call__(self, texts: Sequence[str]) -> list[Tokens]:
        """Tokenise texts of any length and content."""
        ...


class Tokenizer:
    """CLIP's tokenizer: lower-cased byte pairs, 49,408 ids, start and end token around every text.

    Args:
        context_length: Longest sequence in tokens, start and end token included; what is longer is cut before the end.
    """

    def __init__(self, context_length: int = 77) -> None:
        self.context_length = context_length
        self._fast = _fast_tokenizer()
        self.vocabulary_size = self._fast.get_vocab_size()
        self.start_id, self.end_id = self.vocabulary_size - 2, self.vocabulary_size - 1

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything that ids and spans depend on: vocabulary, merges, repairs and context length."""
        identity = f"{self.context_length}\0{ftfy.__version__}\0{self._fast.to_str()}"
        return hashlib.sha256(identity.encode()).hexdigest()

    def __call__(self, texts: Sequence[str]) -> list[Tokens]:
        """Tokenise texts of any length and content."""
        cleaned = [clean(text) for text in texts]
        encodings = self._fast.encode_batch(cleaned)
        return [self._tokens(*row) for row in zip(texts, cleaned, encodings, strict=True)]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of the ids, without start and end token; words are parted by one space."""
        return self._fast.decode(list(ids), skip_special_tokens=True).replace("</w>", " ").strip()

    def _tokens(self, text: str, cleaned: str, encoding: Encoding) -> Tokens:
        ids = [self.start_id, *encoding.ids[: self.context_length - 2], self.end_id]
        if len(text) == len(cleaned) and text.lower() == cleaned:  # as nearly always: nothing has moved
            return Tokens(ids, encoding.offsets)
        origin = align(text, cleaned)
        return Tokens(ids, [(origin[first][0], origin[last - 1][1]) for first, last in encoding.offsets])


def pad_ids(tokens: Sequence[Tokens]) -> Int[Tensor, "batch tokens"]:
    """Token ids padded behind the end token to the longest of them."""
    return pad_sequence([torch.tensor(row.ids) for row in tokens], batch_first=True, padding_value=tokens[0].ids[-1])


def clean(text: str) -> str:
    """What CLIP does to a text before it is cut into pieces."""
    if text.isascii() and text.isprintable() and "&" not in text:  # nothing to repair, and ftfy would take 10 us to see
        return " ".join(text.split()).lower()
    repaired = html.unescape(html.unescape(ftfy.fix_text(text)))
    return " ".join(repaired.split()).lower()


def align(text: str, cleaned: str) -> Sequence[tuple[int, int]]:
    """For each character of the cleaned text, the span of the original text that it stands for.

    Nearly always the two have the same characters at the same places. Otherwise the longest common runs are matched,
    and a character between them stands for everything that was replaced there.
    """
    lowered = text.lower()
    if len(lowered) != len(text):  # a few characters, as the Turkish dotted I, become two
        lowered = "".join(low if len(low := character.lower()) == 1 else character for character in text)
    if lowered == cleaned:
        return [(i, i + 1) for i in range(len(text))]
    origin: list[tuple[int, int]] = []
    # popular characters are set aside in long texts, where looking at all their pairs would take minutes
    matcher = SequenceMatcher(None, lowered, cleaned, autojunk=len(text) > 1000)
    for tag, first, last, start, end in matcher.get_opcodes():
        if tag == "equal":
            origin.extend((i, i + 1) for i in range(first, last))
        else:
            origin.extend([(first, last)] * (end - start))
    return origin


@cache
def _fast_tokenizer() -> FastTokenizer:
    lines = _vocabulary_file().split("\n")[1 : NUM_MERGES + 1]
    merges = [(first, second) for first, second in (line.split() for line in lines)]
    alphabet = _byte_alphabet()
    words = [
        *alphabet,
        *(letter + "</w>" for letter in alphabet),
        *(first + second for first, second in merges),
        START,
        END,
    ]
    vocabulary = {word: index for index, word in enumerate(words)}
    fast = FastTokenizer(models.BPE(vocab=vocabulary, merges=merges, end_of_word_suffix="</w>"))
    pieces = pre_tokenizers.Split(Regex(PIECES), behavior="removed", invert=True)
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    fast.pre_tokenizer = pre_tokenizers.Sequence([pieces, to_bytes])
    fast.decoder = decoders.ByteLevel()
    return fast


def _vocabulary_file() -> str:
    """The merge file that open_clip packages, found without importing open_clip (and with it torchvision)."""
    spec = find_spec("open_clip")
    if spec is None or not spec.submodule_search_locations:
        raise UserError("CLIP's vocabulary is missing: pip install open_clip_torch, which packages it")
    path = Path(spec.submodule_search_locations[0]) / "bpe_simple_vocab_16e6.txt.gz"
    return gzip.decompress(path.read_bytes()).decode("utf-8")


def _byte_alphabet() -> list[str]:
    """A visible character for each byte, in the order of CLIP's ids: printable ones stand for themselves."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(hidden))]
