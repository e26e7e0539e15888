"""What is installed on request only: an absence is one line that names the extra."""

from importlib.util import find_spec

from ft.errors import RecipeError


def require_extra(extra: str, *modules: str) -> None:
    """Raise RecipeError unless these modules, which an extra of this package brings, can be imported."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise RecipeError(f'{" and ".join(missing)} not installed; pip install "ft-parity[{extra}]"')
