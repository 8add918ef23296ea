"""Where a saved model lies: in a folder or, when the user says so, on the Hugging Face hub.

A typing error in the name of a folder never asks the network: only `download=True` does, and only for a name that is no
folder and looks like `owner/name`. The hub's own environment counts (`HF_HUB_OFFLINE`, `HF_ENDPOINT`, `HF_HOME`).
"""

import re
from pathlib import Path

from simzss.errors import UserError
from simzss.io.hub import fetch_snapshot

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
"""Owner and name."""


def find_model(name: str | Path, *, download: bool = False) -> Path:
    """The folder of a saved model.

    Args:
        name: A folder, or with `download` a name on the hub.
        download: Whether the hub may be asked.

    Raises:
        UserError: If there is no such folder, or the hub has no such model or cannot be reached.
    """
    folder = Path(name)
    if folder.is_dir():
        return folder
    looks_like_hub = HUB_ID.fullmatch(str(name)) is not None
    if not download:
        hint = "; to fetch it from the Hugging Face hub, ask for the download" if looks_like_hub else ""
        raise UserError(f"no folder {name}: give that of a saved model (a run saves one as RUN/model){hint}")
    if not looks_like_hub:
        raise UserError(f"no folder {name}, and no name on the Hugging Face hub, which is OWNER/NAME")
    return fetch_snapshot(str(name))
