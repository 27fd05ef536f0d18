"""Where the time of a run goes, by PyTorch's own profiler."""

from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile

OPERATORS = 8  # named one by one; the others are summed


def where_time_goes(run: Callable[[], object]) -> dict[str, float]:
    """Return the shares of the largest operators in the processor time of all, for one run.

    An operator's time is its own, without that of operators it calls. Python between the operators
    is not in it. The profiler itself slows small operators most.
    """
    run()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        run()
    times = {of.key: of.self_cpu_time_total for of in profiler.key_averages()}
    total = sum(times.values())
    largest = sorted(times, key=times.get, reverse=True)[:OPERATORS]
    shares = {name: round(times[name] / total, 3) for name in largest}
    return shares | {"all others": round(1 - sum(shares.values()), 3)}
