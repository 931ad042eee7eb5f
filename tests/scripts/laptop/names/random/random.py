def walk(steps):
    position = 0
    for n in range(steps):
        position += 1 if (n * 7919) % 13 > 6 else -1
    return position
