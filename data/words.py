"""Numbers, durations and lists as messages say them."""

from collections.abc import Sequence


def counted(count: int, noun: str, plural: str = "") -> str:
    """Write `1 TF` or `1,044 TFs`; a plural that is more than an `s` is given."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {plural or noun + 's'}"


def listed(words: Sequence[str], limit: int = 20) -> str:
    """Write `a, b and c`; of more than `limit` words the first ones, and how many are left."""
    if len(words) > limit:
        return f"{', '.join(words[:limit])} and {len(words) - limit:,} more"
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def lasting(seconds: float) -> str:
    """Write a duration as `2.5 hours`, or in whole minutes or seconds where it is shorter."""
    if seconds >= 3600:
        hours = f"{seconds / 3600:,.1f}"
        return "1 hour" if hours == "1.0" else f"{hours} hours"
    if seconds >= 60:
        return counted(round(seconds / 60), "minute")
    return counted(max(round(seconds), 1), "second")
