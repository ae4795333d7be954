# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a portrait comes from, who it shows, and what they agreed to, as an artist reads and types it."""
from __future__ import annotations

from ..backend.contract import consent as notes
from ..backend.contract.errors import GazeSplatError
from .rig.sidecar import note_in_sidecar
from .scene import store


class Origin:
    """Part of ``Portrait``: its provenance and the notes on it, kept in the .blend and in the sidecar, written into exports."""

    @property
    def provenance(self) -> dict:
        """What is known: ``source`` (the photo's name), ``sha256`` of it, ``created``, ``person``, ``consent``, and how it was made."""
        return store.provenance_of(self.root)

    @property
    def person(self) -> str:
        """Who it shows; "" if nobody has said."""
        return str(self.provenance.get(notes.PERSON) or "")

    @person.setter
    def person(self, text: str) -> None:
        self._note(notes.PERSON, text)

    @property
    def consent(self) -> str:
        """What the person has agreed to, in your words; "" if nothing is noted.

        Setting it changes the portrait's portrait.json too. Raises GazeSplatError ``note-not-in-sidecar`` where that cannot be
        written: the .blend then keeps the note alone.
        """
        return str(self.provenance.get(notes.CONSENT) or "")

    @consent.setter
    def consent(self, text: str) -> None:
        self._note(notes.CONSENT, text)

    def _note(self, name: str, text: str) -> None:
        note = {name: notes.clean(text)}
        store.note(self.root, note)
        if not (self.folder / "portrait.json").is_file() or self.root[store.ROOT_KEY]["file"] not in ("portrait.ply", "portrait.spz"):
            return    # plain splats, or moved without its files
        try:
            note_in_sidecar(self.folder, note)
        except OSError as error:
            raise GazeSplatError("note-not-in-sidecar", f"The note is kept in this .blend, but not in {self.folder}: {error.strerror}.",
                                 "Exports from here carry it; note it again where you load the portrait anew.") from error
