"""The differences that a team has decided to live with: parity.yaml, a line an id with the reason."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ft.errors import RecipeError, listed, printable
from ft.parity.evidence import Finding
from ft.parity.finding_id import NAMELESS, UNEXPLAINED, covers, finding_id
from ft.system import files

ACCEPTED = "parity.yaml"
KEY = "accept"
BY_FLAG, UNSAID = "by --accept", "no reason said yet"
EXAMPLE = "`accept:` and lines `batchnorm-variance: the reason`"


@dataclass(frozen=True)
class Accepted:
    """Reasons by id; an entry's name alone accepts it everywhere. source: where they stand, in words."""

    reasons: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    def reason(self, finding: Finding) -> str | None:
        """Return why a finding is accepted, None where it is not."""
        return next((why for given, why in self.reasons.items() if covers(given, finding)), None)

    def gone(self, findings: Iterable[Finding]) -> list[str]:
        """Return the ids that no finding has any more."""
        every = list(findings)
        return [given for given in self.reasons if not any(covers(given, finding) for finding in every)]

    def with_all(self, findings: Iterable[Finding]) -> "Accepted":
        """Return what accepts these findings and nothing else; reasons that were said are kept."""
        every = list(findings)
        gone = self.gone(every)
        said = {given: UNSAID if why == BY_FLAG else why for given, why in self.reasons.items()}
        kept = {given: why for given, why in said.items() if given not in gone}
        new = {finding_id(finding): UNSAID for finding in every if self.reason(finding) is None}
        return Accepted({**kept, **new}, self.source)


def accepted_by(ids: Iterable[str], path: Path | None) -> Accepted:
    """Return what flags and a file accept. path: None for parity.yaml of the current folder, if there is one."""
    given = {checked(each.strip(), "--accept"): BY_FLAG for each in ids}
    if path is None and not Path(ACCEPTED).exists():
        return Accepted(given, "--accept" if given else "")
    path = path or Path(ACCEPTED)
    return Accepted({**given, **read_accepted(path)}, printable(path) + (" and --accept" if given else ""))


def read_accepted(path: Path) -> dict[str, str]:
    """Return the reasons by id that a file holds; RecipeError where it is none."""
    import yaml

    from ft.recipe import StrictLoader

    try:
        content = yaml.load(path.read_text(encoding="utf-8"), StrictLoader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise RecipeError(f"{path}: {reason}; expected {EXAMPLE}") from None
    lines = content.get(KEY) if isinstance(content, dict) else None
    if not isinstance(content, dict) or content.keys() != {KEY} or not isinstance(lines, dict | None):
        raise RecipeError(f"{path}: expected {EXAMPLE}, and nothing else")
    for given, why in (lines or {}).items():
        if not isinstance(given, str) or not isinstance(why, str) or not why.strip():
            raise RecipeError(f"{path}: '{printable(given)}' has no reason; expected {EXAMPLE}")
        checked(given, str(path))
    return dict(lines or {})


def checked(given: str, where: str) -> str:
    """Return an id; RecipeError for one that would accept whatever comes."""
    if given in ("", *NAMELESS):
        raise RecipeError(
            f"{where}: '{given}' names no difference; pass an id that ft compare has printed, such as "
            f"batchnorm-variance or {UNEXPLAINED}@layer1.0.conv1"
        )
    return given


def write_accepted(path: Path, accepted: Accepted) -> None:
    """Write a file that accepts these; RecipeError where the place of the file is in no folder."""
    import yaml

    reasons = yaml.safe_dump({KEY: dict(accepted.reasons)}, sort_keys=False, allow_unicode=True, width=100)
    files.write_text(path, f"# differences that ft compare lets pass: id, or the name of an entry, and why\n{reasons}")


def words_of_gone(accepted: Accepted, findings: Iterable[Finding]) -> list[str]:
    """Return a line for ids that are accepted and found no more, none where there is no such id."""
    gone = accepted.gone(findings)
    return [f"accepted and gone: {listed(gone)}; take it out of {accepted.source}"] if gone else []
