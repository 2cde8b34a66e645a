"""What no user should have to try; see `__main__`."""
