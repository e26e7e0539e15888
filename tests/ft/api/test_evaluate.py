"""Which output of a published network a name in the data stands for."""

import pytest

from ft.api.evaluate import evaluate_network, match_classes, whole_weights
from ft.errors import DataError, RecipeError
from ft.zoo import find_card


def test_labels_and_wordnet_ids_in_any_case():
    assert match_classes(("n01440764", "Tench", "great_white_shark"), 1000) == [0, 0, 2]


def test_labels_that_differ_in_case_alone():
    """Cardigan is a dog, a cardigan is worn."""
    assert match_classes(("Cardigan", "cardigan"), 1000) == [264, 474]


def test_as_many_folders_as_outputs_stand_in_their_order():
    assert match_classes(("a", "b", "c"), 3) == [0, 1, 2]
    with pytest.raises(DataError, match="1 of 2 folders are not classes of this network: zzz"):
        match_classes(("tench", "zzz"), 1000)


def test_classes_of_masks_are_pascals_by_name_or_by_value():
    names = ("Background", "dog", "potted plant", "TV", "airplane")
    assert match_classes(names, 21, "segmentation") == [0, 12, 16, 20, 1]
    assert match_classes(("0", "5"), 21, "segmentation") == [0, 5]
    assert match_classes(("sky", "cat"), 2, "segmentation") == [0, 1]
    with pytest.raises(DataError, match=r"1 of 2 classes of the masks are not classes of this network: 21; write"):
        match_classes(("0", "21"), 21, "segmentation")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"weights": "imagenet"},
            "imagenet are those of .*'s backbone, without a head that answers; say COCO_WITH",
        ),
        ({"model": "lraspp_mobilenet_v2"}, "without a head that answers; pass a file, or train it first"),
        ({"weights": "none"}, "none leaves nothing to evaluate"),
        ({"model": "fasterrcnn_mobilenet_v2_fpn"}, "is for detection, whose classes data alone does not name"),
    ],
)
def test_what_has_no_head_with_names_is_refused_before_any_data(fields, told):
    with pytest.raises(RecipeError, match=told):
        evaluate_network(**{"model": "lraspp_mobilenet_v3_large", "data": "nowhere", "backend": "torch", **fields})


def test_without_weights_it_is_the_whole_network_that_is_published():
    given = [("resnet18", "imagenet"), ("deeplabv3_resnet50", "COCO_WITH_VOC_LABELS_V1")]
    assert [(name, whole_weights(find_card(name), None)) for name, _ in given] == given
