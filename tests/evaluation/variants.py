"""The packaged benchmarks without their counts, so that a few images will do."""

from dataclasses import replace

from simzss.evaluation.spec import Benchmark, load_benchmark


def uncounted(key: str, strip: str = "", under: str = "") -> Benchmark:
    """A benchmark that does not ask for a complete copy, its paths moved from one folder to another."""
    benchmark = load_benchmark(key)
    images, masks = (under + path.removeprefix(strip) for path in (benchmark.images, benchmark.masks))
    return replace(benchmark, count=None, images=images, masks=masks)
