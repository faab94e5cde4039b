"""A trained model on a grid, proven from its folder: numpy and the standard library alone."""

from verify.rounded.folder import is_one as is_one
from verify.rounded.proof import prove as prove
