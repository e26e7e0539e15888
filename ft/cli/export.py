"""`ft export`."""

import json
from collections.abc import Sequence

from ft.api.export import FORMATS, PIXELS, export_run
from ft.cli.parser import Parser


def export_command(arguments: Sequence[str]) -> int:
    """Run `ft export` and print what it wrote and measured."""
    parser = Parser(
        prog="ft export",
        description="A run as a file that needs neither this package nor the network's code: "
        + "; ".join(f"{name}: {kind.title} (written by {kind.wing})" for name, kind in FORMATS.items()),
    )
    parser.add_argument("run", metavar="RUN", help="run folder, of either wing")
    parser.add_argument("--format", required=True, metavar="|".join(FORMATS), help="what to write")
    parser.add_argument(
        "--pixels",
        default="normalised",
        metavar="|".join(PIXELS),
        help="what the file takes; raw: uint8 of the crop's size, normalised in the file [normalised]",
    )
    parser.add_argument("--out", metavar="PATH", help="file to write, or folder for savedmodel [RUN/export/NETWORK...]")
    parser.add_argument("--force", action="store_true", help="replace it if it exists")
    parser.add_argument("--json", action="store_true", help="print JSON")
    flags = vars(parser.parse(arguments))
    as_json = flags.pop("json")
    done = export_run(**flags)
    print(json.dumps({"path": str(done.path), **done.record}) if as_json else done)
    return 0
