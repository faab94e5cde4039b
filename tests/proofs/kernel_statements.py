"""The theorems of verify/proofs, and damaged ones that must be refused."""

from statements import Proofs

KERNEL = Proofs("verify/proofs", (), ())
