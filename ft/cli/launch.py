"""`ft launch`."""

from collections.abc import Sequence

from ft.cli.parser import Parser
from ft.cli.train import asked_by, finetune_by, train_parser
from ft.errors import RecipeError

OWN = ("--processes", "--backend")  # the others are the training's


def launch(arguments: Sequence[str]) -> int:
    """Run `ft launch`: one training in several processes of this machine."""
    flags = launch_parser().parse(arguments)
    if sum(word.split("=")[0] == "--device" for word in arguments) > 1:
        raise RecipeError("device: asked for twice; each process takes one of that kind by itself, so name it once")
    fields = asked_by(flags)
    if flags.processes == 1:
        return finetune_by(flags, fields, flags.backend)
    from ft.api.launch import launch as start

    own = without(arguments, OWN)
    return start(own, processes=flags.processes, backend=flags.backend, resume=flags.resume, fields=fields)


def launch_parser() -> Parser:
    """Return the parser of `ft launch`: that of a training, and how many processes."""
    parser = train_parser("ft launch", choose_backend=True)
    parser.description = (
        "Fine-tune as ft train does, in several processes of this machine that share each batch. The first one's "
        "output is shown; when one fails, all end. More machines: docs/scale.md."
    )
    parser.add_argument("--processes", type=int, required=True, metavar="N", help="how many; 1 is plain training")
    return parser


def without(arguments: Sequence[str], flags: Sequence[str]) -> list[str]:
    """Return arguments without these flags and their values."""
    kept, words = [], iter(arguments)
    for word in words:
        if word in flags:
            next(words, None)
        elif word.partition("=")[0] not in flags:
            kept.append(word)
    return kept
