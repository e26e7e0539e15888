"""Which output of a published network a folder's name stands for."""

import pytest

from ft.api.evaluate import match_classes
from ft.errors import DataError


def test_labels_and_wordnet_ids_in_any_case():
    assert match_classes(("n01440764", "Tench", "great_white_shark"), 1000) == [0, 0, 2]


def test_labels_that_differ_in_case_alone():
    """Cardigan is a dog, a cardigan is worn."""
    assert match_classes(("Cardigan", "cardigan"), 1000) == [264, 474]


def test_as_many_folders_as_outputs_stand_in_their_order():
    assert match_classes(("a", "b", "c"), 3) == [0, 1, 2]
    with pytest.raises(DataError, match="1 of 2 folders are not classes of this network: zzz"):
        match_classes(("tench", "zzz"), 1000)
