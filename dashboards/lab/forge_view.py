"""The forge as a browser shows it: radar, gene by gene, the child, what is predicted of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from dash import Patch, dcc, html

from dashboards import theme, words
from dashboards.figures.genes import value_in_words
from dashboards.figures.radar import draw_radar, outlines
from dashboards.forge import PREDICTED, trust_in_words
from dashboards.lab.choosing import party_of
from dashboards.lab.sources import Sources
from dashboards.lab.splicing import Splicing, digits, position, steps, value_at
from dashboards.markup import in_figure
from speciation.analysis.forge import Comparison, Forged, Party, compare, gene_table
from speciation.analysis.parties import PartyError
from speciation.analysis.surrogate import Prediction, Surrogate
from speciation.genome.envelope import GenomeError
from speciation.genome.genes import Gene
from speciation.genome.genome import Genome
from speciation.tables.files import StoreError

CHILD = 1
"""The child's place among the outlines, behind the recipient."""

OF_RECIPIENT = -1
"""In place of a donor's number: the recipient's own gene."""


TROUBLE = (GenomeError, PartyError, StoreError)
"""What may be wrong with what somebody chose: each says it in one sentence."""


@dataclass(frozen=True)
class Scene:
    """All that the page shows of a child in the making."""

    made: Splicing
    recipient: Party
    donors: tuple[Party, ...]
    child: Forged

    @property
    def genes(self) -> tuple[Gene, ...]:
        """Of the recipient's kind."""
        return gene_table(self.recipient.genome).genes

    @property
    def genomes(self) -> list[Genome]:
        """Of the recipient, the child, and the donors."""
        donors = (own.genome for own in self.donors)
        return [self.recipient.genome, self.child.genome, *donors]

    @property
    def comparison(self) -> Comparison:
        """The recipient, the child, and the donors."""
        return compare(self.recipient, [Party("child", self.child.genome), *self.donors])


def scene_of(sources: Sources, made: Splicing) -> Scene:
    """Everybody on the forge, and the child.

    Raises:
        GenomeError: A genome is not found, or a gene or value is none.
        PartyError: A genome is not found.
        StoreError: The store cannot be read.
    """
    parties = {own: party_of(sources, own) for own in (made.recipient, *made.donors)}
    donors = tuple(parties[own] for own in made.donors)
    return Scene(made, parties[made.recipient], donors, made.child(parties))


def menu(
    name: str, label: str, choices: list[dict[str, str]], chosen: Any, *, multi: bool = False
) -> html.Label:
    """A menu of genomes that is searched by typing."""
    return html.Label(
        [
            html.Span(label),
            dcc.Dropdown(
                id=name,
                options=choices,
                value=chosen,
                multi=multi,
                placeholder="Name, tag or beginning of an id",
            ),
        ]
    )


# -- Radar ----------------------------------------------------------------------------------


def radar(scene: Scene) -> go.Figure:
    """Recipient, child and donors."""
    figure = draw_radar(scene.comparison)
    figure.layout.height = None
    return figure.update_layout(uirevision="radar", margin={"l": 76, "r": 76})


def radar_moved(scene: Scene) -> Patch:
    """The same radar with another child: its trace, and nothing else."""
    own = outlines(scene.comparison)[CHILD]
    closed = [*range(len(own.said)), 0]
    patch = Patch()
    patch["data"][CHILD]["r"] = [float(own.radius[k]) for k in closed]
    patch["data"][CHILD]["customdata"] = [[in_figure(own.said[k])] for k in closed]
    return patch


def legend(scene: Scene) -> list[html.Li]:
    """Whose colour is which."""
    names = (scene.recipient.name, "child", *(own.name for own in scene.donors))
    return [
        html.Li([html.I(style={"background": colour}), name])
        for name, colour in zip(names, theme.SPECIES, strict=False)
    ]


# -- Gene by gene ---------------------------------------------------------------------------


def table(scene: Scene) -> list[Any]:
    """Genes as rows under their groups: whose value is which, and the child's to change."""
    names = (scene.recipient.name, *(own.name for own in scene.donors))
    head = html.Tr([html.Th("gene", scope="col"), *map(_column, names), _column("child")])
    groups = gene_table(scene.recipient.genome).groups
    bodies = [
        html.Tbody([_group(scene, group), *(_row(scene, scene.genes[i]) for i in columns)])
        for group, columns in groups.items()
    ]
    return [html.Thead(head), *bodies]


def _column(name: str) -> html.Th:
    return html.Th(name, scope="col")


def _group(scene: Scene, group: str) -> html.Tr:
    return html.Tr(
        [
            html.Th(group, scope="rowgroup"),
            html.Td(
                _take(OF_RECIPIENT, group, "all", f"All {group} as the recipient has it"),
                style=_mark(0),
            ),
            *(
                html.Td(
                    _take(i, group, "all", f"Transfer all {group} of {own.name}"),
                    style=_mark(CHILD + 1 + i),
                )
                for i, own in enumerate(scene.donors)
            ),
            html.Td(),
        ],
        className="group",
    )


def _row(scene: Scene, gene: Gene) -> html.Tr:
    name, own = _plain(gene), scene.recipient.genome.gene(gene.name)
    source = "by hand" if gene.name in scene.made.values else scene.made.taken.get(gene.name)
    kept = _take(
        OF_RECIPIENT,
        gene.name,
        value_in_words(gene, own),
        f"{name} as the recipient has it",
        source is None,
    )
    cells = [html.Td(kept, style=_mark(0))]
    for i, donor in enumerate(scene.donors):
        value = donor.genome.gene(gene.name)
        told = f"Transfer {name} of {donor.name}"
        button = _take(
            i, gene.name, value_in_words(gene, value), told, source == donor.genome.id
        )
        look = "same" if value == own else "other"
        cells.append(html.Td(button, className=look, style=_mark(CHILD + 1 + i)))
    head = html.Th([name, html.Small(gene.meaning)], scope="row")
    return html.Tr([head, *cells, html.Td(_slider(scene, gene))])


def _mark(outline: int) -> dict[str, str]:
    """The colour of an outline on the radar, where columns have no room for names."""
    return {"--mark": theme.SPECIES[outline]}


def _plain(gene: Gene) -> str:
    return gene.name.replace("_", " ")


def _take(donor: int, genes: str, text: str, told: str, here: bool = False) -> html.Button:
    attributes: Any = {"aria-label": f"{told}: {text}", "aria-pressed": str(here).lower()}
    return html.Button(
        text,
        id={"kind": "take", "donor": donor, "genes": genes},
        title=told,
        className="take now" if here else "take",
        **attributes,
    )


def _slider(scene: Scene, gene: Gene) -> html.Div:
    """A slider on the gene's own scale, and a box for the exact value.

    What the box says at each place of the slider goes along, so it follows without a request.
    """
    count, value, name = steps(gene), scene.child.genome.gene(gene.name), _plain(gene)
    said = [digits(value_at(gene, place)) for place in range(count + 1)]
    told: Any = {"data-said": json.dumps(said), "data-place": str(scene.genes.index(gene))}
    slider = dcc.Input(
        id={"kind": "slide", "gene": gene.name},
        type="range",
        min=0,
        max=count,
        step=1,
        value=position(gene, value),
        debounce=0.2,
    )
    box = dcc.Input(
        id={"kind": "value", "gene": gene.name},
        type="text",
        value=digits(value),
        debounce=True,
        maxLength=24,
        autoComplete="off",
    )
    return html.Div(
        [
            html.Label([html.Span(f"{name}, {gene.scale} scale", className="unseen"), slider]),
            html.Label(
                [html.Span(f"{name}, {gene.describe_range()}", className="unseen"), box],
                title=gene.describe_range(),
            ),
        ],
        className="splice",
        **told,
    )


# -- The child ------------------------------------------------------------------------------


def child(scene: Scene) -> list[Any]:
    """Who it is, and how far from its recipient."""
    changed = scene.child.changed
    apart = scene.comparison.distances[CHILD]
    said = "No gene differs yet: the child is its recipient."
    if changed:
        listed = ", ".join(name.replace("_", " ") for name in changed[:6])
        rest = f" and {len(changed) - 6} more" if len(changed) > 6 else ""
        said = (
            f"Differs from its recipient in {words.counted(len(changed), 'gene')} ({listed}"
            f"{rest}), at a distance of {apart:.2f}."
        )
    return [html.P(html.Code(scene.child.genome.id)), html.P(said, className="faint")]


def prediction(learned: Surrogate, named: Sequence[tuple[str, Prediction]]) -> list[Any]:
    """What is predicted, called so."""
    head = html.Tr([html.Th(name, scope="col") for name in PREDICTED])
    rows = [
        html.Tr(
            [
                html.Th(name, scope="row"),
                html.Td(f"{own.median:,.0f}"),
                html.Td(f"{own.low:,.0f} to {own.high:,.0f}"),
                html.Td(f"{own.nearest:.2f}"),
            ]
        )
        for name, own in named
    ]
    return [
        html.H2("Predicted, not measured"),
        html.Table([html.Thead(head), html.Tbody(rows)], className="guess"),
        html.P(trust_in_words(learned), className="faint"),
    ]


def no_prediction(sentence: str) -> list[Any]:
    """Why nothing is predicted."""
    return [html.H2("No prediction"), html.P(words.sentence(sentence), className="faint")]
