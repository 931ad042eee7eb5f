from . import steps


class Pipeline:
    def __init__(self, parts=None):
        self.parts = parts or [steps.scale]

    def __call__(self, x):
        for part in self.parts:
            x = part(x)
        return x
