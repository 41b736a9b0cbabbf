"""What can go wrong, told apart by what to do about it. Every message is one line."""


class EtlError(Exception):
    """A failure that the pipeline understands; running again later may succeed."""


class ConfigurationError(EtlError):
    """A setting or a right is wrong; running again helps only after a person mended it."""


class RedditError(EtlError):
    """Reddit did not answer usefully within the retries."""


class LakeError(EtlError):
    """An object could not be written or read, or is not what its receipt says."""


class DamagedObjectError(LakeError):
    """The data object under `key` is not there any more, or is not what its receipt lists."""

    def __init__(self, message: str, *, key: str) -> None:
        super().__init__(message)
        self.key = key


class TransformError(EtlError):
    """The transformation failed, or its counts do not add up."""


class CatalogError(EtlError):
    """The catalog could not be reached, or refused the table."""


class WarehouseError(EtlError):
    """The warehouse could not be reached, or refused the load."""
