"""T5's sentence-piece tokenizer, with the characters that every token came from.

The pieces are those of a `tokenizer.json`; cutting texts is done by Hugging Face's `tokenizers`. There is no start
token. Case is kept, as T5 was trained.
"""

import hashlib
from collections.abc import Sequence

from tokenizers import Encoding
from tokenizers import Tokenizer as FastTokenizer

from simzss.errors import UserError
from simzss.modeling.tokenizer import Tokens

END_PIECE = "</s>"
ROWS = 128
"""T5's embedding has a multiple of this many rows: 32,128 for 32,100 pieces."""


class T5Tokenizer:
    """Texts to piece ids with an end token behind.

    Args:
        fast: The pieces.
        context_length: Longest sequence in tokens, end token included; what is longer is cut before the end.

    Attributes:
        vocabulary_size: Rows of the embedding.
        end_id: Id of the end token.
        fingerprint: Hash of the pieces and of the context length: equal, if every text gives equal tokens.

    Raises:
        UserError: If the pieces hold no end token.
    """

    def __init__(self, fast: FastTokenizer, context_length: int) -> None:
        end_id = fast.token_to_id(END_PIECE)
        if end_id is None:
            raise UserError(f"the tokenizer has no end token {END_PIECE}: give a T5's")
        fast.no_truncation()
        fast.no_padding()
        self.context_length, self.end_id = context_length, end_id
        self.vocabulary_size = -(-fast.get_vocab_size() // ROWS) * ROWS
        self._fast = fast
        self.fingerprint = hashlib.sha256(f"{context_length}\0{fast.to_str()}".encode()).hexdigest()

    def __call__(self, texts: Sequence[str]) -> list[Tokens]:
        """Tokenise texts of any length and content."""
        return [self._tokens(row) for row in self._fast.encode_batch(list(texts), add_special_tokens=False)]

    def to_json(self) -> str:
        """The pieces as a `tokenizer.json` holds them."""
        return self._fast.to_str()

    def _tokens(self, encoding: Encoding) -> Tokens:
        return Tokens([*encoding.ids[: self.context_length - 1], self.end_id], list(encoding.offsets), first=0)
