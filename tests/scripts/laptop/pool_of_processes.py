# expect: runs
import multiprocessing as mp
import os
from concurrent.futures import ProcessPoolExecutor


def collatz(n):
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


if __name__ == "__main__":
    mp.set_start_method("spawn", force=True)
    with mp.Pool(2) as pool:
        print(max(pool.map(collatz, range(1, 2000))))
    with ProcessPoolExecutor(max_workers=2) as executor:
        print(sum(executor.map(collatz, range(1, 200))), "steps in process", os.getpid())
