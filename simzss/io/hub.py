"""Where a saved model lies: in a folder or, when the user says so, on the Hugging Face hub.

A typing error in the name of a folder never asks the network: only `download=True` does, and only for a name that is no
folder and looks like `owner/name`. Weights and descriptions are fetched, no code and no pickle. The hub's own
environment counts (`HF_HUB_OFFLINE`, `HF_ENDPOINT`, `HF_HOME`); interrupted downloads continue. What arrives damaged is
removed and told: the hub names the content of large files by their SHA-256, and so does its cache.
"""

import re
from pathlib import Path

from simzss.errors import UserError
from simzss.io.files import file_hash

FILES = ("*.json", "*.safetensors")
"""What is fetched of a repository."""
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
"""Owner and name."""
SHA256_DIGITS = 64


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


def fetch_snapshot(
    name: str,
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
    token: str | bool | None = None,
) -> Path:
    """The folder of a repository's files; the arguments are those of `huggingface_hub.snapshot_download`.

    Raises:
        UserError: If the hub has no such repository, cannot be reached, or a file arrived damaged.
    """
    from huggingface_hub import snapshot_download  # noqa: PLC0415  # slow to import, and needed here only
    from huggingface_hub.errors import (  # noqa: PLC0415
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        folder = snapshot_download(
            name,
            revision=revision,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            token=token,
            allow_patterns=list(FILES),
        )
    except HFValidationError as error:
        raise UserError(f"{name} is no name the Hugging Face hub allows: {error}") from error
    except RepositoryNotFoundError as error:
        raise UserError(f"the Hugging Face hub has no {name}, or it is private: check the name or log in") from error
    except RevisionNotFoundError as error:
        raise UserError(f"{name} has no revision {revision} on the Hugging Face hub") from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise UserError(f"{name} was not fetched before, and the Hugging Face hub cannot be reached") from error
    except (HfHubHTTPError, OSError) as error:
        raise UserError(f"{name} could not be fetched from the Hugging Face hub: {error}") from error
    check_contents(Path(folder))
    return Path(folder)


def check_contents(folder: Path) -> None:
    """Compare the files of a snapshot with the hashes they are named by in the hub's cache.

    Raises:
        UserError: If one differs; it is removed, so that the next download fetches it again.
    """
    for path in sorted(folder.iterdir()):
        stored = path.resolve()
        if len(stored.name) == SHA256_DIGITS and file_hash(stored) != stored.name:
            path.unlink()
            stored.unlink(missing_ok=True)
            raise UserError(f"{path.name} arrived damaged from the Hugging Face hub and was removed: fetch it again")


def cached_file(repository: str, name: str) -> Path | None:
    """A file of a repository that was fetched before; the network is not asked."""
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415  # slow to import, and needed here only

    found = try_to_load_from_cache(repository, name)
    return Path(found) if isinstance(found, str) else None
