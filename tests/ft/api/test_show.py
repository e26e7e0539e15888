"""The table of a network as text. That both wings make the same one is shown in parity_tests/step/test_surgery.py."""

from ft.api.show import Row, Table, changes_of
from ft.cli.models import as_json, lines_of

BEFORE = Table(
    (Row("stem", (64, 16, 16), 9_536, ("conv1",)), Row("aux", (), 7, ()), Row("head", (1000,), 513_000, ())),
    {"conv1.weight": (64, 3, 7, 7), "aux.bias": (7,), "fc.weight": (1000, 512)},
)
AFTER = Table((BEFORE.rows[0], Row("head", (10,), 650, ())), {"conv1.weight": (64, 3, 7, 7), "fc.weight": (10, 64)})


def test_a_table_as_text():
    assert lines_of(BEFORE, convolutions=True) == [
        "stage  gives               parameters",
        "stem   64 x 16 x 16             9,536",
        "       conv1",
        "aux    -                            7",
        "head   1000                   513,000",
        "total                         522,543",
    ]


def test_what_surgery_did_in_words():
    assert changes_of(BEFORE, AFTER) == ["new or of another shape: fc.weight (10, 64)", "gone: 1 tensors"]
    assert changes_of(BEFORE, BEFORE) == []


def test_a_table_as_plain_values():
    assert as_json(BEFORE, None)["before"][0]["shape"] == (64, 16, 16)
    assert as_json(BEFORE, AFTER)["after"][-1]["parameters"] == 650
