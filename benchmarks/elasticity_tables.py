"""The verdict of benchmarks/elasticity.py: ours against each other rule, as Markdown."""

import math
from collections import Counter
from collections.abc import Iterator

from elasticity_aims import BUDGET
from elasticity_cells import KNOWN, SETTINGS, WORKLOADS
from elasticity_choice import CLEARLY, TOLERANCE, candidates, ranked, ratios

NEAR = 1.5
Results = dict[str, list[dict]]


def match(row: dict, policy: str) -> tuple[str, float, float]:
    """Return the objective that the choosing seeds set against a rule, and the ratios on the reporting seeds."""
    aim = ranked(row, policy)[0]
    return aim, *ratios(row["ours"][aim]["report"], row["known"][policy]["report"])


def nearest(row: dict, policy: str, *, without: str = "") -> tuple[str, float, float]:
    """Return the candidate that does best against a rule on the reporting seeds, and its ratios."""
    fit = [aim for aim in candidates(row, policy) if not without or without not in aim]
    other = row["known"][policy]["report"]
    pairs = {aim: ratios(row["ours"][aim]["report"], other) for aim in fit}
    aim = min(pairs, key=lambda one: max(pairs[one]))
    return aim, *pairs[aim]


def missed(row: dict, *, without: str = "") -> list[str]:
    """Return the rules that no candidate is no worse than; leave out objectives `without` some word."""
    return [policy for policy in KNOWN if max(nearest(row, policy, without=without)[1:]) > TOLERANCE]


def unreached(row: dict) -> list[str]:
    """Return the rules that no objective is no worse than, of all that were reported for the workload."""
    tried = [cell["report"] for cell in row["ours"].values() if "report" in cell]
    others = {policy: row["known"][policy]["report"] for policy in KNOWN}
    return [policy for policy in KNOWN if min(max(ratios(one, others[policy])) for one in tried) > TOLERANCE]


def tables(results: Results) -> str:
    """Return all figures, then who is missed, by fleet."""
    return "\n".join(part for key, rows in results.items() for part in (*_figures(key, rows), *_verdict(rows)))


def _figures(key: str, rows: list[dict]) -> Iterator[str]:
    setting = SETTINGS[key]
    for service in setting.services:
        yield f"\n### Work {service}, {setting.title}\n"
        yield "| workload | " + " | ".join((*KNOWN, *(f"**ours** {aim} s" for aim in setting.shown))) + " |"
        yield "|---" * (len(KNOWN) + len(setting.shown) + 1) + "|"
        for row in rows:
            if row["service"] == service:
                cells = [row["known"][policy]["report"] for policy in KNOWN]
                cells += [row["ours"][aim]["report"] for aim in setting.shown]
                yield f"| {row['workload']} | " + " | ".join(map(_figure, cells)) + " |"


def _figure(cell: dict[str, float]) -> str:
    digits = 2 if cell["p99"] < 10 else 0
    return f"{cell['p99']:.{digits}f} / {cell['instance_s']:,.0f}"


def _verdict(rows: list[dict]) -> Iterator[str]:
    yield "\n| work, workload | chosen | curve | missed: p99, cost, ours by theirs; clairvoyant's | by clairvoyant |"
    yield "|---|---|---|---|---|"
    for row in rows:
        chosen = sum(max(match(row, policy)[1:]) <= TOLERANCE for policy in KNOWN)
        misses = missed(row)
        bounds = ", ".join(_nearness(aim, bound) for aim, bound in row["bound"].items())
        yield (
            f"| {row['service']} {row['workload']} | {chosen} of {len(KNOWN)} | {len(KNOWN) - len(misses)} | "
            f"{'; '.join(_miss(row, policy) for policy in misses) or 'none'} | {bounds} |"
        )


def _miss(row: dict, policy: str) -> str:
    aim, wait, cost = nearest(row, policy)
    room = row["missed"][policy]
    notes = [f"{room['clairvoyant']:.2f}"]
    notes += [f"at least {room['chance']:.2f}"] if room["chance"] > room["clairvoyant"] else []
    notes += [f"reference {room['reference']:.2f}"] if 0 < room["reference"] < math.inf else []
    return f"{policy} ({aim} s: {wait:.2f}, {cost:.2f}; {', '.join(notes)})"


def _nearness(aim: str, bound: dict[str, float]) -> str:
    ratio = bound["instance_s"] / bound["clairvoyant"]
    chance = bound["chance"] / bound["clairvoyant"]
    notes = [f"at least {chance:.2f}"] if ratio > NEAR and chance > 1 else []
    if ratio > NEAR and 0 < bound["reference"] < math.inf:
        notes.append(f"reference {bound['reference'] / bound['clairvoyant']:.2f}")
    return f"{ratio:.2f} at {aim} s" + (f" ({', '.join(notes)})" if notes else "")


def summary(results: Results) -> str:
    """Return one line a fleet: how often ours is no worse, clearly better, and near the clairvoyant."""
    columns = (
        *("fleet", "comparisons", "no worse, chosen before", "of these clearly better", "no worse, on the curve"),
        *("the same without a budget", "no worse with any reported", "no worse at the default"),
        *("worse on both at the default", "within 1.5 x of the clairvoyant", "beyond, where chance forbids it"),
        "workloads with an objective within",
    )
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for key, rows in results.items():
        pairs = [match(row, policy)[1:] for row in rows for policy in KNOWN]
        fine = [pair for pair in pairs if max(pair) <= TOLERANCE]
        clear = sum(min(pair) <= CLEARLY for pair in fine)
        curve = len(pairs) - sum(len(missed(row)) for row in rows)
        unbudgeted = len(pairs) - sum(len(missed(row, without=BUDGET)) for row in rows)
        reached = len(pairs) - sum(len(unreached(row)) for row in rows)
        default = SETTINGS[key].shown[0]
        usual = [
            ratios(row["ours"][default]["report"], row["known"][policy]["report"]) for row in rows for policy in KNOWN
        ]
        unchosen = sum(max(pair) <= TOLERANCE for pair in usual)
        dominated = sum(min(pair) > TOLERANCE for pair in usual)
        bounds = [row["bound"][aim] for row in rows for aim in SETTINGS[key].shown]
        near = sum(bound["instance_s"] <= NEAR * bound["clairvoyant"] for bound in bounds)
        never = sum(NEAR * bound["clairvoyant"] < min(bound["chance"], bound["instance_s"]) for bound in bounds)
        within = sum(any(b["instance_s"] <= NEAR * b["clairvoyant"] for b in row["bound"].values()) for row in rows)
        lines.append(
            f"| {key} | {len(pairs)} | {_share(len(fine), pairs)} | {_share(clear, pairs)} | {_share(curve, pairs)} | "
            f"{_share(unbudgeted, pairs)} | {_share(reached, pairs)} | {_share(unchosen, pairs)} | "
            f"{_share(dominated, pairs)} | "
            f"{_share(near, bounds)} | {_share(never, bounds)} | {_share(within, rows)} |"
        )
    return "\n".join(lines)


def lateness(results: Results) -> str:
    """Return how many percent of the requests wait longer than the objective, by workload, fleet and work."""
    fleets = [(key, service) for key in results for service in SETTINGS[key].services]
    rows = {(key, row["service"], row["workload"]): row["ours"] for key, fleet in results.items() for row in fleet}
    heads = [f"{key} {service}<br>{' / '.join(SETTINGS[key].shown)} s" for key, service in fleets]
    lines = [f"| workload | {' | '.join(heads)} |", "|---" * (len(fleets) + 1) + "|"]
    for name in WORKLOADS:
        cells = [
            " / ".join(f"{rows[key, service, name][aim]['report']['late']:.1f}" for aim in SETTINGS[key].shown)
            for key, service in fleets
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def shortfalls(results: Results) -> str:
    """Return how many comparisons are missed, by workload."""
    rows = [row for fleet in results.values() for row in fleet]
    counts = Counter(row["workload"] for row in rows for _ in missed(row))
    kinds = ", ".join(f"{name} {count}" for name, count in counts.most_common())
    return f"{counts.total()} of {len(rows) * len(KNOWN)} comparisons are missed{': ' if kinds else ''}{kinds}."


def _share(count: int, whole: list) -> str:
    return f"{count} ({count / len(whole):.0%})"
