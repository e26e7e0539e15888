"""The geometry of the page's charts: where every dot, line and label stands. The template draws them as SVG."""

import math
from collections.abc import Sequence

from ft.parity.sensitivity import FEW, SHOWN, StepBand, by_step
from ft.parity.verdict import Row
from ft.report.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart, Dot, Floor, Mark, Tick, linear_ticks, points
from ft.report.comparison.report import ROUNDING, Part, Report, TraceSummary, place
from ft.report.words import figure, size_words

HIGH, LOW = 1.0, -18.0  # powers of ten that the error axis spans; what is 0 stands on its lowest line
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def error_charts(report: Report) -> list[Chart]:
    """Return a chart for each phase that is worth a look, in the order of computation.

    Inference always, then forward pass and gradients of the first step that differs, and the phase of the first
    difference if it is none of these.
    """
    step = (report.first.step if report.first else 0) or 0
    wanted = [(None, "inference"), (step, "forward"), (step, "gradients")]
    if report.first:
        wanted.append((report.first.step, report.first.phase))
    parts = [part for part in report.parts() if (part.step, part.phase) in wanted and len(part.rows) > 1]
    return [error_chart(report, part) for part in parts]


def error_chart(report: Report, part: Part) -> Chart:
    """Return the relative difference of every array of one phase, from input to output."""
    rows = part.rows[::-1] if part.phase == "gradients" else part.rows  # computed from output to input
    x = positions(len(rows))
    kinds = report.sides[0].kinds if part.phase in ("inference", "forward") else {}
    radius = dot_radius(len(rows))
    dots = tuple(error_dot(at, row, radius, kinds.get(row.name, "")) for at, row in zip(x, rows, strict=True))
    lines = [("trend", points((dot.x, dot.y) for dot in dots)), *noise_lines(report, rows, x)]
    if report.band is not None and len(x) > 1:
        lines.append(("ulp", points((at, height(report.band.at(row))) for at, row in zip(x, rows, strict=True))))
    where = "before the first step" if part.step is None else f"step {part.step}"
    title = {"inference": "Inference", "forward": "Forward pass in training", "gradients": "Gradients"}
    heading = f"{title.get(part.phase, part.phase.capitalize())}, {where}"
    return Chart(
        title=heading,
        words=f"{heading}: {error_words(part)}",
        x_ticks=groups([row.name for row in rows], x),
        y_ticks=power_ticks(),
        dots=dots,
        lines=tuple(lines),
        floors=floors(rows[0].bar),
        marks=marks(report, rows, x),
    )


def error_words(part: Part) -> str:
    """Return what the chart of a phase shows."""
    worst, count = part.worst, len(part.rows)
    if worst is None:
        return f"{count} arrays, none compared"
    most = worst.fault or f"relative {figure(worst.relative)}"
    return f"of {count} arrays {len(part.differing)} differ; the largest difference, {most}, is at {worst.name}"


def dot_radius(count: int) -> float:
    """Return how large `count` dots in a row may be."""
    return min(3.6, max(1.6, 260 / count))


def positions(count: int) -> list[float]:
    """Return `count` places from left to right, with a little air at both ends."""
    room = WIDTH - LEFT - RIGHT - 20
    return [LEFT + 10 + room * (i / (count - 1) if count > 1 else 0.5) for i in range(count)]


def height(relative: float) -> float:
    """Return the y of a relative difference: logarithmic, 0 on the lowest line, NaN and infinity on the highest."""
    power = HIGH if not math.isfinite(relative) else math.log10(relative) if relative > 0 else LOW
    share = (min(max(power, LOW), HIGH) - LOW) / (HIGH - LOW)
    return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)


def floors(bar: float) -> tuple[Floor, ...]:
    """Return the bar and one rounding of each type, their labels kept apart."""
    lines = [(bar, f"bar {figure(bar)}", "bar")] if bar else []
    lines += [(eps, f"{dtype} rounding", "floor") for dtype, eps in ROUNDING.items()]
    lines.sort(key=lambda line: -line[0])
    placed: list[Floor] = []
    for value, label, kind in lines:
        y = height(value)
        label_y = max(y, placed[-1].label_y + 13) if placed else y
        placed.append(Floor(y, label, label_y, kind))
    return tuple(placed)


def band_charts(report: Report) -> list[Chart]:
    """Return, for each phase, how far the sides are apart step by step, over what one ulp does to one of them."""
    if report.band is None:
        return []
    measured = by_step(report.verdict.rows, report.band)
    phases = {phase: [each for each in measured if each.phase == phase] for phase in SHOWN}
    return [band_chart(phase, steps) for phase, steps in phases.items() if len(steps) > 1]


def band_chart(phase: str, steps: Sequence[StepBand]) -> Chart:
    """Return the chart of one phase: a dot a step, and beneath it the band, up to a few times what one ulp does."""
    x, low = positions(len(steps)), HEIGHT - BOTTOM
    few = [(at, height(FEW * each.moved)) for at, each in zip(x, steps, strict=True)]
    lines = [
        ("band", points([(x[0], low), *few, (x[-1], low)])),
        ("ulp", points((at, height(each.moved)) for at, each in zip(x, steps, strict=True))),
        ("trend", points((at, height(each.apart)) for at, each in zip(x, steps, strict=True))),
    ]
    dots = tuple(
        Dot(
            at,
            height(each.apart),
            "good" if each.apart <= FEW * each.moved else "bad",
            dot_radius(len(steps)),
            f"step {each.step}: apart {figure(each.apart)}, one ulp {figure(each.moved)}",
        )
        for at, each in zip(x, steps, strict=True)
    )
    every = max(1, -(-len(steps) // 12))
    title = f"{phase.capitalize()}, step by step"
    return Chart(
        title=title,
        words=f"{title}: " + "; ".join(dot.label for dot in dots),
        x_ticks=tuple(Tick(x[i], str(steps[i].step)) for i in range(0, len(steps), every)),
        y_ticks=power_ticks(),
        dots=dots,
        lines=tuple(lines),
    )


def power_ticks() -> tuple[Tick, ...]:
    """Return the labels of the error axis."""
    return (*(Tick(height(10.0**power), power_label(power)) for power in range(-15, 1, 3)), Tick(height(0), "0"))


def noise_lines(report: Report, rows: Sequence[Row], x: Sequence[float]) -> list[tuple[str, str]]:
    """Return a line a side for the measured float32 noise, where it is known of more than one array."""
    known = [(at, noise) for at, row in zip(x, rows, strict=True) if (noise := report.noise_at(row))]
    if len(known) < 2:
        return []
    return [(f"noise {'ab'[side]}", points((at, height(noise[side])) for at, noise in known)) for side in (0, 1)]


def marks(report: Report, rows: Sequence[Row], x: Sequence[float]) -> tuple[Mark, ...]:
    """Return a mark at the first difference and at every cause that stands among these rows."""
    places = {place(row): at for at, row in zip(x, rows, strict=True)}
    words: dict[float, list[str]] = {}
    for number, cause in enumerate(report.causes, 1):
        if at := places.get(place(cause.finding)):
            words.setdefault(at, []).append(f"{cause.heading.lower()} {number}")
    first = report.first and places.get(place(report.first))
    opening = []
    if report.first and first:
        said = ", ".join(["first difference", *words.pop(first, [])])
        opening.append(mark(first, TOP - 10, f"{said}: {report.first.name}"))
    # the others stand inside the frame, each on a line of its own: they may be neighbours
    others = [mark(at, TOP + 12 + 15 * (i % 5), ", ".join(said)) for i, (at, said) in enumerate(words.items())]
    return tuple(opening + others)


def mark(x: float, y: float, label: str) -> Mark:
    """Return a mark with its words on the side that has more room."""
    return Mark(x, y, label, "start" if x < WIDTH / 2 else "end")


def groups(names: Sequence[str], x: Sequence[float]) -> tuple[Tick, ...]:
    """Return a label where a new part of the network begins (layer1, layer2 ...), those that would touch left out."""
    depth = 1 if len({name.split(".")[0] for name in names}) > 3 else 2
    ticks: list[Tick] = []
    before, free = "", 0.0
    for name, at in zip(names, x, strict=True):
        part = ".".join(name.split(".")[:depth])
        label = part if len(part) <= 16 else f"{part[:15]}…"
        if part != before and at >= free and at + 6.5 * len(label) <= WIDTH - 20:
            ticks.append(Tick(at, label))
            free = at + 6.5 * len(label) + 10
        before = part
    return tuple(ticks)


def error_dot(x: float, row: Row, radius: float, kind: str) -> Dot:
    """Return the dot of one array, larger where it differs."""
    kind_and_radius = ("bad", radius + 1) if row.differs else ("good", radius)
    return Dot(x, height(row.relative), *kind_and_radius, dot_label(row, kind))


def dot_label(row: Row, kind: str) -> str:
    """Return what a pointer that rests on a dot is told."""
    name = f"{row.name} ({kind})" if kind else row.name
    if row.fault:
        return f"{name}: {row.fault}"
    if row.zero:
        return f"{name}: zero but for rounding on both sides"
    off = f", {size_words(row)} beyond the bar" if row.differs else ""
    return f"{name}: relative {figure(row.relative)}, absolute {figure(row.absolute)}{off}"


def power_label(power: int) -> str:
    """Return 10 to a power, as it is printed."""
    return "1" if power == 0 else f"10{str(power).translate(SUPERSCRIPT)}"


def loss_chart(sides: tuple[TraceSummary, TraceSummary], *, unit: str = "step", first: int = 0) -> Chart | None:
    """Return both losses over the steps on one linear axis; None where there is no finite loss.

    unit, first: what they are counted in, and from which number on.
    """
    finite = [loss for side in sides for loss in side.losses if math.isfinite(loss)]
    if not finite:
        return None
    low, high = min(finite), max(finite)
    ends = (low, high) if high > low else (low - 0.5, high + 0.5)

    def y(loss: float) -> float:
        return HEIGHT - BOTTOM - 12 - (loss - ends[0]) / (ends[1] - ends[0]) * (HEIGHT - BOTTOM - TOP - 24)

    count = max(len(side.losses) for side in sides)
    x = positions(count)
    lines, dots = [], []
    for letter, side in zip("ab", sides, strict=True):
        places = [(at, y(loss), loss) for at, loss in zip(x, side.losses, strict=False) if math.isfinite(loss)]
        lines.append((f"loss {letter}", points((at, height) for at, height, _ in places)))
        radius = dot_radius(count) + (3 if letter == "a" else 0)
        dots += [Dot(at, height, letter, radius, f"{side.name}: loss {loss:.12g}") for at, height, loss in places]
    every = max(1, -(-count // 12))
    return Chart(
        title="Loss",
        words="; ".join(map(loss_words, sides)),
        x_ticks=tuple(Tick(x[step], f"{unit} {first + step}") for step in range(0, count, every)),
        y_ticks=tuple(Tick(y(loss), f"{loss:.5g}") for loss in linear_ticks(*ends)),
        dots=tuple(dots),
        lines=tuple(lines),
    )


def loss_words(side: TraceSummary) -> str:
    """Return how the loss of a side goes."""
    finite = [f"{loss:.5g}" for loss in side.losses if math.isfinite(loss)]
    return f"loss of {side.name}: " + (
        f"{finite[0]} to {finite[-1]} over {len(side.losses)} steps" if finite else "none"
    )
