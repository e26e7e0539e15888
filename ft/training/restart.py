"""Which run goes on where torchrun starts its processes again after one of them ended."""

import os
from pathlib import Path

from ft.backend.ranks import Ranks
from ft.errors import RunError
from ft.recipe import Recipe, from_dict, load
from ft.runs import checkpoint
from ft.runs.folder import file_name
from ft.system.names import RECIPE, RESULT


def restarted(
    ranks: Ranks, recipe: Recipe, out: Path | None, *, backend: str, root: Path = Path("runs")
) -> Path | None:
    """Return the folder of the run that goes on; None for a start, or where there is no checkpoint yet.

    Without a folder it is the newest of this name and recipe that has no result.
    """
    if ranks.size == 1 or not any(ranks.gather_json(int(os.environ.get("TORCHELASTIC_RESTART_COUNT") or 0))):
        return None  # the machines may count otherwise: where one was lost the others need not have failed
    unfinished = None
    if ranks.writes:
        candidates = [out] if out else sorted(root.glob(f"{file_name(recipe.title)}-{backend}-*"), reverse=True)
        unfinished = next((folder for folder in candidates if is_unfinished(folder, recipe)), None)
    path = ranks.gather(os.fsencode(os.path.abspath(unfinished)) if unfinished else b"")[0]
    return Path(os.fsdecode(path)) if path else None


def is_unfinished(folder: Path, recipe: Recipe) -> bool:
    """Tell whether a folder has a checkpoint of a run by this recipe, and no result."""
    try:
        written = from_dict(load(folder / RECIPE))
        good = checkpoint.last_good(folder) is not None
    except (RunError, OSError):
        return False
    return good and written == recipe and not (folder / RESULT).exists()
