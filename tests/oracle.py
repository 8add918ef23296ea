"""The SimZSS losses written as plain loops over Python floats (float64), straight from the paper's text.

Slow on purpose, and sharing nothing with the package: no tensors, no batching, no library function but exp and sqrt.
"""

import math

Vector = list[float]


def dot(a: Vector, b: Vector) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def unit(a: Vector) -> Vector:
    length = math.sqrt(dot(a, a))
    return [x / length for x in a]


def add(vectors: list[Vector]) -> Vector:
    return [sum(column) for column in zip(*vectors, strict=True)]


def scaled(a: Vector, factor: float) -> Vector:
    return [factor * x for x in a]


def softmax(logits: Vector) -> Vector:
    top = max(logits)
    exps = [math.exp(x - top) for x in logits]
    return [x / sum(exps) for x in exps]


def cross_entropy(logits: Vector, target: int) -> float:
    return -math.log(softmax(logits)[target])


def info_nce(images: list[Vector], captions: list[Vector], scale: float) -> float:
    images, captions = [unit(x) for x in images], [unit(y) for y in captions]
    total = 0.0
    for b in range(len(images)):
        total += cross_entropy([scale * dot(images[b], y) for y in captions], b)
        total += cross_entropy([scale * dot(captions[b], x) for x in images], b)
    return total / (2 * len(images))


def concept_loss(
    patches: list[list[Vector]],
    tokens: list[list[Vector]],
    mentions: list[tuple[int, int, list[int]]],
    *,
    temperature: float,
    scale: float,
    pooling: str,
    query: str,
    target: str,
) -> float:
    """Mentions are (row of the batch, concept, token positions)."""
    if not mentions:
        return 0.0
    embeddings = []
    for row, _, positions in mentions:
        total = add([unit(tokens[row][position]) for position in positions])
        embeddings.append(scaled(total, 1 / len(positions)) if pooling == "mean" else total)
    present = sorted({concept for _, concept, _ in mentions})
    weights = {
        c: unit(add([e for e, (_, concept, _) in zip(embeddings, mentions, strict=True) if concept == c]))
        for c in present
    }
    losses = []
    for embedding, (row, concept, _) in zip(embeddings, mentions, strict=True):
        own = [unit(patch) for patch in patches[row]]
        asked = embedding if query == "mention" else weights[concept]
        attention = softmax([dot(patch, asked) / temperature for patch in own])
        visual = unit(add([scaled(patch, a) for patch, a in zip(own, attention, strict=True)]))
        logits = [scale * dot(visual, weights[c]) for c in present]
        truth = present.index(concept) if target == "annotated" else logits.index(max(logits))
        losses.append(cross_entropy(logits, truth))
    return sum(losses) / len(losses)
