"""What a client of a cluster says, without any cluster."""

from verify.runner.same_code import difference, meant

MEANT = meant()


class Scheduler:
    """What a client says that has so many workers, of which some are unfit."""

    status = "running"

    def __init__(self, workers, other_code=(), threads=()):
        self.workers, self.other_code, self.threads = workers, other_code, threads

    def scheduler_info(self, n_workers):
        return {
            "workers": {
                f"worker {n}": {"memory_limit": None, "nthreads": 1 + (n in self.threads)}
                for n in range(self.workers)
            }
        }

    def run(self, function, code, workers):
        assert (function, code) == (difference, MEANT)
        return {name: "it is old" * (int(name.split()[1]) in self.other_code) for name in workers}
