"""A place for jobs that finish in an order that is drawn, and that remembers what ran together."""

import concurrent.futures
from concurrent.futures import Future

from verify.runner.places import Here


class Simulated(Here):
    """Jobs are done in this process, when the runner waits: one that is drawn, or the first.

    `seen`: the costs of the jobs that were running at the same time, at each moment.
    """

    def __init__(self, workers, memory, draws):
        super().__init__(None, workers, memory)
        self.draws, self.seen, self.running = draws, [], []

    def submit(self, cost, function, *arguments):
        future = _Later(self, cost, lambda: function(*arguments))
        self.running.append(future)
        self.seen.append([one.cost for one in self.running])
        return future

    def finish_one(self):
        at = 0 if self.draws is None else self.draws.randrange(len(self.running))
        future = self.running.pop(at)
        future.set_result(future.call())
        return future


class _Later(Future):
    """What a simulated place will do."""

    def __init__(self, place, cost, call):
        super().__init__()
        self.place, self.cost, self.call = place, cost, call


def wait(futures, timeout, return_when):
    """In place of `concurrent.futures.wait`: lets a simulated place finish a job."""
    for future in futures:
        if isinstance(future, _Later):
            return {future.place.finish_one()}, set()
    return concurrent.futures.wait(futures, timeout, return_when)
