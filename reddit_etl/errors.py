"""Errors, by what to do about them. Every message is one line."""


class EtlError(Exception):
    """A known failure; a later run may succeed."""


class ConfigurationError(EtlError):
    """A setting or permission is wrong; no run succeeds until a person fixes it.

    If several are, `faults` has a line for each, and the message has all of them.
    """

    def __init__(self, *faults: str) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class RedditError(EtlError):
    """Reddit gave no usable response within the retries."""


class LakeError(EtlError):
    """An object could not be read or written, or does not match its receipt."""


class DamagedObjectError(LakeError):
    """The data object under `key` is missing, or does not match its receipt."""

    def __init__(self, message: str, *, key: str) -> None:
        super().__init__(message)
        self.key = key


class UnreadableObjectError(LakeError):
    """An object is there and is not what it should be, such as compressed lines."""


class TransformError(EtlError):
    """The transformation failed, or its row counts do not match."""


class CatalogError(EtlError):
    """The catalog is unavailable, or rejected a table."""


class WarehouseError(EtlError):
    """The warehouse is unavailable, or rejected the load."""
