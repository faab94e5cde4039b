"""The claims of a certificate, one after the other."""

from __future__ import annotations

import json
from typing import Any

from verify.kernel.verdict import require
from verify.reading.stored import read_json
from verify.reading.wording import shown


class Claims:
    """Hands out the claims in their order. Nothing in them is believed.

    Attributes:
        all: the claims as they stand.
    """

    def __init__(self, raw: Any):
        claims = read_json(raw, "certificate.json")
        require(type(claims) is list, "certificate.json is not a list of claims")
        text = "[\n" + ",\n".join(json.dumps(claim, sort_keys=True) for claim in claims) + "\n]\n"
        require(bytes(raw) == text.encode(), "certificate.json is not in its canonical form")
        self.all, self._rest = claims, iter(claims)

    def take(self, kind: str, *reported: str, **proven: int) -> Any:
        """The next claim: it must be of this kind, say what is proven, and beside that only what
        is reported.
        """
        found = next(self._rest, {"claim": "nothing more"})
        named = type(found) is dict and found.get("claim")
        require(
            named == kind,
            f"the certificate claims {shown(named)} where a claim of {kind} is needed",
        )
        require(
            set(found) == {"claim", *reported, *proven},
            f"{kind}: claims something about {shown(sorted(found))}",
        )
        for name, value in proven.items():
            same = found[name] == value and type(found[name]) is type(value)
            require(same, f"{kind}: {name} is {value}, claimed is {shown(found[name])}")
        return found

    def end(self) -> None:
        """Every claim was needed."""
        more = next(self._rest, None) is not None
        require(not more, "the certificate holds more claims than are needed")
