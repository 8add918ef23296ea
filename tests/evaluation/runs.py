"""A run that was never made, for tests of what is done with one."""

from dataclasses import replace
from typing import Any

from simzss.evaluation.results import BankFacts, CodeVersion, EvaluationRun, ScoredModel
from simzss.segmentation.protocol import SegmentationProtocol, TemplateSet

RUN = EvaluationRun(
    model=ScoredModel("runs/x/model", "f00", bank=BankFacts("file", "abc", 7)),
    protocol=SegmentationProtocol("tcl", templates=TemplateSet.TCL9, threshold=0.2, names="proxyclip"),
    precision="float32",
    words={},
    data_root="data",
    limit=None,
    specs={"voc20": "1"},
    code=CodeVersion("0.1.0", "123", "2.0", "1.0"),
)


def run_with(**changes: Any) -> EvaluationRun:
    """The same run with other settings."""
    return replace(RUN, **changes)
