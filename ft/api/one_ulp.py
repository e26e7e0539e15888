"""What one ulp does to a finished run: it is trained once more, its starting weights moved by as much."""

import tempfile
from pathlib import Path

from ft.api.side_by_side import SideBySide, changed_settings, compare_runs
from ft.errors import RunError, listed
from ft.runs.folder import read_result


def trained_again(folder: Path, other: Path) -> SideBySide:
    """Train a run's recipe again from moved weights, and put the two side by side; nothing is left of the second.

    other: the run that it is compared with. Raises RunError where the two have not the same recipe, or the images are
    not those of the run any more.
    """
    result, theirs = (read_result(each, to_open=True) for each in (folder, other))
    if changed := [setting.field for setting in changed_settings(result, theirs)]:
        raise RunError(
            f"sensitivity: the recipes of {folder} and {other} differ ({listed(changed)}), which is no matter of "
            "rounding; compare two runs of one recipe, or leave --sensitivity out"
        )
    from ft.api.finetune import finetune
    from ft.parity.sensitivity import moved_by_one_ulp
    from ft.recipe import from_dict
    from ft.training.build import start_changed

    with tempfile.TemporaryDirectory(prefix="ft-one-ulp-") as place:
        with start_changed(moved_by_one_ulp):
            recipe = from_dict(result["recipe"])
            again = finetune(recipe, backend=result["backend"], out=Path(place) / "run", quiet=True)
        if read_result(again.folder)["data"]["sha256"] != result["data"]["sha256"]:
            raise RunError(f"sensitivity: the images are not those that {folder} was trained on; restore them")
        return compare_runs(folder, again.folder)
