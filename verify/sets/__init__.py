"""A model that writes sets of answers, proven from its folder by the kernel's rules."""

from verify.sets.proof import is_one as is_one
from verify.sets.proof import prove as prove
