"""Images with masks or boxes, without those that cannot be used."""

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from ft.data.images.decode import BadImage
from ft.data.sources.policy import Policy, left_out
from ft.data.sources.scan import scan


class Named(Protocol):
    """What has a name in the data."""

    @property
    def name(self) -> str: ...


Item = TypeVar("Item", bound=Named)


class Sieve(Generic[Item]):
    """Images with what is drawn on them: those with a fault are left out where the policy skips them, else the first
    fault is raised.
    """

    def __init__(self, items: Sequence[Item], policy: Policy, where: str) -> None:
        self.items, self.policy, self.where, self.count = list(items), policy, where, len(items)
        self.bad: dict[str, BadImage] = {}
        self.notes: list[str] = []

    def drop(self, fault: Callable[[Item], BadImage | None], title: str) -> None:
        """Look at every one of them, and leave out those with a fault."""
        policy = self.policy
        faults = scan(self.items, fault, workers=policy.workers, quiet=policy.quiet, title=title)
        self.leave_out(faults)

    def leave_out(self, faults: Sequence[BadImage | None]) -> None:
        """Leave out those with a fault."""
        faulty = {item.name: fault for item, fault in zip(self.items, faults, strict=True) if fault}
        self.bad |= faulty
        self.notes = left_out(list(self.bad.items()), self.count, self.policy, where=self.where, thing="image")
        self.items = [item for item in self.items if item.name not in faulty]
