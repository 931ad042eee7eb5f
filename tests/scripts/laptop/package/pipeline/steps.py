import math


def scale(x):
    return x * math.pi


def shift(x):
    return x + 1
