"""What the site needs beyond the pages of this folder, so that no text is written twice.

README, SECURITY and the like lie above the folder, where people look for them; they become pages as they are. Links are
written for somebody who reads the files: here they are led to pages, and what is no page (code, configurations)
keeps its name and loses its link.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
ABOVE = {
    "README.md": "overview.md",
    "SECURITY.md": "SECURITY.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
}
"""Pages that lie above the folder, and what they are called on the site."""
LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|#)([^)#\s]*)(#[^)\s]*)?\)")
CODE = re.compile(r"`[^`\n]*`")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie above."""
    for name, page in ABOVE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Lead links to pages; take the backslash from bars in code, which GitHub's tables need and these do not."""
    above = {site: name for name, site in ABOVE.items()}.get(page.file.src_uri)
    folder = ROOT / "docs" if above is None else ROOT
    markdown = LINK.sub(lambda link: _led(link, folder), markdown)
    return "\n".join(
        CODE.sub(lambda code: code[0].replace(r"\|", "|"), line) if line.startswith("|") else line
        for line in markdown.split("\n")
    )


def _led(link: re.Match[str], folder: Path) -> str:
    """A link between pages of the site, or the words of one that leads elsewhere."""
    words, place = link[1], (folder / link[2]).resolve().relative_to(ROOT).as_posix()
    target = ABOVE.get(place, place.removeprefix("docs/") if place.startswith("docs/") else None)
    return words if target is None else f"[{words}]({target}{link[3] or ''})"
