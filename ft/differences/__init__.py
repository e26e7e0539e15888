"""The catalogue of differences between the frameworks: each taught, tested and diagnosed from one entry.

A file an entry: text and a probe in NumPy. The pair of programs that shows it is in examples/differences/NAME.
"""

from ft.differences import (
    adam_eps,
    align_corners,
    aspp_rates,
    autoshard,
    average_pool_padding,
    background_class,
    batchnorm_eps,
    batchnorm_momentum,
    batchnorm_variance,
    box_form,
    box_offset,
    box_ratios_float32,
    centreness,
    chaotic_trajectory,
    coco_eps,
    data_order,
    decay_by_name,
    default_boxes,
    depthwise_layout,
    dropout_mask,
    dropped_residual,
    flatten_order,
    focal_divisor,
    frozen_batchnorm,
    gelu_tanh,
    gradient_clipping,
    grouped_convolution,
    hard_negatives,
    ignored_pixels,
    initial_weights_swapped,
    input_scaling,
    jpeg_decode,
    kernel_layout,
    keypoint_offset,
    label_smoothing,
    last_token,
    layernorm_eps,
    leaky_relu_slope,
    learning_rate_float32,
    linear_init,
    logits_or_probabilities,
    loss_mean,
    mask_bilinear,
    mask_paste,
    max_pool_padding,
    mean_of_means,
    nesterov,
    nms_float64,
    nms_per_class,
    objectness_float32,
    padding,
    precision,
    relu6,
    repeated_samples,
    resize_antialias,
    resize_float32,
    rgb_bgr,
    roi_align,
    roi_align_aligned,
    sgd_momentum,
    smooth_l1,
    synchronised_batchnorm,
    tied_weights,
    tokenizer_padding,
    top_k_ties,
    train_mode,
    weight_decay,
)
from ft.differences.entry import Entry
from ft.errors import RecipeError, unknown
from ft.parity.evidence import Evidence, Finding
from ft.parity.finding_id import finding_id

__all__ = ["ENTRIES", "Entry", "Evidence", "Finding", "diagnose", "find_all", "find_entry"]

MODULES = (
    adam_eps,
    align_corners,
    aspp_rates,
    autoshard,
    average_pool_padding,
    background_class,
    batchnorm_eps,
    batchnorm_momentum,
    batchnorm_variance,
    box_form,
    box_offset,
    box_ratios_float32,
    centreness,
    chaotic_trajectory,
    coco_eps,
    data_order,
    decay_by_name,
    default_boxes,
    depthwise_layout,
    dropout_mask,
    dropped_residual,
    flatten_order,
    focal_divisor,
    frozen_batchnorm,
    gelu_tanh,
    gradient_clipping,
    grouped_convolution,
    hard_negatives,
    ignored_pixels,
    initial_weights_swapped,
    input_scaling,
    jpeg_decode,
    kernel_layout,
    keypoint_offset,
    label_smoothing,
    last_token,
    layernorm_eps,
    leaky_relu_slope,
    learning_rate_float32,
    linear_init,
    logits_or_probabilities,
    loss_mean,
    mask_bilinear,
    mask_paste,
    max_pool_padding,
    mean_of_means,
    nesterov,
    nms_float64,
    nms_per_class,
    objectness_float32,
    padding,
    precision,
    relu6,
    repeated_samples,
    resize_antialias,
    resize_float32,
    rgb_bgr,
    roi_align,
    roi_align_aligned,
    sgd_momentum,
    smooth_l1,
    synchronised_batchnorm,
    tied_weights,
    tokenizer_padding,
    top_k_ties,
    train_mode,
    weight_decay,
)
ENTRIES = {module.ENTRY.name: module.ENTRY for module in MODULES}


def find_entry(name: str) -> Entry:
    """Return the entry called `name`."""
    if name not in ENTRIES:
        raise RecipeError(unknown("difference", name, ENTRIES))
    return ENTRIES[name]


def diagnose(evidence: Evidence) -> list[Finding]:
    """Return what explains the differences, the first place of each cause, in the order of computation."""
    firsts: dict[str, Finding] = {}
    for finding in find_all(evidence):
        firsts.setdefault(finding.entry, finding)
    return list(firsts.values())


def find_all(evidence: Evidence) -> list[Finding]:
    """Return what explains the differences, every place of each cause once, in the order of computation."""
    if evidence.verdict.first is None:
        return []
    places = {(row.step, row.phase, row.name): i for i, row in enumerate(evidence.verdict.rows)}
    findings = [finding for entry in ENTRIES.values() for finding in entry.probe(evidence)]
    findings.sort(key=lambda finding: places.get((finding.step, finding.phase, finding.name), len(places)))
    by_id: dict[str, Finding] = {}
    for finding in findings:
        by_id.setdefault(finding_id(finding), finding)
    return list(by_id.values())
