def numbers_up_to(n):
    return list(range(n))
