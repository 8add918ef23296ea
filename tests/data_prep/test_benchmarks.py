"""A source on a loopback server, unpacked to where the benchmarks look for it."""

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from data_prep import benchmarks
from data_prep.archives import Archive
from simzss.evaluation.spec import load_benchmark
from tests.data_prep.server import serving

READ = {"voc2012": "voc20", "pascal_context": "context59", "coco_stuff": "coco_stuff", "ade20k": "ade20k"}


def test_what_is_unpacked_is_what_the_benchmark_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    voc = benchmarks.SOURCES["voc2012"][0]
    with tarfile.open(tmp_path / voc.archive.name, "w") as file:
        for name in [
            "JPEGImages/1.jpg",
            "SegmentationClass/1.png",
            "ImageSets/Segmentation/val.txt",
            "SegmentationObject/1.png",
        ]:
            file.addfile(tarfile.TarInfo(f"VOCdevkit/VOC2012/{name}"), io.BytesIO())
    with serving(tmp_path) as server:
        monkeypatch.setitem(
            benchmarks.SOURCES, "voc2012", [replace(voc, archive=Archive(f"{server.url}/{voc.archive.name}"))]
        )
        benchmarks.fetch_source("voc2012", tmp_path / "root")
    spec = load_benchmark("voc20")
    assert spec.split
    for pattern in (spec.images, spec.masks, spec.split):
        assert (tmp_path / "root" / pattern.format(stem="1")).is_file()
    assert not (tmp_path / "root/VOCdevkit/VOC2012/SegmentationObject").exists()


@pytest.mark.parametrize("source", benchmarks.SOURCES)
def test_every_source_goes_where_its_benchmark_looks(source: str) -> None:
    spec = load_benchmark(READ[source])
    targets = [f"{part.folder}/{member}".lstrip("/") for part in benchmarks.SOURCES[source] for member in part.only]
    drawn = {spec.masks} if source == "pascal_context" else set()
    for pattern in {spec.images, spec.masks} - drawn:
        assert any(pattern.startswith(target) for target in targets)
    assert f"data_prep.benchmarks {source}" in spec.obtain
