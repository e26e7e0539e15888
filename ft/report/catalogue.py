"""The catalogue as one Markdown page, docs/differences.md: every text, both programs side by side, and the figures."""

import re
import sys
from collections.abc import Callable

from ft.differences import ENTRIES, Entry
from ft.differences.pair import NAMES, Measured, measure, versions
from ft.report.difference import besides

HEAD = """# Differences between PyTorch and Keras

Written by `python -m ft.report.catalogue > docs/differences.md` from `ft/differences/` and `examples/differences/`;
change those, not this page. `ft differences NAME` shows one of these and measures it on your machine.

"""
NOISE = 1e-12  # what rounding may leave; which digits it leaves is another matter on each machine


def document(*, measure: Callable[[Entry], Measured] = measure) -> str:
    """Return the page. measure: what runs a pair."""
    entries = [(entry, measure(entry)) for entry in ENTRIES.values()]
    lines = ["| difference | by default | mended |", "|---|---|---|"]
    for entry, measured in entries:
        figures = f"{size(measured.default)} | {size(measured.mended)}"
        lines.append(f"| [{escaped(entry.title)}](#{entry.name}) | {figures} |")
    index = "\n".join(lines)
    about = f"Relative differences of what each pair prints, measured with {versions()}.\n\n"
    return HEAD + about + index + "\n" + "".join(chapter(*pair) for pair in entries)


def chapter(entry: Entry, measured: Measured) -> str:
    """Return what the page says about one difference."""
    sides = [(NAMES["torch"], entry.torch, entry.mend_torch), (NAMES["tf"], entry.tf, entry.mend_tf)]
    table = "".join(f"| {name} | {escaped(does)} | {escaped(mend)} |\n" for name, does, mend in sides)
    figures = f"they differ by {size(measured.default)} as they come, {size(measured.mended)} mended"
    return (
        f'\n<a name="{entry.name}"></a>\n\n## {escaped(entry.title)}\n\n'
        f"| | by default | to mend it |\n|---|---|---|\n{table}\n"
        f"**Why:** {escaped(entry.why)}.\n\n**How it shows:** {escaped(entry.shows)}.\n\n"
        f"**Measured:** {'; '.join([figures, *besides(measured)])}.\n\n"
        f"{programs(entry)}"
    )


def programs(entry: Entry) -> str:
    """Return both programs, in the two columns of a table where Markdown allows it."""
    blocks = [fenced(entry, wing) for wing in NAMES]
    heads = "".join(f"<th><code>with_{wing}.py</code></th>" for wing in NAMES)
    cells = "</td><td>".join(f"\n\n{block}\n\n" for block in blocks)
    return f'<table>\n<tr>{heads}</tr>\n<tr valign="top"><td>{cells}</td></tr>\n</table>\n'


def fenced(entry: Entry, wing: str) -> str:
    """Return one program of the pair as a block of code."""
    program = entry.example / f"with_{wing}.py"
    code = program.read_text(encoding="utf-8").strip() if program.is_file() else "# not written yet"
    return f"```python\n{code}\n```"


def size(value: float | None) -> str:
    """Return a figure that stays the same from machine to machine as far as it can."""
    if value is None:
        return "not measured"
    return "0" if value == 0 else "less than 1e-12" if value <= NOISE else f"{value:.2g}"


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is: underscores inside of words are safe and stay readable."""
    text = re.sub(r"([\\*`<>|\[\]])", r"\\\1", text)
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)


def main() -> int:
    """Print the document of the whole catalogue; what is being measured goes to stderr."""

    def told(entry: Entry) -> Measured:
        print(f"running {entry.name}", file=sys.stderr, flush=True)
        return measure(entry)

    sys.stdout.write(document(measure=told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
