"""The walk through a README finds what is not so, and nothing else."""

from pathlib import Path

import pytest

from tests.newcomer.__main__ import plans, swapped, walk
from tests.newcomer.belongings import PROJECT
from tests.newcomer.readme import Step, left_behind, missing_lines, named_files, steps_of

README = """
```
ft modls
ft data check photos --html page.html
ft data check photos --json --out-of-the-air
```
```
tests/   is there     nowhere/   is not
```
```python
x = {"top1": 0.25}
x  # {"top1": ..., "loss": ...}
x  # {"top1": 0.98, ...}
x  # {"loss": ...}
```
```
a song that nobody can check
```
"""


def test_what_is_not_so_is_found(tmp_path, capsys):
    steps = list(steps_of(README))
    assert [step.kind for step in steps] == ["command"] * 3 + ["folder", "python", "unknown"]
    assert walk(steps, tmp_path) == 5
    said = capsys.readouterr().out
    failed = [line.split(" s  ")[1] for line in said.splitlines() if line.startswith("FAILED")]
    assert [line[:9] for line in failed] == ["ft modls", "ft data c", "tests/   ", 'x = {"top', "a song th"]
    assert said.count("but was") == 1
    assert 'x  # {"loss": ...}\n' in said
    assert "nowhere/ is not there" in said


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("ft train --backend tf    --data photos", "ft train --backend torch    --data photos"),
        ("ft report runs/resnet50-photos-torch-001", "ft report runs/resnet50-photos-tf-001"),
        ("ft convert runs/minilm_l6-reviews-torch-001 to", "ft convert runs/minilm_l6-reviews-tf-001 to"),
        ('ft.finetune(backend="torch")', 'ft.finetune(backend="tf")'),
        ("<Run x on photos, PyTorch, epochs: 5>", "<Run x on photos, Keras, epochs: 5>"),
        ("python -m ft_tf.train", "python -m ft_torch.train"),
        ("ft compare --torch a --tf b", "ft compare --torch a --tf b"),
    ],
)
def test_the_second_walk_is_in_the_other_wing(line, other):
    assert swapped(line) == other


def test_figures_may_be_apart_by_rounding_only():
    output = "   1   1.242871   0.6640\nequal predictions   360 of 360 (100.00 %)\n"
    assert missing_lines(" 1   1.242869  0.663880\n ...\nequal predictions 360 of 360 (100.00 %)", output) == []
    assert missing_lines(" 1   1.342869  0.663880", output) == [" 1   1.342869  0.663880"]


def test_a_picture_of_a_run_is_spelled_out():
    block = "runs/x/\n  log.jsonl  b.png\n  report.html: good, log\n  checkpoints/step-000120/{a, b}\n"
    assert left_behind(block) == [f"runs/x/{p}" for p in ("log.jsonl", "b.png", "report.html")] + [
        f"runs/x/checkpoints/step-*/{p}" for p in "ab"
    ]


def test_every_block_of_the_readme_can_be_checked():
    text = Path(PROJECT / "README.md").read_text()
    first, second = plans(text, download=True)
    assert "unknown" not in {step.kind for step in first}
    assert Step("command", "ft train --backend tf    --data photos --model resnet50 --epochs 10") in first
    assert not [step for step in second if "differences" in step.text]
    assert [name for name in named_files(text) if not (PROJECT / name).exists()] == []
