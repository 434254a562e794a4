"""How different the genomes of each generation are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboards import theme, words
from dashboards.thinning import evenly
from speciation.genome.diversity import diversity_index
from speciation.genome.genome import Genomes, kind_named

MOST_GENERATIONS = 400


def diversity_history(generations: pd.DataFrame, genomes: pd.DataFrame) -> pd.DataFrame:
    """The diversity of each generation, of those genomes that can be read.

    Args:
        generations: Closed generations of one run, a row a genome.
        genomes: Their genes and births.

    Returns:
        A row a generation: ``generation, genomes, diversity``.
    """
    rows = []
    if len(genomes):
        kind = str(genomes["kind"].iloc[0])
        values = genomes.set_index("genome_id")[list(kind_named(kind).columns)]
        for generation, members in generations.groupby("generation"):
            known = values[values.index.isin(members["genome_id"])]
            population = Genomes(kind, known.to_numpy(dtype=np.float64))
            rows.append((generation, len(population), diversity_index(population)))
    return pd.DataFrame(rows, columns=["generation", "genomes", "diversity"])


def draw_diversity(history: pd.DataFrame) -> go.Figure:
    """One line; 1 is what a random population has."""
    history = history.iloc[evenly(len(history), MOST_GENERATIONS)]
    figure = theme.canvas(290)
    figure.add_hline(y=1, line={"color": theme.GREY, "dash": "dot", "width": 1}, layer="below")
    figure.add_trace(
        go.Scatter(
            x=history["generation"] + 1,
            y=history["diversity"],
            mode="lines+markers",
            line={"color": theme.PURPLE, "width": 2},
            marker={"size": 6},
            customdata=[words.counted(count, "genome") for count in history["genomes"]],
            hovertemplate="%{y:.2f} among %{customdata}<extra></extra>",
        )
    )
    theme.panel(figure, "diversity (random = 1)")
    return figure.update_layout(
        xaxis=theme.generation_axis(int(history["generation"].max()) + 1),
        yaxis={"rangemode": "tozero"},
    )
