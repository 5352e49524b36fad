"""Back-off between attempts: exponential with full jitter.

Source: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: full jitter spreads the clients of a
server that comes back evenly over the interval.
"""


def backoff_s(attempt: int, *, first_s: float = 0.1, most_s: float = 5.0, random: float) -> float:
    """Return how long to wait before an attempt.

    Args:
        attempt: 0 for the first repetition.
        first_s: longest wait before the first repetition; doubles with each.
        most_s: longest wait of all.
        random: uniform in [0, 1), from the caller.
    """
    return min(most_s, first_s * 2.0 ** min(attempt, 32)) * random
