"""Two columns of operations, joined: the pairing of two models as a picture."""

from dataclasses import dataclass

from ft.parity.foreign.picture import Join, Picture
from ft.report.words import figure

ROW, TOP, WIDE = 16, 34, 1000
LEFT, RIGHT = 430, 570  # where the joining lines begin and end
LONGEST = 60  # letters of a label
SLIGHT = 1e-3  # a relative difference that is drawn as a small one


@dataclass(frozen=True)
class Label:
    """An operation in the picture; kind: of the line that joins it, lone where it has no partner."""

    text: str
    x: int
    y: float
    anchor: str
    kind: str


@dataclass(frozen=True)
class Line:
    """What joins two operations, from one height to another; said: how far they are apart, in the middle of it."""

    start: float
    end: float
    kind: str
    said: str
    words: str

    @property
    def middle(self) -> float:
        """The height of what it says."""
        return (self.start + self.end) / 2 + 4


@dataclass(frozen=True)
class Columns:
    """The picture as lines and labels."""

    size: tuple[int, float]
    labels: tuple[Label, ...]
    lines: tuple[Line, ...]


def columns(picture: Picture) -> Columns:
    """Lay out the operations of both sides, the shorter list stretched to the longer."""
    most = max(len(picture.torch), len(picture.tf), 1)
    height = TOP + most * ROW
    steps = [(height - TOP) / max(len(side), 1) for side in (picture.torch, picture.tf)]
    kinds = {join.torch: kind_of(join) for join in picture.joins}, {join.tf: kind_of(join) for join in picture.joins}
    labels = []
    for side, (texts, x, anchor) in enumerate(((picture.torch, LEFT - 8, "end"), (picture.tf, RIGHT + 8, "start"))):
        for i, text in enumerate(texts):
            labels.append(Label(text[-LONGEST:], x, TOP + (i + 0.5) * steps[side], anchor, kinds[side].get(i, "lone")))
    lines = tuple(
        Line(
            TOP + (join.torch + 0.5) * steps[0] - 4,
            TOP + (join.tf + 0.5) * steps[1] - 4,
            kind_of(join),
            figure(join.error) if join.error else "",
            f"{picture.torch[join.torch]} = {picture.tf[join.tf]}, {figure(join.error)} apart",
        )
        for join in sorted(picture.joins, key=lambda join: join.error)  # the worst on top
    )
    return Columns((WIDE, height + ROW), tuple(labels), lines)


def kind_of(join: Join) -> str:
    """Return how a join is drawn, by the size of its error."""
    return "joined" if not join.error else "slight" if join.error < SLIGHT else "parted"
