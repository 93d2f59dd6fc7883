"""A data folder that is only read: nothing in it is written, so it can be on a read-only disk."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from sirrchat_testkit.errors import StoreDamaged
from sirrchat_testkit.records import Record
from sirrchat_testkit.storage.blobs import gone
from sirrchat_testkit.storage.folder import Folder, segment_name
from sirrchat_testkit.storage.format import has_sums, read_version
from sirrchat_testkit.storage.recovery import former_raws, recover
from sirrchat_testkit.storage.segment_file import is_whole
from sirrchat_testkit.storage.segments import Index, damaged, load

R = TypeVar("R", bound=Record)


class Archive:
    """The records and raw messages of a data folder of any version that this release can convert.

    Raises:
        StoreLocked: A server has the folder open.
        StoreDamaged: A file cannot be read; the error names the file and the byte.
        StoreError: The folder cannot be opened, or a newer version has written it.
    """

    def __init__(self, path: Path) -> None:
        self._folder = Folder(path, read_only=True)
        try:
            read_version(self._folder)
            self._tables = recover(self._folder, verify=has_sums(self._folder), tidy=False).tables
            self._places = Index(self._folder).places
            self._former = {each.stem: each for each in former_raws(self._folder)}
        except BaseException:
            self._folder.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.close()

    def records(self, kind: type[R]) -> list[R]:
        """Return all records of ``kind``, in order."""
        docs = self._tables.get(kind.kind, {})
        return [kind.from_doc(seq, docs[str(seq)]) for seq in sorted(map(int, docs))]

    def raw(self, blob: str) -> bytes:
        """Return the raw message ``blob``.

        Raises:
            NotFound: It is not in the folder.
            StoreDamaged: It does not match its checksum or its SHA-256.
        """
        if blob in self._places:
            number, offset, _ = self._places[blob]
            raw = load(self._folder, blob, self._places[blob])
            if not is_whole(raw, blob):
                raise damaged(self._folder, segment_name(number), offset, "a raw message does not match its SHA-256")
            return raw
        if blob not in self._former:
            raise gone(blob)
        path = self._former[blob]
        raw = path.read_bytes()
        if not is_whole(raw, blob):
            raise StoreDamaged(f"{path} does not match its SHA-256", file=str(path), byte=0)
        return raw
