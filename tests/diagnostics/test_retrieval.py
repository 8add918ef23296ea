"""Recall at k against plain loops."""

import pytest
import torch

from simzss.diagnostics.retrieval import recall


def test_recall_equals_loops() -> None:
    torch.manual_seed(0)
    owner = torch.tensor([0, 0, 1, 1, 1, 2, 3, 4, 4])
    similarity = torch.randn(5, 9)
    found = recall(similarity, owner, at=(1, 3))
    for k in (1, 3):
        texts = [int(owner[j]) in similarity[:, j].argsort(descending=True)[:k].tolist() for j in range(9)]
        images = [
            any(int(owner[j]) == i for j in similarity[i].argsort(descending=True)[:k].tolist()) for i in range(5)
        ]
        assert found.text_to_image[k] == pytest.approx(sum(texts) / 9)
        assert found.image_to_text[k] == pytest.approx(sum(images) / 5)
