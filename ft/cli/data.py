"""The command `ft data check`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ft.cli.guard import USER_ERROR
from ft.cli.parser import Parser, flag_of
from ft.errors import RecipeError, printable
from ft.recipe import FIELDS, TYPES, checked, deciding

SWITCHES = tuple(name for name in deciding("check") if TYPES[name] is bool)
NUMBERS = tuple(name for name in deciding("check") if name not in SWITCHES)
OF_POLICY = ("max_pixels", "workers")
RESIZED = 256  # pixels of the short side that 224 pixels are cropped from, as most networks want


def data(arguments: Sequence[str]) -> int:
    """Run `ft data check DIR`. Exit code 0: clean, or warnings only; 2: errors, which training would stop at."""
    flags = data_parser().parse(arguments)
    if flags.html and not Path(flags.html).absolute().parent.is_dir():  # not after half an hour of decoding
        raise RecipeError(f"html: there is no folder to write {flags.html} into; make it, or choose another file")
    from ft.data.check.check import check_data
    from ft.data.sources.policy import Policy
    from ft.report.data import render_html, render_text, to_dict

    said = {name: getattr(flags, name) for name in NUMBERS}
    values: dict[str, Any] = {n: FIELDS[n].default if v is None else checked(n, v) for n, v in said.items()}
    short_side = round(values["image_size"] * RESIZED / 224) if values["image_size"] else RESIZED
    policy = Policy(
        short_side=short_side,
        quiet=flags.quiet,
        **{name: values[name] for name in OF_POLICY},
        **{name: getattr(flags, name) for name in SWITCHES},
    )
    given = {name: value for name, value in values.items() if name not in OF_POLICY}
    check = check_data(flags.data, policy=policy, boxes=flags.boxes, **given)
    if flags.html:
        from ft.system.files import write_text

        page = render_html(check, max_pixels=policy.max_pixels, workers=policy.workers, quiet=policy.quiet)
        write_text(Path(flags.html), page)
    if flags.json:
        print(json.dumps(to_dict(check), indent=2))
    else:
        print(render_text(check, color=sys.stdout.isatty()), end="")
        if flags.html:
            print(f"page: {printable(flags.html)}")
    return USER_ERROR if check.status == "errors" else 0


def data_parser() -> Parser:
    """Return the parser of `ft data`."""
    parser = Parser(
        prog="ft data",
        description="Decode every image of a data set, or read every text, and say what is wrong: what cannot be used, "
        "leaks, copies, skewed classes, masks and boxes that do not fit. Exit code 0: clean, or warnings only; 2: "
        "errors, which training would stop at.",
    )
    parser.add_argument("action", choices=["check"], help="check: decode everything and report")
    parser.add_argument(
        "data",
        metavar="DIR",
        help="folder of class folders, of images and masks or of images and boxes (COCO, VOC, YOLO), or a CSV "
        "path,label[,split] or image,x1,y1,x2,y2,label[,split]; of texts reuters, a CSV, TSV or JSON lines "
        "text,label[,split], CoNLL's, or a .txt file",
    )
    text = "look at boxes where the data has masks, too: scenes, COCO, Pascal VOC"
    parser.add_argument("--boxes", action="store_true", help=text)
    parser.add_argument("--html", metavar="FILE", help="write a page with thumbnails, one self-contained file")
    parser.add_argument("--json", action="store_true", help="print JSON, every file listed")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    for name in NUMBERS:
        default = FIELDS[name].default
        text = FIELDS[name].metadata["help"] + (f" [{default}]" if default is not None else "")
        parser.add_argument(flag_of(name), metavar=name.upper(), help=text)
    for name in SWITCHES:
        parser.add_argument(flag_of(name), action="store_true", help=FIELDS[name].metadata["help"])
    return parser
