"""What an installation of a wheel takes."""

__all__ = ["suite"]
