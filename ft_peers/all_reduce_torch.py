"""How long several processes of this machine take to add up arrays, by gloo and in memory that they share.

One line of JSON: way -> size -> seconds.
"""

import argparse
import json
import os
import socket
import statistics
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from ft.backend.ranks import Seat
from ft_torch.ranks import TorchRanks

SIZES = (8, 1 << 10, 1 << 14, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26)
FLAGS = argparse.ArgumentParser(description=__doc__.split("\n")[0])
FLAGS.add_argument("--processes", type=int, default=2)
FLAGS.add_argument("--seconds", type=float, default=1.0, help="of each size")


def measure(rank, processes, port, seconds, results):
    """Time sums of each size in one of the processes."""
    torch.set_num_threads(1)
    places = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "WORLD_SIZE": str(processes)}
    os.environ.update(places)
    ranks = TorchRanks(Seat(rank, processes, rank, "127.0.0.1"), gpus=False, timeout=60)
    ranks.share_memory(60)
    found = {}
    for way, add_up in {"gloo": dist.all_reduce, "shared memory": ranks.reduce}.items():
        found[way] = {size: seconds_of(add_up, torch.zeros(size // 4), seconds) for size in SIZES}
    if rank == 0:
        results.put(found)
    ranks.close()


def seconds_of(add_up, array, seconds):
    """Return the median time of a sum."""
    times = []
    add_up(array)
    while True:
        dist.barrier()
        started = time.perf_counter()
        add_up(array)
        times.append(time.perf_counter() - started)
        go_on = torch.tensor([float(sum(times) < seconds or len(times) < 5)])
        dist.broadcast(go_on, 0)
        if not go_on.item():
            return statistics.median(times)


def main(args):
    """Start the processes and print what the first one measured."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    results = mp.get_context("spawn").SimpleQueue()
    mp.spawn(measure, (args.processes, port, args.seconds, results), nprocs=args.processes)
    print(json.dumps(results.get()))


if __name__ == "__main__":
    main(FLAGS.parse_args())
