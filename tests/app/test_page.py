"""The page in a real browser: upload, type, select, threshold, masks, and everything a visitor can get wrong.

Needs Gradio (the extra `app`), Chromium and its driver; skipped where one of them is absent.
"""

import importlib.util
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.evaluation.models import save_tiny_model

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason="no chromium and chromedriver here"),
    pytest.mark.skipif(importlib.util.find_spec("gradio") is None, reason="no gradio here: the extra `app`"),
]
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1400,1100",
]  # fmt: skip
PATIENCE = 60.0
"""Seconds to wait for what must come, on a slow machine."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running page of a tiny model, at a free port of the loopback."""
    folder = tmp_path_factory.mktemp("page")
    model = save_tiny_model(folder / "run")
    (folder / "small.yaml").write_text("{short_side: 24, crop: 16, stride: 8, templates: plain}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--protocol", str(folder / "small.yaml"), "--port", str(port), "--max-megapixels", "1"]
    command = [sys.executable, "-m", "simzss.cli", "app", str(model), *options, "--device", "cpu"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line.startswith(f"http://127.0.0.1:{port}"), line
        yield f"http://127.0.0.1:{port}"
        server.terminate()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """A fresh browser that can reach the loopback alone."""
    options = Options()
    options.binary_location = str(CHROMIUM)
    for flag in [*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"]:
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    coarse = np.random.default_rng(0).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    path = tmp_path / "photo.jpg"
    Image.fromarray(coarse.repeat(20, axis=0).repeat(20, axis=1)).save(path)
    return path


def wait(what: Callable[[], object], name: str) -> object:
    """What becomes true within some time."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            if found := what():
                return found
        except WebDriverException:  # the page was drawing itself anew
            pass
        time.sleep(0.2)
    raise AssertionError(f"waited {PATIENCE} s for {name}")


def ask(browser: webdriver.Chrome, address: str, photograph: Path | None, words: str) -> None:
    """Open the page, drop a photograph, type words."""
    browser.get(address)
    wait(lambda: browser.find_elements(By.CSS_SELECTOR, "#segment"), "the page")
    if photograph is not None:
        upload = wait(lambda: browser.find_elements(By.CSS_SELECTOR, "#photograph input[type=file]"), "the upload")
        upload[0].send_keys(str(photograph))  # type: ignore[index]
        wait(lambda: photograph.stem in text_of(browser, "#photograph"), "the uploaded file")
    field = browser.find_element(By.CSS_SELECTOR, "#words textarea, #words input")
    field.send_keys(words, Keys.TAB)
    browser.find_element(By.CSS_SELECTOR, "#segment").click()


def text_of(browser: webdriver.Chrome, selector: str) -> str:
    return browser.find_element(By.CSS_SELECTOR, selector).text


def legend(browser: webdriver.Chrome) -> list[str]:
    return [line for line in text_of(browser, "#picture").splitlines() if line.endswith("%")]


def wait_for_legend(browser: webdriver.Chrome, count: int) -> None:
    wait(lambda: len(legend(browser)) == count, f"a legend of {count}")


def message(browser: webdriver.Chrome) -> str:
    """The message that the page shows."""
    shown = wait(lambda: [e.text for e in browser.find_elements(By.CSS_SELECTOR, ".toast-body") if e.text], "a message")
    return str(shown)


def test_upload_type_select_and_take_the_masks(browser: webdriver.Chrome, address: str, photograph: Path) -> None:
    ask(browser, address, photograph, "cat, sofa|couch, wooden floor")
    wait_for_legend(browser, 3)
    names = legend(browser)
    assert [name.rsplit(" ", 2)[0] for name in names] == ["cat", "sofa", "wooden floor"]
    assert sum(float(name.split()[-2]) for name in names) == pytest.approx(100, abs=0.2)
    masks = browser.find_elements(By.CSS_SELECTOR, "#picture img")
    assert len(masks) == 4  # the photograph, and a mask per class
    assert all(int(mask.get_attribute("naturalWidth") or 0) == 200 for mask in masks)
    item = next(e for e in browser.find_elements(By.CSS_SELECTOR, "#picture button") if "sofa" in e.text)
    item.click()
    wait(lambda: browser.find_elements(By.CSS_SELECTOR, "#heat img"), "the similarity map")
    wait(lambda: "similarity to sofa" in text_of(browser, "#heat"), "its name")
    browser.find_element(By.CSS_SELECTOR, "#masks").click()
    link = wait(lambda: browser.find_elements(By.CSS_SELECTOR, "#archive a[href*='masks.zip']"), "the archive")
    archive = photograph.parent / "masks.zip"
    with urlopen(link[0].get_attribute("href")) as reply:  # type: ignore[index]  # noqa: S310  # of the loopback
        archive.write_bytes(reply.read())
    with zipfile.ZipFile(archive) as files:
        assert sorted(files.namelist()) == [f"photograph_{x}" for x in ("coco.json", "labels.png", "overlay.png")]


def test_a_threshold_makes_a_background(browser: webdriver.Chrome, address: str, photograph: Path) -> None:
    ask(browser, address, photograph, "cat, dog")
    wait_for_legend(browser, 2)
    number = browser.find_elements(By.CSS_SELECTOR, "input[type=range]")[0]
    number.click()  # its middle, 0
    number.send_keys(Keys.END)
    browser.find_element(By.CSS_SELECTOR, "h1").click()
    wait(lambda: legend(browser) and legend(browser)[0].startswith("background"), "a background")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "names nothing"),
        ("cat,,dog", "class 2 is empty"),
        ("cat, cat", "named 2 times"),
        (", ".join(f"thing {number}" for number in range(101)), "this page takes 100"),
        ("very " * 499 + "cat", "longer than the 32 tokens"),
    ],
)
def test_mistakes_in_words_are_messages(
    browser: webdriver.Chrome, address: str, photograph: Path, words: str, told: str
) -> None:
    ask(browser, address, photograph, words)
    assert told in message(browser)


def text_file(path: Path) -> None:
    path.write_text("I am a photograph")


def large_image(path: Path) -> None:
    Image.new("1", (1200, 1200)).save(path, "PNG")


def bomb(path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(path, "PNG")


@pytest.mark.parametrize(
    ("make", "told"),
    [(text_file, "no photograph"), (large_image, "1,000,000 are allowed"), (bomb, "no photograph")],
)
def test_files_that_are_no_photographs_are_messages_and_the_page_goes_on(
    browser: webdriver.Chrome, address: str, photograph: Path, make: Callable[[Path], None], told: str
) -> None:
    make(photograph.with_name("bad.jpg"))
    ask(browser, address, photograph.with_name("bad.jpg"), "cat, dog")
    assert told in message(browser)
    ask(browser, address, photograph, "cat, dog")
    wait_for_legend(browser, 2)


def odd(photograph: Path) -> Iterator[Path]:
    """Photographs that are strange but fine."""
    image = Image.open(photograph)
    for name, made in (("cmyk.jpg", image.convert("CMYK")), ("deep.png", Image.new("I;16", (40, 30), 9000))):
        made.save(photograph.with_name(name))
        yield photograph.with_name(name)
    for size in ((1, 1), (1, 20_000)):
        made = Image.new("RGB", size, "red")
        made.save(photograph.with_name(f"{size[1]}.png"))
        yield photograph.with_name(f"{size[1]}.png")
    image.save(photograph.with_name("moving.gif"), save_all=True, append_images=[image.rotate(180)])
    yield photograph.with_name("moving.gif")


def test_odd_photographs_are_segmented(browser: webdriver.Chrome, address: str, photograph: Path) -> None:
    for path in odd(photograph):
        ask(browser, address, path, "cat, dog")
        wait_for_legend(browser, 2)


def test_without_a_photograph_the_page_asks_for_one(browser: webdriver.Chrome, address: str) -> None:
    ask(browser, address, None, "cat")
    assert "drop a photograph first" in message(browser)


def test_several_visitors_at_once_see_their_own(
    browser: webdriver.Chrome, address: str, photograph: Path, tmp_path: Path
) -> None:
    """Tabs are visitors of their own: each has a session."""
    tabs = {}
    for words in ("cat, dog", "sky, sea, sand", "one, two, three, four"):
        browser.switch_to.new_window("tab")
        ask(browser, address, photograph, words)
        tabs[browser.current_window_handle] = words
    for tab, words in tabs.items():
        browser.switch_to.window(tab)
        wait_for_legend(browser, words.count(",") + 1)
        assert ", ".join(line.rsplit(" ", 2)[0] for line in legend(browser)) == words
