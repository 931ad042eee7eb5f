from churn.model import Model, Settings

__all__ = ["Model", "Settings"]
