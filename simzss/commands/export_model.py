"""`simzss export`: a model with its classes baked in, for runtimes that know nothing of it."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor
from torch.export import Dim, ExportedProgram

from simzss import __version__
from simzss.commands.console import say
from simzss.commands.options import BackgroundThreshold, BackgroundWords, Download, SavedName, SoughtClasses
from simzss.errors import UserError
from simzss.io.config import LONGEST_SIDE
from simzss.io.files import written_whole
from simzss.io.hub import find_model
from simzss.io.places import check_writable
from simzss.model import AlignedModel, load_model
from simzss.predict.classes import ClassWords, read_options
from simzss.segmentation.exported import BakedSegmenter, deviation
from simzss.segmentation.label_map import ClassEmbeddings
from simzss.segmentation.protocol import SegmentationProtocol, load_protocol, stated_protocol
from simzss.segmentation.resize import Size
from simzss.segmentation.segmenter import Segmenter

OPSET = 20
TOLERANCE = 1e-4
"""What a cosine may differ by from torch's."""
CHECKED = ((2, 3), (16, 16), (16, 24), (24, 16), (32, 32))
"""Rows and columns of patches of the images that are compared."""

Outputs = tuple[Tensor, Tensor]
Runtime = Callable[[Tensor], Outputs]


def export(  # one argument per option
    checkpoint: SavedName,
    *,
    classes: SoughtClasses,
    output: Annotated[Path, typer.Option(help="file to write: .onnx, or .pt2 for torch.export")],
    threshold: BackgroundThreshold = None,
    background: BackgroundWords = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="whose prompts embed the classes: a name or a YAML  [default: what the model states, or simzss]"
        ),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="HEIGHTxWIDTH in pixels, for runtimes that want it fixed  [default: free]")
    ] = None,
    download: Download = False,
) -> None:
    """Write the vision tower with the embeddings of some classes as one graph: pixels in, labels out.

    The graph takes RGB `pixels` (8 bits, [batch, height, width, 3], sides multiples of the patch) and gives
    `similarity` (cosines of patches and classes) and `labels`. What was written is run and compared with torch at
    five sizes before it gets its name.
    """
    words = read_options(classes, threshold, background)
    if output.suffix not in WRITERS:
        raise UserError(f"--output {output} must end in {' or '.join(WRITERS)}")
    check_writable(output)
    model = load_model(find_model(checkpoint, download=download), download=download)
    fixed = None if size is None else _fixed(size, model.patch_size)
    settings = stated_protocol(model.protocol) if protocol is None else load_protocol(protocol)
    baked = _baked(model, words, settings)
    facts = {
        "classes": words.by_label,
        "query_classes": baked.class_ids.tolist(),
        "threshold": threshold,
        "patch_size": model.patch_size,
        "opset": OPSET if output.suffix == ".onnx" else None,
        "size": "free" if fixed is None else [fixed.height, fixed.width],
        "protocol": settings.name,
        "backbone": model.backbone.config.name,
        "backbone_hash": model.backbone.fingerprint(),
        "simzss": __version__,
    }
    with written_whole(output) as path:
        runtime = WRITERS[output.suffix](_traced(baked, model, fixed), facts, path)
        worst = _checked(baked, runtime, model.patch_size, fixed)
    told = f"{len(words.by_label)} classes, {'free size' if fixed is None else size}"
    say(f"{output}: {told}, cosines at most {worst:.1e} from torch")


def _baked(model: AlignedModel, words: ClassWords, protocol: SegmentationProtocol) -> BakedSegmenter:
    """The module to export."""
    vocabulary = Segmenter(model, protocol).class_embeddings(words.words)
    first = 0 if words.threshold is None else 1
    return BakedSegmenter(
        model, ClassEmbeddings(vocabulary.queries, vocabulary.class_ids + first, words.threshold)
    ).eval()


def _traced(baked: BakedSegmenter, model: AlignedModel, fixed: Size | None) -> ExportedProgram:
    patch = model.patch_size
    free = {0: Dim("batch"), 1: patch * Dim("rows"), 2: patch * Dim("columns")} if fixed is None else {0: Dim("batch")}
    size = fixed or Size(4 * patch, 6 * patch)
    try:
        with torch.no_grad():
            return torch.export.export(baked, (_pixels(size),), dynamic_shapes=(free,))
    except Exception as error:  # torch raises many kinds, each with pages of text
        told = str(error).strip().partition("\n")[0]
        remedy = f": give --size {32 * patch}x{32 * patch}, say" if fixed is None else ""
        raise UserError(f"torch.export cannot follow {model.backbone.config.name} ({told}){remedy}") from error


def _write_onnx(program: ExportedProgram, facts: dict[str, Any], path: Path) -> Runtime:
    try:
        import onnxruntime  # noqa: PLC0415  # an extra
        import onnxscript  # noqa: F401, PLC0415
    except ImportError as error:
        raise UserError('ONNX is missing: pip install "simzss[export]"') from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about torch's own conversions
        converted = torch.onnx.export(
            program, input_names=["pixels"], output_names=["similarity", "labels"], opset_version=OPSET, verbose=False
        )
    assert converted is not None  # noqa: S101  # it is None only where torch writes the file itself
    converted.model.metadata_props["simzss"] = json.dumps(facts)
    converted.save(path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is told below
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(pixels: Tensor) -> Outputs:
        similarity, labels = session.run(None, {"pixels": pixels.numpy()})
        return torch.from_numpy(similarity), torch.from_numpy(labels)

    return run


def _write_torch(program: ExportedProgram, facts: dict[str, Any], path: Path) -> Runtime:
    with path.open("wb") as file:  # by a path, torch wants it to end in .pt2
        torch.export.save(program, file, extra_files={"simzss.json": json.dumps(facts)})
    with path.open("rb") as file:
        return torch.export.load(file).module()


WRITERS: dict[str, Callable[[ExportedProgram, dict[str, Any], Path], Runtime]] = {
    ".onnx": _write_onnx,
    ".pt2": _write_torch,
}
"""How a kind of file is written, and read back to be run."""


def _checked(baked: BakedSegmenter, runtime: Runtime, patch: int, fixed: Size | None) -> float:
    """Run what was written on random images of five sizes.

    Raises:
        UserError: If it does not give what torch gives.
    """
    free = [Size(rows * patch, columns * patch) for rows, columns in CHECKED]
    worst = 0.0
    for number, size in enumerate(free if fixed is None else [fixed] * len(free)):
        pixels = _pixels(size, seed=number)
        try:
            given = runtime(pixels)
        except Exception as error:  # each runtime has its own
            raise UserError(
                f"the exported graph does not run at {size.height} x {size.width} pixels: this kind of backbone has its"
                f" size built in; give --size {32 * patch}x{32 * patch}, say"
            ) from error
        found = deviation(baked, pixels, *given, tolerance=TOLERANCE)
        if not found.similarity <= TOLERANCE or found.labels > 0:
            raise UserError(
                f"the exported graph is not what it was made of: at {size.height} x {size.width} pixels a cosine is"
                f" {found.similarity:.1e} off, and {100 * found.labels:.2f} % of the labels differ; nothing was written"
            )
        worst = max(worst, found.similarity)
    return worst


def _fixed(size: str, patch: int) -> Size:
    parts = size.lower().split("x")
    usual = f"give HEIGHTxWIDTH in pixels, e.g. {32 * patch}x{48 * patch}"
    if len(parts) != 2 or not all(part.isdecimal() and part.strip("0") for part in parts):
        raise UserError(f"--size {size[:80]!r} is no size; {usual}")
    if any(len(part) > len(str(LONGEST_SIDE)) or int(part) > LONGEST_SIDE for part in parts):
        raise UserError(f"--size {size[:80]!r} has a side beyond {LONGEST_SIDE:,} pixels; {usual}")
    height, width = map(int, parts)
    if height % patch or width % patch:
        raise UserError(f"--size {size}: both sides must be multiples of the patch of {patch} pixels")
    return Size(height, width)


def _pixels(size: Size, seed: int = 0) -> Tensor:
    """Two random images."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (2, size.height, size.width, 3), dtype=torch.uint8, generator=generator)
