"""`simzss app`: a page in the browser for a saved model."""

from typing import Annotated

import typer

from simzss.commands.options import DeviceName, Download, OwnProtocol, SavedName
from simzss.devices import Precision
from simzss.errors import UserError
from simzss.predict.predictor import load


def app(  # noqa: PLR0913  # one argument per option
    checkpoint: SavedName,
    *,
    host: Annotated[str, typer.Option(help="address to serve at; 0.0.0.0 for all of this machine's")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="port to serve at")] = 7860,
    max_megapixels: Annotated[int, typer.Option(min=1, max=100, help="of a photograph")] = 20,
    max_megabytes: Annotated[int, typer.Option(min=1, help="of an upload")] = 20,
    protocol: OwnProtocol = None,
    precision: Annotated[Precision, typer.Option(help="of the backbone")] = Precision.AUTOMATIC,
    device: DeviceName = "",
    download: Download = False,
) -> None:
    """Serve a page: drop a photograph, type words, see where they are.

    Only this machine can open it, unless --host says otherwise.
    """
    try:
        from simzss.app.page import Answers, make_page, serve  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise UserError("the page needs Gradio: pip install 'simzss[app]'") from error
    model = load(checkpoint, protocol=protocol, device=device, precision=precision, download=download)
    serve(make_page(Answers(model, max_megapixels * 1_000_000)), host, port, max_megabytes)
