"""How long gloo takes to add up arrays of several processes on this machine: one line of JSON, size -> seconds."""

import argparse
import json
import os
import socket
import statistics
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

SIZES = (8, 1 << 10, 1 << 14, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26)
FLAGS = argparse.ArgumentParser(description=__doc__)
FLAGS.add_argument("--processes", type=int, default=2)
FLAGS.add_argument("--seconds", type=float, default=1.0, help="of each size")


def measure(rank, processes, port, seconds, results):
    """Time sums of each size in one of the processes."""
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=processes)
    found = {}
    for size in SIZES:
        array, times = torch.zeros(size // 4), []
        dist.all_reduce(array)
        dist.barrier()
        while True:
            started = time.perf_counter()
            dist.all_reduce(array)
            times.append(time.perf_counter() - started)
            go_on = torch.tensor([float(sum(times) < seconds or len(times) < 5)])
            dist.broadcast(go_on, 0)
            if not go_on.item():
                break
        found[size] = statistics.median(times)
    if rank == 0:
        results.put(found)
    dist.destroy_process_group()


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
