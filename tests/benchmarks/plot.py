"""The plot of how fast the programs are, without latency and with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from matplotlib import rc_context
from matplotlib.figure import Figure

from tests.benchmarks.experiments import Medians, experiments
from tests.benchmarks.programs import FLOOR

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from matplotlib.axes import Axes

    from tests.benchmarks.results import Result, Results

_OURS, _OTHERS, _FLOOR, _INK = "#0b7285", "#ced4da", "#f8f9fa", "#212529"
_STYLE = {
    "font.family": "DejaVu Sans",  # which matplotlib brings along
    "font.size": 10,
    "text.color": _INK,
    "ytick.color": _INK,
    "hatch.color": "#868e96",
    "hatch.linewidth": 0.6,
    # The same figures make the same file
    "svg.hashsalt": "tap-cube",
}


class _Panel(NamedTuple):
    """How an experiment is shown: the bar of the seconds that so many customers took."""

    title: str
    bar: Callable[[float, int], float]
    label: str
    longest_first: bool


_PANELS = {
    "throughput": _Panel(
        "Records/s, longer is better",
        lambda seconds, customers: customers / seconds,
        " {:,.0f}",
        longest_first=True,
    ),
    "latency": _Panel(
        "Seconds, shorter is better", lambda seconds, _: seconds, " {:.1f}", longest_first=False
    ),
}


def plot(results: Results, file: Path) -> None:
    """Draw the two as an SVG, as far as they were measured."""
    drawn = {name: results[name] for name in _PANELS if name in results}
    if not drawn:
        return
    rows = [len(result.figures) for result in drawn.values()]
    with rc_context(_STYLE):
        figure = Figure(figsize=(8.5, sum(rows) * 0.34 + len(rows) * 0.7))
        figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.12)
        axes = figure.subplots(len(drawn), squeeze=False, height_ratios=rows)[:, 0]
        for one, (name, result) in zip(axes, drawn.items(), strict=True):
            _draw(one, name, result)
        figure.savefig(file, metadata={"Date": None})


def _draw(axes: Axes, name: str, result: Result) -> None:
    (experiment,) = (each for each in experiments(result.scale) if each.name == name)
    panel, medians = _PANELS[name], Medians(result.figures)
    bars = [
        (panel.bar(medians.seconds(case.name), case.load.customers), case.name)
        for case in experiment.cases
        if case.name in medians
    ]
    # The first bar is drawn at the bottom
    lengths, names = zip(*sorted(bars, reverse=not panel.longest_first), strict=True)
    drawn = axes.barh(names, lengths, height=0.72, color=_OTHERS)
    for bar, program in zip(drawn, names, strict=True):
        if program.startswith("tap-cube"):
            bar.set_color(_OURS)
        elif program == FLOOR.name:
            bar.set(facecolor=_FLOOR, hatch="////")
    axes.bar_label(drawn, [panel.label.format(length) for length in lengths])
    scaled = ", scaled" if result.scale != 1 else ""
    title = f"{panel.title}: {experiment.title}{scaled}"
    axes.set_title(title, loc="left", fontsize=10, weight="bold")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xticks([])
    axes.margins(x=0.1, y=0.02)
