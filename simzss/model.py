"""An aligned model: backbone, text encoder, objective and concept bank; what is trained, exported and loaded."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import ModelCard, ModelHubMixin
from jaxtyping import Float
from torch import Tensor, nn

from simzss import __version__
from simzss.concepts.bank import ConceptBank
from simzss.errors import UserError
from simzss.io.files import file_hash, folder_written_whole
from simzss.io.hub import fetch_snapshot
from simzss.io.records import checksum_of, write_json
from simzss.model_card import ModelFacts, card, read_scores
from simzss.model_folder import (
    BACKBONE,
    BANK,
    CONFIG,
    MODEL_SCHEMA,
    PROTOCOL,
    TOKENIZER,
    WEIGHTS,
    ModelConfig,
    SavedConfig,
    SavedProtocol,
    check_files,
    check_tensors,
    make_objective,
    read_config,
    read_protocol,
    read_tensors,
    write_tensors,
)
from simzss.modeling import RANDOM
from simzss.modeling.backbone import BackboneConfig, ImageBackbone
from simzss.modeling.t5_tokenizer import T5Tokenizer
from simzss.modeling.text_encoder import OWN, TextEncoder, TextEncoderConfig, tokenizer_for
from simzss.modeling.tokenizer import TextTokenizer, Tokens, pad_ids
from simzss.objectives.base import Objective
from simzss.types import ConceptMentions, ImageFeatures, TextFeatures


class AlignedModel(nn.Module, ModelHubMixin):
    """Images and texts in one space.

    `save_pretrained`, `from_pretrained` and `push_to_hub` are those of the Hugging Face hub. They write and read the
    same folder as `save` and `load_model`, with a model card; `from_pretrained` asks the network for what is no folder.

    Args:
        backbone: Which vision backbone; frozen, unless the objective trains it.
        text_encoder: Shape of the text encoder.
        objective: The method that aligns the two.
        download: Whether a pretrained backbone may be fetched.

    Attributes:
        bank: The concepts it was trained with, if any.
        protocol: The segmentation protocol it is to be used with, if any; `simzss.segmentation.protocol` reads it.
        carries_backbone: Whether a frozen backbone is saved beside the model, not named only.

    Raises:
        UserError: If the backbone cannot be made.
    """

    def __init__(
        self,
        backbone: BackboneConfig,
        text_encoder: TextEncoderConfig,
        objective: Objective,
        *,
        download: bool = True,
    ) -> None:
        super().__init__()
        self.tokenizer: TextTokenizer = tokenizer_for(text_encoder)
        self.backbone = ImageBackbone(backbone, trained=objective.trains_backbone, download=download)
        self.text_encoder = TextEncoder(
            text_encoder,
            self.tokenizer.vocabulary_size,
            self.tokenizer.end_id,
            objective.text_dim(self.backbone.dim),
        )
        self.objective = objective
        self.bank: ConceptBank | None = None
        self.protocol: dict[str, Any] | None = None
        self.carries_backbone = False
        self.patch_size = self.backbone.patch_size
        self.pixel_mean = self.backbone.pixel_mean
        self.pixel_std = self.backbone.pixel_std

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return next(self.parameters()).device

    @property
    def config(self) -> ModelConfig:
        """How to build this model again."""
        return ModelConfig(
            self.backbone.config, self.text_encoder.config, type(self.objective).__name__, self.objective.settings()
        )

    def trained(self) -> dict[str, Tensor]:
        """The tensors that a saved model holds, by name: all but a frozen backbone's own (a denoiser's are kept)."""
        left_out = () if self.backbone.trained else ("backbone.model.",)
        return {name: tensor for name, tensor in self.state_dict().items() if not name.startswith(left_out)}

    def load_trained(self, tensors: dict[str, Tensor], source: str) -> None:
        """Take trained tensors, all of them and nothing else; `source` begins every complaint.

        Raises:
            UserError: If names or shapes differ, or a number is not finite; the first such tensor is named.
        """
        check_tensors(tensors, self.trained(), source)
        self.load_state_dict(tensors, strict=False)

    @torch.no_grad()
    def compare_images(
        self, images: Float[Tensor, "batch 3 height width"], text: Float[Tensor, "texts dim"]
    ) -> Float[Tensor, "batch texts"]:
        """Cosines of whole normalised images with L2-normalised texts, as training aligns whole captions."""
        return self.objective.compare_images(self.backbone(images), text)

    @torch.no_grad()
    def embed_patches(
        self, images: Float[Tensor, "batch 3 height width"], stride: int | None = None
    ) -> Float[Tensor, "batch rows columns dim"]:
        """L2-normalised patches of normalised images, as a grid.

        Args:
            images: Normalised images.
            stride: Pixels from one patch to the next; None for the patch's side, as in training.

        Raises:
            UserError: If the stride does not divide the patch's side.
        """
        features: ImageFeatures = self.backbone(images, stride=stride)
        patches = self.objective.embed_patches(features)
        return patches.unflatten(1, features.grid)

    @torch.no_grad()
    def embed_prompts(
        self, prompts: Sequence[str], spans: Sequence[tuple[int, int]] | None = None
    ) -> Float[Tensor, "prompts dim"]:
        """Text embeddings, not normalised.

        Args:
            prompts: The texts.
            spans: Characters of each prompt whose tokens stand for it, as the concept loss sees a mention;
                None for the embedding of the whole text.

        Raises:
            UserError: If a span lies beyond the context length.
        """
        tokens = self.tokenizer(prompts)
        text: TextFeatures = self.text_encoder(pad_ids(tokens).to(self.device))
        if spans is None:
            return text.caption
        mentions = _mentions(prompts, tokens, spans).to(text.tokens.device)
        return self.objective.embed_captions(text, mentions).mentions

    def save(self, folder: Path) -> None:
        """Write the trained part, how to build the rest, and the bank; the folder appears complete or not at all."""
        config = self.config
        with folder_written_whole(folder) as partial:
            write_tensors(self.trained(), partial / WEIGHTS)
            if self.carries_backbone and not self.backbone.trained:
                write_tensors(self.backbone.model.state_dict(), partial / BACKBONE)
                config = replace(config, backbone=replace(config.backbone, weights=BACKBONE))
            if self.bank is not None:
                self.bank.save(partial / BANK)
            if self.protocol is not None:
                write_json(partial / PROTOCOL, SavedProtocol(self.protocol, MODEL_SCHEMA))
            if isinstance(self.tokenizer, T5Tokenizer):
                (partial / TOKENIZER).write_text(self.tokenizer.to_json())
            saved = SavedConfig(
                **vars(config),
                backbone_hash=self.backbone.fingerprint(),
                version=__version__,
                schema=MODEL_SCHEMA,
                files={path.name: file_hash(path) for path in sorted(partial.iterdir())},
            )
            write_json(partial / CONFIG, replace(saved, checksum=checksum_of(saved)))

    def generate_model_card(
        self,
        *,
        data: str | None = None,
        licence: str | None = None,
        results: Sequence[Path | str] = (),
    ) -> ModelCard:
        """What people need to know of this model.

        `save_pretrained` and `push_to_hub` take the arguments as their `model_card_kwargs`.

        Args:
            data: The captions and images it was trained with.
            licence: Its own licence, as the hub names it: `apache-2.0`, `cc-by-nc-4.0` ...
            results: Folders of `simzss evaluate`, whose scores the card states.

        Raises:
            UserError: If a folder holds no results.
        """
        facts = ModelFacts(
            self.config.objective,
            self.config.settings,
            self.backbone.config.name,
            self.backbone.fingerprint(),
            self.backbone.licence,
            self._where_the_backbone_is(),
            self.bank,
        )
        scores = [score for folder in results for score in read_scores(Path(folder))]
        return ModelCard(card(facts, scores, data, licence), ignore_metadata_errors=True)

    def _where_the_backbone_is(self) -> str:
        if self.backbone.trained:
            return f"trained too, in `{WEIGHTS}`"
        return f"in `{BACKBONE}`" if self._carried() else "timm's pretrained ones"

    def _carried(self) -> bool:
        """Whether a shared folder holds the backbone: where it is frozen and nobody else could name its weights."""
        named = self.backbone.config.weights == "pretrained" and not self.carries_backbone
        return not (named or self.backbone.trained)

    def _save_pretrained(self, save_directory: Path) -> None:
        """Write the model's files into a folder that may hold others."""
        before, self.carries_backbone = self.carries_backbone, self._carried()
        try:
            with tempfile.TemporaryDirectory(dir=save_directory, prefix=".") as temporary:
                self.save(Path(temporary) / "model")
                for path in (Path(temporary) / "model").iterdir():
                    path.replace(save_directory / path.name)
        finally:
            self.carries_backbone = before

    @classmethod
    def from_pretrained(  # type: ignore[override]  # no arguments but these
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        backbone_weights: str | None = None,
    ) -> "AlignedModel":
        """Read a model from a folder, or from the hub's repository of that name.

        Args:
            pretrained_model_name_or_path: A folder that is there, or OWNER/NAME.
            revision: Branch, tag or commit; None for the newest.
            cache_dir: Where the hub's files are kept; None for the hub's own place.
            force_download: Whether to fetch what is here already.
            local_files_only: Whether to ask the network for nothing.
            token: For private repositories.
            backbone_weights: As in `load_model`.

        Raises:
            UserError: If there is no such model, or a file is damaged.
        """
        if Path(pretrained_model_name_or_path).is_dir():
            return load_model(pretrained_model_name_or_path, backbone_weights)
        folder = fetch_snapshot(
            str(pretrained_model_name_or_path),
            revision=revision,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            token=token,
        )
        return load_model(folder, backbone_weights, download=not local_files_only)


def load_model(folder: Path | str, backbone_weights: str | None = None, *, download: bool = False) -> AlignedModel:
    """Read a model that `AlignedModel.save` wrote, ready for inference.

    Nothing outside the folder is read but the backbone's weights where the folder names them only.

    Args:
        folder: The saved model.
        backbone_weights: Where the backbone's weights are now, if not where they were in training.
        download: Whether timm's pretrained weights may be fetched, if they are not on this machine.

    Raises:
        UserError: If something is missing, or backbone, width or objective do not fit the weights.
    """
    folder = Path(folder)
    saved = given = read_config(folder)
    own = given.files.keys() or {path.name for path in folder.iterdir()}  # a file of another model may lie there, too
    if backbone_weights is not None:
        saved = replace(saved, backbone=replace(saved.backbone, weights=backbone_weights))
    check_files(folder, given.files)
    model = _build(folder, saved, str(folder / TOKENIZER) if TOKENIZER in own else OWN, download=download)
    model.load_trained(read_tensors(folder / WEIGHTS), str(folder))
    if model.backbone.fingerprint() != saved.backbone_hash:
        raise UserError(f"{folder} was trained on other weights of {saved.backbone.name}: give those weights")
    if BANK in own:
        model.bank = ConceptBank.load(folder / BANK)
    if PROTOCOL in own:
        model.protocol = read_protocol(folder)
    if given.checksum not in {None, checksum_of(given)}:  # last: other mistakes are told more exactly
        raise UserError(f"{folder / CONFIG} has changed since it was saved: copy it again, or remove its 'checksum'")
    return model.eval()


def _build(folder: Path, config: ModelConfig, tokenizer: str, *, download: bool) -> AlignedModel:
    """The model without its trained weights."""
    objective = make_objective(config, str(folder / CONFIG))
    backbone, text_encoder = config.backbone, config.text_encoder
    if carried := backbone.weights == BACKBONE:
        backbone = replace(backbone, weights=str(folder / BACKBONE))
    if objective.trains_backbone:
        backbone = replace(backbone, weights=RANDOM)  # its weights are among those of the model
    if backbone.denoiser is not None:
        backbone = replace(backbone, denoiser=replace(backbone.denoiser, weights=RANDOM))  # theirs are there too
    text_encoder = replace(text_encoder, weights=RANDOM, tokenizer=tokenizer)  # the model's tensors are its own
    model = AlignedModel(backbone, text_encoder, objective, download=download)
    model.carries_backbone = carried
    return model


def _mentions(prompts: Sequence[str], tokens: Sequence[Tokens], spans: Sequence[tuple[int, int]]) -> ConceptMentions:
    found = [row.span(*span) for row, span in zip(tokens, spans, strict=True)]
    for prompt, span in zip(prompts, found, strict=True):
        if span is None:
            raise UserError(f"the class name in prompt {prompt!r} has no token within the context length: shorten it")
    start, end = torch.tensor(found).unbind(-1)
    rows = torch.arange(len(prompts))
    return ConceptMentions(caption=rows, concept=torch.zeros_like(rows), start=start, end=end, num_concepts=1)
