"""The part of `reddit_etl` that the Glue job needs, as a zip: the job's `--extra-py-files`.

`python -m batch.glue.library FILE` writes it. The same sources give the same bytes.
"""

import io
import sys
import zipfile
from pathlib import Path

PROJECT = Path(__file__).parents[2]
# They need nothing but Python itself, so the job needs no installation.
MODULES = (
    "reddit_etl/__init__.py",
    "reddit_etl/clock.py",
    "reddit_etl/entities/*.py",
    "reddit_etl/errors.py",
    "reddit_etl/transform/__init__.py",
    "reddit_etl/transform/sql.py",
)
LONG_AGO = (1980, 1, 1, 0, 0, 0)


def library() -> bytes:
    """The zip."""
    content = io.BytesIO()
    # Stored, not deflated: another version of zlib would give other bytes.
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for pattern in MODULES:
            for path in sorted(PROJECT.glob(pattern)):
                entry = zipfile.ZipInfo(path.relative_to(PROJECT).as_posix(), LONG_AGO)
                entry.create_system = 3
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, path.read_bytes())
    return content.getvalue()


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(library())
