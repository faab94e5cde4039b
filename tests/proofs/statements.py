"""What the tests ask of a folder of Coq proofs: its theorems, and statements that must be refused."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Damage:
    """A change that makes a statement, or a definition, another one that is not proven.

    Attributes:
        file: of the folder, with its `.v`.
        old: text that occurs in it exactly once.
        new: what stands there instead; no proof is touched.
        why: what the change would claim.
    """

    file: str
    old: str
    new: str
    why: str


@dataclass(frozen=True)
class Proofs:
    """A folder of proofs.

    Attributes:
        folder: from the root of the repository.
        theorems: each as `file.theorem`; none may rest on an axiom.
        damages: each must be refused.
    """

    folder: str
    theorems: tuple[str, ...]
    damages: tuple[Damage, ...]
