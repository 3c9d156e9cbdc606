"""The setting `batch_config`: what can be known of batches before the first file is written."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LARGEST_BATCH = 10**9
_STORAGE = (
    "Setting `batch_config.storage.root` must be a folder, or a URL such as file:///srv/batches or "
    "s3://bucket/folder"
)
#: Where files can be written, of all that the SDK's library of file systems knows.
_SCHEMES = {
    *("abfs", "abfss", "adl", "az", "azure", "file", "gcs", "gs", "hdfs", "oci", "oss", "s3"),
    *("s3a", "sftp", "smb", "ssh", "webhdfs"),
}


def check(config: Mapping[str, Any]) -> None:
    """Check the format, the place and the size of batches.

    Args:
        config: Settings that are valid by their schema.

    Raises:
        ConfigurationError: With one sentence that names the setting and the way out.
    """
    batches = config.get("batch_config")
    if not batches:
        return
    if config.get("emit_activate_version_messages"):
        msg = (
            "The settings `batch_config` and `emit_activate_version_messages` do not go together: "
            "rows in batches carry no version, so that targets would delete them all. Set one"
        )
        raise ConfigurationError(msg)
    encoding, storage = (batches.get(name) or {} for name in ("encoding", "storage"))
    for name, member in {"encoding.format": encoding, "storage.root": storage}.items():
        if not str(member.get(name.rpartition(".")[2]) or "").strip():
            msg = f"Setting `batch_config.{name}` is missing"
            raise ConfigurationError(msg)
    size = batches.get("batch_size", 1)
    if type(size) is not int or not 1 <= size <= _LARGEST_BATCH:
        msg = "Setting `batch_config.batch_size` must be an integer, 1 or more, up to a billion"
        raise ConfigurationError(msg)
    _check_storage(storage["root"])
    if encoding.get("format") == "parquet" and find_spec("pyarrow") is None:
        msg = (
            "Setting `batch_config.encoding.format` is parquet, which needs pyarrow: install "
            "`singer-sdk[parquet]` where tap-cube is installed, or set jsonl"
        )
        raise ConfigurationError(msg)


def _check_storage(root: str) -> None:
    from upath import UPath  # noqa: PLC0415  # only for batches, as it takes its time

    scheme = root.partition("://")[0] if "://" in root else "file"
    # `~` and `s3:bucket` would be names of folders, and `file://srv` is not /srv
    if scheme not in _SCHEMES or re.match(r"~|\w{2,}:(?!//)|file://(?!/)", root):
        raise ConfigurationError(_STORAGE)
    try:
        folder = UPath(root)
        _ = folder.fs
    except ImportError:
        extra = "`singer-sdk[s3]`" if scheme == "s3" else f"what `{scheme}://` needs"
        msg = (
            f"Setting `batch_config.storage.root` begins with {scheme}://, for which a package is "
            f"missing: install {extra} where tap-cube is installed"
        )
        raise ConfigurationError(msg) from None
    if scheme == "file" and folder.exists() and not folder.is_dir():
        raise ConfigurationError(_STORAGE)
