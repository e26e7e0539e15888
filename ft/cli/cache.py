"""The command `ft cache`."""

import json
import time
from collections.abc import Sequence

from ft.cli.parser import Parser
from ft.errors import printable


def moment(seconds: float) -> str:
    """Return a time since 1970 as date and time; "?" where a calendar has none."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
    except (OverflowError, ValueError, OSError):
        return "?"


def cache(arguments: Sequence[str]) -> int:
    """Run `ft cache [clear]`: list the files of features, or remove them."""
    parser = Parser(
        prog="ft cache",
        description="The features of frozen bases that are kept on disk. `ft cache clear` removes them; a training "
        "that uses one just now goes on.",
    )
    parser.add_argument("action", nargs="?", choices=["list", "clear"], default="list", help="list [default], or clear")
    parser.add_argument("--cache-dir", metavar="DIR", help="as in ft train [FT_CACHE, or ~/.cache/ft-parity]")
    parser.add_argument("--json", action="store_true", help="print JSON")
    flags = parser.parse(arguments)
    from ft.features.file import about, clear, features_folder, stored
    from ft.system.clean import size_text

    folder = features_folder(flags.cache_dir)
    rows = [
        {"file": str(path), "bytes": size, "used": moment(used), **about(path)}
        for path, size, used in reversed(stored(folder))
    ]
    freed = clear(folder) if flags.action == "clear" else None
    if flags.json:
        print(json.dumps(rows if freed is None else {"removed": len(rows), "bytes": freed}, indent=2))
        return 0
    for row in rows if freed is None else ():
        print(f"{size_text(row['bytes']):>10}  {row['used']}  {printable(row['about'])}")
    whole = f"{len(rows)} files, {size_text(sum(row['bytes'] for row in rows) if freed is None else freed)}"
    print(f"{whole}{'' if freed is None else ' removed'}  {printable(folder)}")
    return 0
