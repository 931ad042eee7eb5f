# expect: runs
# after Ray's documentation: ray-more-libs/multiprocessing
import os
import socket

from ray.util.multiprocessing import Pool


def task(n):
    return n**3, socket.gethostname(), os.getpid()


def main():
    with Pool(processes=2) as pool:
        for cube, host, pid in pool.imap_unordered(task, range(6), chunksize=2):
            print(cube, host, pid)
        assert pool.starmap(max, [(1, 2), (4, 3)]) == [2, 4]


main()
