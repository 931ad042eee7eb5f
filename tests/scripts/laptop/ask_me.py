# expect: DENIED script calls input()
# truth: EOFError: EOF when reading a line
import random

n = int(input("How many samples? "))
samples = [random.gauss(0, 1) for _ in range(n)]
print("mean:", sum(samples) / n)
