"""Numbers and lists as the report's sentences say them."""

from data.words import counted, listed
from orchestrator.report.statistics import LEVEL, Interval

__all__ = ["confidence", "counted", "listed", "number", "p_value", "span"]


def number(value: float, decimals: int = 2) -> str:
    """Write a number with some decimals, never as minus zero."""
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def span(ends: Interval, decimals: int = 2) -> str:
    """Write an interval as `0.09 to 0.15`."""
    return f"{number(ends.low, decimals)} to {number(ends.high, decimals)}"


def confidence(ends: Interval) -> str:
    """Write an interval as `95 % CI 0.09 to 0.15`."""
    return f"{LEVEL:.0%}".replace("%", " %") + f" CI {span(ends)}"


def p_value(p: float) -> str:
    """Write a p-value as `p = 0.012`, small ones as powers of ten."""
    if p < 1e-300:
        return "p < 1e-300"
    return f"p = {p:.2g}" if p >= 0.001 else f"p = {p:.0e}"
