"""The page: drop a photograph, type words, see where they are.

Everything stays on this machine: no analytics, no fonts or scripts from elsewhere, loopback unless told otherwise. What
a visitor got wrong is a message on the page. One photograph goes through the model at a time, the others wait in line.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import gradio as gr
from gradio.utils import get_upload_folder
from PIL import Image

from simzss.app.view import check_words, read_upload, shrunk, view_of, with_background, write_masks
from simzss.errors import UserError
from simzss.predict.predictor import Predictor
from simzss.predict.result import Segmentation

WAITING = 32
"""Visitors in line; further ones are asked to come back."""
KEPT = 1800
"""Seconds that a result and its files stay."""
FONTS = ["system-ui", "sans-serif"]

Arguments = ParamSpec("Arguments")
Told = TypeVar("Told")


def told(function: Callable[Arguments, Told]) -> Callable[Arguments, Told]:
    """Turn mistakes into messages on the page."""

    @wraps(function)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Told:
        try:
            return function(*args, **kwargs)
        except UserError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return wrapped


@dataclass(frozen=True)
class Answers:
    """What the page does when something is dropped, typed, moved or selected."""

    model: Predictor
    most_pixels: int
    """Of a photograph that the page takes."""

    @told
    def upload(self, path: str | None) -> tuple[Any, None, None]:
        """Show a photograph as it is; what was found in the last one goes."""
        if path is None:
            return None, None, None
        return (shrunk(Image.fromarray(read_upload(path, self.most_pixels))), []), None, None

    @told
    def segment(self, path: str | None, words: str, threshold: float, opacity: float) -> tuple[Any, Any, None]:
        """Find the words in the photograph."""
        if path is None:
            raise UserError("drop a photograph first")
        result = self.model.segment(read_upload(path, self.most_pixels), check_words(words))
        return result, _annotated(result, threshold, opacity), None

    @told
    def show(self, result: Segmentation | None, threshold: float, opacity: float) -> Any:
        """The same result under another threshold or opacity."""
        return gr.skip() if result is None else _annotated(result, threshold, opacity)

    @told
    def select(self, result: Segmentation | None, threshold: float, event: gr.SelectData) -> Any:
        """Where the photograph resembles the chosen class."""
        if result is None:
            return gr.skip()
        shown = with_background(result, threshold)
        name = shown.classes[int(event.index)]
        return gr.Image(shrunk(shown.heatmap(name)), label=f"similarity to {name}")

    @told
    def download(self, result: Segmentation | None, threshold: float) -> str:
        """The masks as files."""
        if result is None:
            raise UserError("segment a photograph first")
        return write_masks(with_background(result, threshold), Path(get_upload_folder()))  # they go after `KEPT`


HIDDEN: dict[str, Any] = {"api_visibility": "private"}
"""The page is for people; programs have the Python interface."""


def make_page(answers: Answers) -> gr.Blocks:
    """The page with its queue."""
    with gr.Blocks(title="SimZSS", analytics_enabled=False, delete_cache=(KEPT, KEPT)) as page:
        result = gr.State(None, time_to_live=KEPT)
        gr.Markdown("# What is where?\nDrop a photograph, type words; select a word to see how alike each place is.")
        with gr.Row():
            with gr.Column(scale=1):
                photograph = gr.File(label="photograph", file_types=["image"], height=140, elem_id="photograph")
                words = gr.Textbox(label="words", placeholder="cat, sofa|couch, wooden floor", elem_id="words")
                button = gr.Button("Segment", variant="primary", elem_id="segment")
                threshold = gr.Slider(-1, 1, -1, step=0.01, label="threshold: background below it, -1 for none")
                opacity = gr.Slider(0, 1, 0.7, step=0.05, label="opacity")
                masks = gr.Button("Masks as files", elem_id="masks")
                archive = gr.File(label="masks", interactive=False, height=60, elem_id="archive")
            with gr.Column(scale=2):
                picture = gr.AnnotatedImage(label="classes", show_legend=True, elem_id="picture")
                heat = gr.Image(
                    label="similarity", interactive=False, buttons=["download", "fullscreen"], elem_id="heat"
                )
        question = [photograph, words, threshold, opacity]
        photograph.change(answers.upload, photograph, [picture, result, heat], **HIDDEN)
        for start in (button.click, words.submit):
            found = [result, picture, heat]
            start(answers.segment, question, found, concurrency_id="model", concurrency_limit=1, **HIDDEN)
        for slider in (threshold, opacity):
            slider.release(answers.show, [result, threshold, opacity], picture, show_progress="hidden", **HIDDEN)
        picture.select(answers.select, [result, threshold], heat, **HIDDEN)
        masks.click(answers.download, [result, threshold], archive, **HIDDEN)
    return page.queue(max_size=WAITING, default_concurrency_limit=4)


def serve(page: gr.Blocks, host: str, port: int, most_megabytes: int) -> None:
    """Serve a page until Ctrl-C.

    Raises:
        UserError: If the address is taken or is none of this machine's.
    """
    try:
        page.launch(
            server_name=host,
            server_port=port,
            max_file_size=f"{most_megabytes}mb",
            share=False,
            ssr_mode=False,
            footer_links=[],
            quiet=True,
            prevent_thread_lock=True,
            theme=gr.themes.Default(font=FONTS, font_mono=["monospace"]),
        )
    except OSError as error:
        raise UserError(f"cannot serve at {host}:{port}: {error}; choose another --host or --port") from error
    print(f"http://{host}:{port}  (Ctrl-C ends it)", flush=True)
    page.block_thread()


def _annotated(result: Segmentation, threshold: float, opacity: float) -> Any:
    view = view_of(with_background(result, threshold), opacity)
    return gr.AnnotatedImage((view.image, view.masks), color_map=view.colours)
