"""SimZSS: open-vocabulary, zero-shot segmentation trained from captions alone.

The public names are loaded on first use, so that somebody who only wants concepts from captions never imports torch. A
type checker sees ordinary imports.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "AlignedModel",
    "ConceptBank",
    "ConceptExtractor",
    "Predictor",
    "Segmentation",
    "Segmenter",
    "UserError",
    "load",
    "load_model",
]

if TYPE_CHECKING:
    from simzss.concepts.bank import ConceptBank
    from simzss.concepts.extractor import ConceptExtractor
    from simzss.errors import UserError
    from simzss.model import AlignedModel, load_model
    from simzss.predict.predictor import Predictor, load
    from simzss.predict.result import Segmentation
    from simzss.segmentation.segmenter import Segmenter
else:
    _HOMES = {
        "AlignedModel": "simzss.model",
        "ConceptBank": "simzss.concepts.bank",
        "ConceptExtractor": "simzss.concepts.extractor",
        "Predictor": "simzss.predict.predictor",
        "Segmentation": "simzss.predict.result",
        "Segmenter": "simzss.segmentation.segmenter",
        "UserError": "simzss.errors",
        "load": "simzss.predict.predictor",
        "load_model": "simzss.model",
    }

    def __getattr__(name: str) -> object:
        """Import a public name when it is first asked for (PEP 562)."""
        if name in _HOMES:
            return getattr(import_module(_HOMES[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
