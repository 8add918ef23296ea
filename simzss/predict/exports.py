"""Masks in other people's formats: COCO's results (by pycocotools) and supervision's detections (an extra)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pycocotools import mask as rle

from simzss.benchmarks import BACKGROUND
from simzss.errors import UserError
from simzss.segmentation.render import ClassIds

if TYPE_CHECKING:
    import supervision


def coco_annotations(
    labels: ClassIds, scores: Mapping[str, float], classes: Sequence[str], image_id: int
) -> list[dict[str, Any]]:
    """One annotation per class that occurs, as `COCO.loadRes` of pycocotools reads them.

    It adds area and box itself, and would take an entry that has a box for the result of a detector.

    Args:
        labels: Index into the classes.
        scores: The score of every class that occurs.
        classes: Names by label; what is called background is left out.
        image_id: The image's id in the annotations.
    """
    annotations = []
    for index, name in _occurring(labels, classes):
        code = rle.encode(np.asfortranarray(labels == index, dtype=np.uint8))
        annotations.append(
            {
                "image_id": image_id,
                "category_id": index,
                "segmentation": {"size": list(code["size"]), "counts": code["counts"].decode("ascii")},
                "score": scores[name],
            }
        )
    return annotations


def with_box(annotation: dict[str, Any]) -> dict[str, Any]:
    """The same annotation with area and box `[left, top, width, height]`, as a data set (not a result) has them."""
    mask = annotation["segmentation"]
    return {**annotation, "area": int(rle.area(mask)), "bbox": [float(edge) for edge in rle.toBbox(mask)]}


def detections(labels: ClassIds, scores: Mapping[str, float], classes: Sequence[str]) -> "supervision.Detections":
    """One mask per class that occurs, largest label last; names are in `data["class_name"]`.

    Raises:
        UserError: If supervision is not installed.
    """
    try:
        import supervision  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise UserError("detections need supervision: pip install 'simzss[supervision]'") from error
    found = _occurring(labels, classes)
    if not found:
        return supervision.Detections.empty()
    masks = np.stack([labels == index for index, _ in found])
    return supervision.Detections(
        xyxy=supervision.mask_to_xyxy(masks),
        mask=masks,
        confidence=np.array([scores[name] for _, name in found], dtype=np.float32),
        class_id=np.array([index for index, _ in found]),
        data={"class_name": np.array([name for _, name in found])},
    )


def _occurring(labels: ClassIds, classes: Sequence[str]) -> list[tuple[int, str]]:
    """Label and name of the classes that cover a pixel, without the background."""
    return [(int(index), classes[index]) for index in np.unique(labels) if classes[index] != BACKGROUND]
