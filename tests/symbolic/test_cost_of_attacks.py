"""What a series of attacks will take is estimated from the size of the folder."""

from dataclasses import replace

from verify.attacking.cost import SECONDS, cost
from verify.attacking.jobs import Attacks
from verify.attacking.kinds import KINDS


def test_every_kind_has_a_cost():
    assert list(SECONDS) == list(KINDS)


def test_more_attacks_on_a_larger_folder_take_longer(tmp_path):
    some = Attacks(str(tmp_path), "", "swaps", 0, 0, 10)
    (tmp_path / "weights.safetensors").write_bytes(bytes(1000))
    one = cost(some)
    assert cost(replace(some, each=20)).seconds == 2 * one.seconds
    (tmp_path / "weights.safetensors").write_bytes(bytes(10**6))
    assert cost(some).seconds > one.seconds
    assert cost(some).memory > one.memory


def test_a_folder_that_is_not_there_has_a_cost(tmp_path):
    assert cost(Attacks(str(tmp_path / "nowhere"), "", "flips", 0, 0, 10)).seconds > 0
