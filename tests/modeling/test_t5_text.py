"""The T5 encoder against transformers' own, padding and pooling against loops, and its tokenizer's characters."""

import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer as FastTokenizer
from tokenizers import models, pre_tokenizers, processors, trainers
from transformers import T5Config, T5EncoderModel

from simzss.errors import UserError
from simzss.modeling.t5_tokenizer import T5Tokenizer
from simzss.modeling.text_encoder import Architecture, TextEncoder, TextEncoderConfig, tokenizer_for
from simzss.modeling.tokenizer import TextTokenizer, pad_ids

CAPTIONS = ["a cat", "Two dogs run over the wet grass in the rain", "sky"]
DIM = 12


def write_t5(folder: Path) -> Path:
    """A tiny T5 as it lies on the hub: pieces learned from a few captions, random weights."""
    fast = FastTokenizer(models.Unigram())
    fast.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=60,
        special_tokens=special,
        unk_token="<unk>",  # noqa: S106
        show_progress=False,
    )
    fast.train_from_iterator(CAPTIONS * 20, trainer)
    fast.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    folder.mkdir()
    fast.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    torch.manual_seed(3)
    shape = T5Config(vocab_size=128, d_model=32, d_kv=16, d_ff=128, num_layers=2, num_heads=2)
    T5EncoderModel(shape).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_t5(tmp_path_factory.mktemp("hub") / "t5")


def encoder_of(config: TextEncoderConfig) -> tuple[TextEncoder, TextTokenizer]:
    tokenizer = tokenizer_for(config)
    torch.manual_seed(0)
    return TextEncoder(config, tokenizer.vocabulary_size, tokenizer.end_id, DIM).eval(), tokenizer


@torch.no_grad()
def test_captions_are_the_mean_of_what_transformers_gives(folder: Path) -> None:
    encoder, tokenizer = encoder_of(TextEncoderConfig(architecture=Architecture.t5, weights=str(folder)))
    theirs = T5EncoderModel.from_pretrained(folder).eval()
    found = encoder(pad_ids(tokenizer(CAPTIONS)))
    for row, caption in enumerate(CAPTIONS):
        ids = torch.tensor([FastTokenizer.from_file(str(folder / "tokenizer.json")).encode(caption).ids])
        hidden = theirs(input_ids=ids).last_hidden_state[0]  # one caption at a time: there is nothing to mask
        tokens = hidden @ encoder.projection.weight.T
        torch.testing.assert_close(found.tokens[row, : ids.shape[1]], tokens, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(found.caption[row], sum(tokens) / len(tokens), atol=1e-5, rtol=1e-4)


def test_half_precision_weights_become_full(folder: Path, tmp_path: Path) -> None:
    T5EncoderModel.from_pretrained(folder).half().save_pretrained(tmp_path / "half")
    (tmp_path / "half" / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    (tmp_path / "half" / "tokenizer_config.json").write_bytes((folder / "tokenizer_config.json").read_bytes())
    encoder, tokenizer = encoder_of(TextEncoderConfig(architecture=Architecture.t5, weights=str(tmp_path / "half")))
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}
    assert encoder(pad_ids(tokenizer(CAPTIONS))).caption.dtype is torch.float32


def test_shape_and_weights_come_from_the_folder(folder: Path) -> None:
    encoder, tokenizer = encoder_of(TextEncoderConfig(architecture=Architecture.t5, weights=str(folder), frozen=True))
    config = encoder.config
    assert (config.layers, config.width, config.heads, config.activation) == (2, 32, 2, "relu")
    assert config.weights == "random"
    assert tokenizer.vocabulary_size == 128
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    again = TextEncoder(config, 128, tokenizer.end_id, DIM)
    assert {name: t.shape for name, t in again.state_dict().items()} == {
        name: t.shape for name, t in encoder.state_dict().items()
    }


@torch.no_grad()
def test_from_scratch_it_reads_clips_tokens_and_sees_no_padding() -> None:
    encoder, tokenizer = encoder_of(TextEncoderConfig(2, 32, 2, activation="relu", architecture=Architecture.t5))
    together, alone = encoder(pad_ids(tokenizer(CAPTIONS))), encoder(pad_ids(tokenizer(CAPTIONS[:1])))
    torch.testing.assert_close(together.caption[:1], alone.caption, atol=1e-5, rtol=1e-4)
    assert encoder.train()(pad_ids(tokenizer(CAPTIONS))).caption.equal(together.caption)  # no dropout


def test_tokens_know_their_characters(folder: Path) -> None:
    tokenizer = tokenizer_for(TextEncoderConfig(architecture=Architecture.t5, weights=str(folder)))
    caption = CAPTIONS[1]
    start, end = caption.index("wet grass"), caption.index("wet grass") + len("wet grass")
    tokens = tokenizer([caption])[0]
    span = tokens.span(start, end)
    assert span is not None
    covered = "".join(caption[first:last] for first, last in tokens.characters[slice(*span)])
    assert covered.strip() == "wet grass"
    assert tokens.ids[-1] == tokenizer.end_id
    assert tokens.ids.count(tokenizer.end_id) == 1


def test_long_captions_are_cut_before_the_end(folder: Path) -> None:
    fast = FastTokenizer.from_file(str(folder / "tokenizer.json"))
    tokens = T5Tokenizer(fast, 5)([CAPTIONS[1]])[0]
    assert len(tokens.ids) == 5
    assert tokens.ids[-1] == 1
    assert tokens.span(len(CAPTIONS[1]) - 4, len(CAPTIONS[1])) is None


def test_bad_places_are_named_in_one_line(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    t5 = Architecture.t5
    for config, words in (
        (TextEncoderConfig(architecture=t5, weights="nowhere/at/all"), "no T5 tokenizer beside the weights"),
        (TextEncoderConfig(architecture=t5, tokenizer="nowhere.json"), "no tokenizer at nowhere.json"),
        (TextEncoderConfig(architecture=t5, tokenizer=str(tmp_path / "tokenizer.json")), "cannot be read as a T5"),
    ):
        with pytest.raises(UserError, match=words):
            tokenizer_for(config)
    with pytest.raises(UserError, match="128 token ids, its tokenizer 256"):
        TextEncoder(TextEncoderConfig(architecture=t5, weights=str(folder)), 256, 1, DIM)
    with pytest.raises(UserError, match="no T5 model at"):
        TextEncoder(TextEncoderConfig(architecture=t5, weights=str(tmp_path)), 128, 1, DIM)
