"""The Hugging Face hub: a snapshot of a repository, checked, and what is on this machine already.

Weights and descriptions are fetched, no code and no pickle. The hub's own environment counts (`HF_HUB_OFFLINE`,
`HF_ENDPOINT`, `HF_HOME`); interrupted downloads continue. What arrives damaged is removed and told: the hub names the
content of large files by their SHA-256, and so does its cache.
"""

import hashlib
from pathlib import Path

from simzss.errors import UserError

FILES = ("*.json", "*.safetensors")
"""What is fetched of a repository."""
SHA256_DIGITS = 64


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
        if len(stored.name) == SHA256_DIGITS and _sha256(stored) != stored.name:
            path.unlink()
            stored.unlink(missing_ok=True)
            raise UserError(f"{path.name} arrived damaged from the Hugging Face hub and was removed: fetch it again")


def cached_file(repository: str, name: str) -> Path | None:
    """A file of a repository that was fetched before; the network is not asked."""
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415  # slow to import, and needed here only

    found = try_to_load_from_cache(repository, name)
    return Path(found) if isinstance(found, str) else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
