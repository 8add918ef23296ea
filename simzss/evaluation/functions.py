"""Any function from an image and the names of some classes to a label map, scored like a model.

score(FunctionScorer(my_function), load_benchmark("voc21"), Path("DATA"))
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from simzss.errors import UserError
from simzss.evaluation.dataset import Sample
from simzss.evaluation.spec import Benchmark
from simzss.evaluation.task import Column, LabelMap, Task

ToLabelMap = Callable[[UInt8[np.ndarray, "height width 3"], Sequence[str]], object]
"""Takes RGB in 0..255 and the names of the classes; gives one class id per pixel, as an array or tensor of integers."""


@dataclass(frozen=True)
class FunctionScorer:
    """A function as the source of label maps."""

    function: ToLabelMap
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def task(self, benchmarks: Sequence[Benchmark], root: Path, stems: Sequence[str]) -> Task:
        """One column per benchmark; the function is called once for each, on every image."""
        columns = [Column.of_classes(benchmark) for benchmark in benchmarks]
        return Task(columns, partial(self._label_maps, benchmarks), root, stems, self.device)

    def _label_maps(
        self, benchmarks: Sequence[Benchmark], samples: Iterable[Sample]
    ) -> Iterator[tuple[Sample, list[LabelMap]]]:
        for sample in samples:
            yield sample, [self._label_map(sample, benchmark) for benchmark in benchmarks]

    def _label_map(self, sample: Sample, benchmark: Benchmark) -> LabelMap:
        found = torch.as_tensor(self.function(sample.image, list(benchmark.names)))
        size = sample.image.shape[:2]
        if found.shape != size or found.is_floating_point() or found.dtype == torch.bool:
            raise UserError(
                f"{benchmark.key}: the function gave {found.dtype} of shape {tuple(found.shape)} for {sample.stem}; "
                f"give one class id (an integer) per pixel, of shape {size}"
            )
        return found.to(self.device).long()
