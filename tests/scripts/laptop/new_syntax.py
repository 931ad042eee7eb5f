# expect: refused is not valid Python 3.
# truth: SyntaxError, for Python 3.11 has no type parameters
from collections.abc import Iterable

type Row = dict[str, float]


def first[T](values: Iterable[T]) -> T:
    return next(iter(values))


rows: list[Row] = [{"a": 1.0}, {"a": 2.0}]
print(f"first: {first(rows)["a"]}")
