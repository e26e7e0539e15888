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
Result = TypeVar("Result")


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

    def look(self, work: Callable[[Item], Result], title: str) -> dict[str, Result]:
        """Return what every one of them gives, by name, and leave out those that raise BadImage."""

        def see(item: Item) -> Result | BadImage:
            try:
                return work(item)
            except BadImage as fault:
                return fault

        policy = self.policy
        looks = scan(self.items, see, workers=policy.workers, quiet=policy.quiet, title=title)
        seen = {item.name: look for item, look in zip(self.items, looks, strict=True)}
        self.leave_out([look if isinstance(look, BadImage) else None for look in looks])
        return {name: look for name, look in seen.items() if not isinstance(look, BadImage)}

    def leave_out(self, faults: Sequence[BadImage | None]) -> None:
        """Leave out those with a fault."""
        faulty = {item.name: fault for item, fault in zip(self.items, faults, strict=True) if fault}
        self.bad |= faulty
        self.notes = left_out(list(self.bad.items()), self.count, self.policy, where=self.where, thing="image")
        self.items = [item for item in self.items if item.name not in faulty]
