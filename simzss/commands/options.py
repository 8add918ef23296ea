"""Arguments and options that several commands have, each with one help text."""

from typing import Annotated

import typer

ProtocolName = Annotated[str, typer.Option(help="a protocol's name, or a YAML file")]
DeviceName = Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ...  [default: cuda where there is one]")]

SavedName = Annotated[str, typer.Argument(help="folder of a saved model; with --download its name on the hub")]
Download = Annotated[bool, typer.Option("--download", help="fetch the model from the Hugging Face hub")]
OwnProtocol = Annotated[
    str | None, typer.Option(help="a protocol's name, or a YAML file  [default: what the model states, or simzss]")
]
SoughtClasses = Annotated[str, typer.Option(help='what to look for, e.g. "cat, sofa|couch, grass"; | between synonyms')]
BackgroundThreshold = Annotated[
    float | None, typer.Option(help="leave pixels where no class scores above it as background, with id 0")
]
BackgroundWords = Annotated[str | None, typer.Option(help='words of a background, with id 0, e.g. "wall, sky"')]
