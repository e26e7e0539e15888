"""Changes of a network's convolutions: `layer4.0.conv2:stride=1,dilation=2` becomes a list of names and numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from ft.errors import RecipeError, unknown

PARAMETERS = ("kernel", "stride", "dilation")
LARGEST = 64  # of any of the three: beyond lies a slip of the hand


@dataclass(frozen=True)
class Change:
    """What becomes of the convolutions that match `name`, None where it stays: pixels, the same in both directions."""

    name: str
    kernel: int | None = None
    stride: int | None = None
    dilation: int | None = None

    def __str__(self) -> str:
        values = {key: getattr(self, key) for key in PARAMETERS}
        return f"{self.name}:" + ",".join(f"{key}={value}" for key, value in values.items() if value is not None)


def group_changes(parts: Sequence[str]) -> tuple[str, ...]:
    """Return one text a convolution: commas part both the convolutions and the numbers of one."""
    grouped: list[str] = []
    for part in (part.strip() for text in parts for part in text.split(",")):
        if ":" in part or not grouped:
            grouped.append(part)
        else:
            grouped[-1] += f",{part}"
    return tuple(grouped)


def parse_change(text: str) -> Change:
    """Return `NAME:kernel=K,stride=S,dilation=D`, any of the three, as a change."""
    name, colon, rest = text.partition(":")
    values: dict[str, int] = {}
    for part in rest.split(","):
        key, equals, value = (word.strip() for word in part.partition("="))
        if not (name and colon and equals):
            raise RecipeError(f"change: got '{text}'; expected CONVOLUTION:stride=1,dilation=2")
        if key not in PARAMETERS:
            raise RecipeError(f"change: {unknown('parameter', key, PARAMETERS)} (in '{text}')")
        if not value.isdecimal() or not 1 <= int(value) <= LARGEST or key in values:
            raise RecipeError(f"change: got '{part}' in '{text}'; expected {key}=N once, N from 1 to {LARGEST}")
        values[key] = int(value)
    return Change(name.strip(), **values)


def require_consistent(changes: Sequence[Change]) -> None:
    """Raise RecipeError where one name is given two values."""
    by_name: dict[str, Change] = {}
    for change in changes:
        by_name[change.name] = joined(by_name.get(change.name, Change(change.name)), change)


def resolve_changes(changes: Sequence[Change], convolutions: Sequence[str]) -> dict[str, Change]:
    """Return what becomes of each convolution, by its path; `*` in a name stands for anything.

    RecipeError where a name matches none, or two changes set the same number of one convolution.
    """
    by_path: dict[str, Change] = {}
    for change in changes:
        paths = [path for path in convolutions if fnmatchcase(path, change.name)]
        if not paths:
            raise RecipeError(
                f"change: {unknown('convolution', change.name, convolutions)} (ft models show lists them)"
            )
        for path in paths:
            by_path[path] = joined(by_path.get(path, Change(path)), change)
    return by_path


def joined(one: Change, other: Change) -> Change:
    """Return both changes of one convolution as one."""
    wanted = {key: getattr(other, key) for key in PARAMETERS if getattr(other, key) is not None}
    for key, value in wanted.items():
        if getattr(one, key) not in (None, value):
            raise RecipeError(f"change: {one.name} is given {key}={getattr(one, key)} and {key}={value}; say it once")
    return replace(one, **wanted)


def padding_of(change: Mapping[str, int], *, kernel: int, dilation: int, padding: int) -> int:
    """Return the padding on either side along one axis after a change; without one it would be `padding`.

    A convolution that was padded so that its window is centred, by dilation * (kernel - 1) / 2, stays so.
    """
    if 2 * padding != dilation * (kernel - 1):
        return padding
    return change.get("dilation", dilation) * (change.get("kernel", kernel) - 1) // 2
