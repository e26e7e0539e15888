"""How many images pass through a network at a time on a CPU."""

import os

from ft.system.cores import images_at_a_time


def test_threads_share_them_and_larger_images_count_more():
    assert images_at_a_time(224, 224, precision="float32", threads=2) == 8
    assert images_at_a_time(224, 224, precision="bfloat16", threads=2) == 16
    assert images_at_a_time(224, 224, precision="float64", threads=32) == 64
    assert images_at_a_time(112, 224, precision="float32", threads=2) == 16
    assert images_at_a_time(4000, 4000, precision="float32", threads=1) == 1


def test_without_a_number_all_cores_count():
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    for threads in (None, 0):  # 0 is TensorFlow's word for all
        assert images_at_a_time(224, 224, precision="float32", threads=threads) == 4 * cores
