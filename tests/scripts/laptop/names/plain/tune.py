def best_of(values):
    return max(values)
