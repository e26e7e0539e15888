"""Two columns of operations, joined: the pairing of two models as a picture."""

from dataclasses import dataclass

from ft.parity.foreign.picture import Picture

ROW, TOP, WIDE = 16, 14, 1000
LEFT, RIGHT = 430, 570  # where the joining lines begin and end
LONGEST = 60  # letters of a label


@dataclass(frozen=True)
class Label:
    """An operation in the picture; lone where it has no partner."""

    text: str
    x: int
    y: float
    anchor: str
    kind: str


@dataclass(frozen=True)
class Columns:
    """The picture as lines and labels."""

    size: tuple[int, float]
    labels: tuple[Label, ...]
    lines: tuple[tuple[float, float, str, str], ...]  # from, to, kind, what it says


def columns(picture: Picture) -> Columns:
    """Lay out the operations of both sides, the shorter list stretched to the longer."""
    most = max(len(picture.torch), len(picture.tf), 1)
    height = TOP + most * ROW
    steps = [(height - TOP) / max(len(side), 1) for side in (picture.torch, picture.tf)]
    worst = {join.torch: join.error for join in picture.joins}, {join.tf: join.error for join in picture.joins}
    labels = []
    for side, (texts, x, anchor) in enumerate(((picture.torch, LEFT - 8, "end"), (picture.tf, RIGHT + 8, "start"))):
        for i, text in enumerate(texts):
            error = worst[side].get(i)
            kind = "lone" if error is None else "parted" if error else "joined"
            labels.append(Label(text[-LONGEST:], x, TOP + (i + 0.5) * steps[side], anchor, kind))
    lines = tuple(
        (
            TOP + (join.torch + 0.5) * steps[0] - 4,
            TOP + (join.tf + 0.5) * steps[1] - 4,
            "parted" if join.error else "joined",
            f"{picture.torch[join.torch]} = {picture.tf[join.tf]}, {join.error:.2g} apart",
        )
        for join in picture.joins
    )
    return Columns((WIDE, height + ROW), tuple(labels), lines)
