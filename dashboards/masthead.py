"""The top of the page: the run's colours, its result in a sentence, a few numbers."""

from __future__ import annotations

from dashboards import words
from dashboards.figures import fitness, population, provenance
from dashboards.figures.champion import Performance, headline
from dashboards.markup import Html, join, tag
from dashboards.page import ANCHORS, tiles
from dashboards.run import RunTables, at


def band(tables: RunTables) -> Html:
    """The latest generation's colours, best first: no two runs look alike."""
    last = tables.generations["generation"].max()
    latest = tables.generations[tables.generations["generation"] == last].sort_values("rank")
    colour = population.colours_of(tables.genomes)
    stops = [
        "rgb({},{},{})".format(*colour[own]) for own in latest["genome_id"] if own in colour
    ]
    shown = ",".join(stops[:64] if len(stops) > 1 else stops * 2)
    style = f"background:linear-gradient(90deg,{shown})" if shown else None
    return tag("div", class_="band", style=style, aria_hidden="true")


def header(
    tables: RunTables,
    selected: Performance | None,
    confirmed: Performance | None,
) -> Html:
    """The headline and what is needed to understand it."""
    manifest, rules = tables.manifest, tables.rules
    when = str(manifest.get("created", ""))[:10]
    told = (manifest.get("status", "status unknown"), f"begun on {when}" if when else None)
    aim = words.LANDSCAPES[rules.landscape].aim
    links = (tag("a", title, href=f"#{anchor}") for anchor, title in ANCHORS.items())
    facts = provenance.run_facts(tables)
    return tag(
        "header",
        tag(
            "p",
            "Run ",
            tag("b", tables.run),
            *(join(" · ", str(part)) for part in told if part),
            class_="eyebrow",
        ),
        tag("h1", headline(selected, confirmed, chosen=tables.chosen)),
        tag(
            "p",
            f"Transformers learn {facts['task']}. " if "task" in facts else None,
            f"The {rules.landscape} landscape looks for {aim}.",
            class_="lead",
        ),
        *_notes(tables),
        tiles(_glance(tables)),
        tag("nav", *links, aria_label="Parts of this page"),
    )


def _notes(tables: RunTables) -> list[Html]:
    """What a reader must know before believing a number."""
    notes = []
    if tables.manifest.get("status") != "finished":
        closed = words.counted(tables.generations["generation"].nunique(), "closed generation")
        notes.append(f"This run has not finished; it has {closed}.")
    notes += [f"Left out: {sentence}." for sentence in tables.damaged]
    return [tag("p", note, class_="note") for note in notes]


def _glance(tables: RunTables) -> dict[str, tuple[str, str]]:
    """Four numbers, each with what it is of."""
    generations, trials = tables.generations, tables.trials
    history = fitness.fitness_history(generations, tables.rules.landscape)
    planned = at(tables.manifest, "config", "evolution", "generations")
    facts = {
        "generations": (
            f"{generations['generation'].nunique():,}",
            f"closed, of {planned} planned",
        ),
        "genomes": (f"{generations['genome_id'].nunique():,}", "different ones, judged"),
        "trials": (
            f"{len(trials):,}",
            f"for evolution, and {len(tables.confirmed):,} on new seeds",
        ),
    }
    if len(history):
        last = history.iloc[-1]
        facts["grokked, latest generation"] = (
            f"{100 * last['rate']:.0f} %",
            words.share(last["successes"], last["trials"]),
        )
    return facts
