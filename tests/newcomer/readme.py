"""What a README tells its reader to do, and what it says comes of that."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"\s{2,}#\s.*$")
STARTS = ("ft ", "make ", "pip ", "python ")
NUMBER = re.compile(r"\d[\d.]*(?:e[-+]\d+)?")
CLOSE = 0.05  # how far figures may be apart: another machine rounds otherwise, and the last digits grow in a training
NOISE = 1e-4  # a figure below that is rounding


@dataclass(frozen=True)
class Step:
    """One thing of a README. kind: "command", "printed", "folder", "python", or "unknown": nobody can check it."""

    kind: str
    text: str


def steps_of(text: str) -> Iterator[Step]:
    """Yield the code blocks of a README step by step: commands one by one, everything else whole."""
    for language, block in FENCE.findall(text):
        lines = [COMMENT.sub("", line).rstrip() for line in block.splitlines() if line.strip()]
        if language == "python":
            yield Step("python", block)
        elif all(line.startswith(STARTS) for line in lines):
            yield from (Step("command", line) for line in lines)
        elif re.match(r"\S+/(\s|$)", lines[0]):
            yield Step("folder", block)
        elif any(line.lstrip() == "..." for line in lines):
            yield Step("printed", block)
        else:
            yield Step("unknown", block)


def named_commands(text: str) -> list[str]:
    """Return the commands of ft that a README names, in its blocks or its sentences."""
    return sorted(set(re.findall(r"(?:`|^)ft ([a-z][a-z-]*)\b", text, re.MULTILINE)))


def named_flags(text: str) -> list[str]:
    """Return the flags in the first column of a README's tables."""
    cells = re.findall(r"^\| (`--[^|]*)\|", text, re.MULTILINE)
    return sorted({flag for cell in cells for flag in re.findall(r"`(--[a-z0-9-]+)", cell)})


def named_files(text: str) -> list[str]:
    """Return the files of the project that a README links to."""
    links = re.findall(r"(?:\]\(|src=\")([^)\"#]+)", text)
    return sorted({link for link in links if not re.match(r"[a-z]+:", link)})


def left_behind(block: str) -> list[str]:
    """Return the paths that a picture of folders says are there, `{a,b}` spelled out."""
    top, *lines = block.splitlines()
    if not lines or not lines[0].startswith(" "):
        return [name for line in (top, *lines) for name in re.findall(r"(?:^|\s{2,})([\w/]+/)(?=\s)", line)]
    paths = []
    for line in lines:
        listed = line.strip().split(": ")[0]
        names = [listed] if "{" in listed else re.findall(r"\S+", listed)
        paths += [top + re.sub(r"step-\d+", "step-*", path) for name in names for path in spelled(name)]
    return paths


def spelled(name: str) -> list[str]:
    """Return a name, or those that its braces stand for."""
    before, brace, rest = name.partition("{")
    if not brace:
        return [name]
    return [before + part.strip() for part in rest.rstrip("}").split(",")]


def missing_lines(block: str, output: str) -> list[str]:
    """Return the lines of a block that an output lacks: other words, or figures too far apart."""
    printed = [line.split() for line in output.splitlines()]
    wanted = [line for line in block.splitlines() if line.split() not in ([], ["..."])]
    return [line for line in wanted if not any(alike(line.split(), words) for words in printed)]


def alike(a: list[str], b: list[str]) -> bool:
    """Tell whether two lines have the same words and close figures."""
    return len(a) == len(b) and all(map(same, a, b))


def same(a: str, b: str) -> bool:
    """Tell whether two words are one, or two figures close."""
    if not (NUMBER.fullmatch(a) and NUMBER.fullmatch(b)):
        return a == b
    x, y = float(a), float(b)
    return abs(x - y) <= max(CLOSE * max(x, y), NOISE)


def program(block: str, values: Path) -> str:
    """Return a program that does what a block does, and writes what each of its expressions is into a file."""
    tree = ast.parse(block)
    for i, node in enumerate(tree.body):
        if isinstance(node, ast.Expr):
            shown = ast.parse(f"print({node.lineno}, repr(_), file=_values, flush=True)").body[0]
            shown.value.args[1].args[0] = node.value  # type: ignore[attr-defined]
            tree.body[i] = ast.copy_location(shown, node)
    body = ast.unparse(ast.fix_missing_locations(tree)).replace("\n", "\n    ")
    return f"if __name__ == '__main__':\n    _values = open({str(values)!r}, 'w')\n    {body}\n"


def told_otherwise(block: str, values: str) -> list[str]:
    """Return the lines of a block whose comment shows another value than there was, as far as it shows one."""
    values_by_line = {
        int(number): value.replace("'", '"') for number, value in re.findall(r"^(\d+) (.*)$", values, re.MULTILINE)
    }
    wrong = []
    for number, line in enumerate(block.splitlines(), 1):
        comment = line.partition("  # ")[2]
        shown = re.split(r'\.\.\.|\d+\.\d+|label="', comment)[0]
        if comment[:1] in ("[", "{", "<") and not values_by_line.get(number, "").startswith(shown):
            wrong.append(f"{line}\n      but was {values_by_line.get(number, 'nothing')[:200]}")
    return wrong
