"""SimZSS: open-vocabulary, zero-shot segmentation trained from captions alone.

The public names are loaded on first use, so that somebody who only wants concepts from captions never imports torch.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "AlignedModel": "simzss.model",
    "ConceptBank": "simzss.concepts.bank",
    "ConceptExtractor": "simzss.concepts.extractor",
    "Segmenter": "simzss.segmentation.segmenter",
    "UserError": "simzss.errors",
    "load_model": "simzss.model",
}

__all__ = ["AlignedModel", "ConceptBank", "ConceptExtractor", "Segmenter", "UserError", "load_model"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
