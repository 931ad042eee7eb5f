from .core import Pipeline

__all__ = ["Pipeline"]
