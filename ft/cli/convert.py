"""`ft convert`."""

from collections.abc import Sequence

from ft.api.convert import DTYPES, FORMATS, convert
from ft.cli.parser import Parser


def convert_command(arguments: Sequence[str]) -> int:
    """Run `ft convert` and print what it did."""
    parser = Parser(
        prog="ft convert",
        description="Weights from one format into another, bit for bit: .safetensors, .pth, .weights.h5, .keras, "
        "or a run folder.",
    )
    parser.add_argument(
        "source", metavar="IN", help="weights file of either framework, a run folder, or a text network's"
    )
    parser.add_argument("target", metavar="OUT", help=f"file to write: {', '.join(FORMATS)} (a folder)")
    parser.add_argument("--model", metavar="NAME", help="network that the weights are of [recognised by its tensors]")
    parser.add_argument("--num-classes", type=int, metavar="N", help="classes of its head [the file's]")
    parser.add_argument(
        "--image-size", type=int, metavar="N", help="pixels a side, of a ViT [a published one that fits]"
    )
    parser.add_argument(
        "--names", choices=["torch", "keras"], help="whose names and layouts .safetensors bears [torch]"
    )
    parser.add_argument("--dtype", choices=DTYPES, help="convert floating tensors [each keeps its type]")
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")
    flags = parser.parse(arguments)
    done = convert(**vars(flags))
    for line in (*done.notes, str(done)):
        print(line)
    return 0
