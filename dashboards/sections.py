"""The parts of the page: each a heading, what is drawn, and how to read it.

What is not there yet has a sentence in its place.
"""

from __future__ import annotations

import pandas as pd

from dashboards import theme, words
from dashboards.figures import (
    champion,
    classes,
    curves,
    diversity,
    fitness,
    genes,
    hall_of_fame,
    outcomes,
    population,
    provenance,
    throughput,
)
from dashboards.figures.champion import Performance
from dashboards.markup import Html, join, tag
from dashboards.page import keys, plot, section
from dashboards.run import RunTables, at


def champion_section(
    tables: RunTables,
    selected: Performance | None,
    confirmed: Performance | None,
    hall: pd.DataFrame,
) -> Html:
    """The genome that the run is about: its figures, every seed of it, its genes."""
    known = [done for done in (selected, confirmed) if done is not None]
    if tables.champion is None or not known:
        return section("champion", tag("p", "There is none before a generation closes."))
    admitted = tables.champion in set(hall["genome_id"])
    bound = f"{100 * tables.rules.strictness:.0f} %"
    row = tables.genomes[tables.genomes["genome_id"] == tables.champion]
    colour = population.colours_of(row).get(tables.champion)
    swatch = hall_of_fame.swatch("rgb({},{},{})".format(*colour)) if colour else None
    seeds = plot(
        champion.draw_seeds(selected, confirmed),
        "seeds",
        f"Steps to grok of each seed: {champion.headline(selected, confirmed, tables.chosen)}",
        "A dot is a seed; hollow ones had not grokked at the horizon (dotted) and count as "
        "such. A diamond is the mean with its 95 % interval. Genomes are selected for "
        "being good on some seeds, so on those they look better than they are; only the "
        "confirmed figure, from seeds that evolution never saw, is to be published.",
    )
    return section(
        "champion",
        tag("p", swatch, tag("code", tables.champion), _standing(admitted, bound)),
        champion.champion_table(selected, confirmed),
        tag(
            "p",
            tag("small", f"A trial that does not grok counts as {known[0].horizon:,} steps."),
        ),
        seeds,
        tag("h3", "Its genes"),
        _genes(row),
    )


def _standing(admitted: bool, bound: str) -> str:
    if admitted:
        return ", in the Hall of Fame"
    return f", not in the Hall of Fame, whose bound is {bound}"


def _genes(row: pd.DataFrame) -> Html:
    if row.empty:
        return tag("p", "Its genes cannot be read.")
    return genes.gene_table(genes.gene_places(row.iloc[0].to_dict()))


def evolution_section(tables: RunTables) -> Html:
    """What happened over the generations."""
    landscape, horizon = tables.rules.landscape, tables.rules.horizon
    history = fitness.fitness_history(tables.generations, landscape)
    if history.empty or horizon is None:
        return section("evolution", tag("p", "No generation has closed yet."))
    measure, first, last = (
        words.LANDSCAPES[landscape].measure,
        history.iloc[0],
        history.iloc[-1],
    )
    said = [words.fitness(h["best"], h["best_se"], landscape) for h in (first, last)]
    colours = population.population_colours(tables.generations, tables.genomes, landscape)
    variety = diversity.diversity_history(tables.generations, tables.genomes)
    return section(
        "evolution",
        keys({"best": fitness.BEST, "median": fitness.MEDIAN, "success rate": fitness.RATE}),
        plot(
            fitness.draw_fitness(history, landscape, horizon),
            "fitness",
            f"Fitness by generation. The best {measure}: first {said[0]}, last {said[1]}.",
            _fitness_caption(history, landscape),
        ),
        tag("h3", "The population as colours"),
        plot(
            population.draw_population(colours),
            "population",
            f"A row of {words.counted(colours.genomes, 'coloured cell')} for each of "
            f"{words.counted(colours.generations, 'generation')}, best genome first.",
            "Each cell is a genome and each row a generation, its best genome on the left. "
            "Three fixed directions of the gene space are red, green and blue, so related "
            "genomes have similar colours: one sees families take over, and newcomers arrive."
            + (" Of many genomes and generations, evenly spaced ones." * colours.thinned),
        ),
        _variety(variety),
    )


def _fitness_caption(history: pd.DataFrame, landscape: str) -> str:
    """How to read the history of a landscape."""
    own = {
        "sprinter": "The dotted line is the horizon: a genome there grokked on no seed.",
        "tank": "Lower bounds are Wilson's, so few trials alone keep them low.",
        "sniper": "A hollow mark is a best genome that has not passed the gate of reliability.",
    }[landscape]
    trials = history["trials"]
    low, high = f"{trials.min():,}", f"{trials.max():,}"
    each = low if low == high else f"{low} to {high}"
    return (
        f"Above, bars are ± one standard error over a genome's seeds. {own} The best of a "
        "generation was chosen for these very trials, so it looks better than it is. Below, "
        f"the share of all trials of a generation ({each} each) with its 95 % interval."
    )


def _variety(history: pd.DataFrame) -> Html | None:
    if history.empty:
        return None
    ends = f"{history['diversity'].iloc[0]:.2f} first, {history['diversity'].iloc[-1]:.2f} last"
    return plot(
        diversity.draw_diversity(history),
        "diversity",
        f"Diversity by generation: {ends}.",
        "The mean distance between two genomes of a generation, as a share of that in a random "
        "population; all pairs are counted, so it has no sampling error. Clones have 0.",
    )


def learning_section(tables: RunTables) -> Html:
    """The champion's curves: of the seeds it was confirmed on, if it was."""
    own = tables.confirmed if len(tables.confirmed) else tables.selected
    learned = curves.learning(own, tables.curves, tables.rules.horizon or 0)
    if not learned.count:
        return section(
            "learning",
            tag("p", "There are no curves of a champion to show."),
        )
    shown = min(learned.count, curves.MOST_SEEDS)
    seeds = "new seeds" if len(tables.confirmed) else "the seeds it was selected on"
    grokked = int((learned.grokked < float("inf")).sum())
    return section(
        "learning",
        keys({"train": curves.TRAIN, "validation": curves.VALIDATION}),
        plot(
            curves.draw_learning(learned),
            "curves",
            f"Accuracy and loss of the champion on {words.counted(learned.count, 'seed')}, "
            f"train and validation; {grokked} grokked.",
            f"The champion on {seeds}: a thin line is a seed ({shown} of {learned.count:,} are "
            "drawn), a thick one the median of all, in which a seed that has ended keeps its "
            "last value. Ticks mark when each seed memorised (train accuracy holds 99 %, "
            "below) and grokked (validation accuracy holds 99 %, above); dashed lines, when "
            f"half of all seeds had. {words.share(grokked, learned.count)} grokked.",
        ),
    )


def hall_section(tables: RunTables, hall: pd.DataFrame) -> Html:
    """Who has shown to be reliable."""
    bound = f"{100 * tables.rules.strictness:.0f} %"
    door = (
        f"Genomes whose success rate is at least {bound} with 97.5 % confidence, by all their "
        f"trials in this run; ranked as {tables.rules.landscape}. "
    )
    if hall.empty:
        return section("hall", tag("p", door, "None has shown that yet."))
    shown = min(len(hall), hall_of_fame.MOST_GENOMES)
    count = f"There are {len(hall):,} of them; the table shows {shown}."
    return section("hall", tag("p", door, count), hall_of_fame.draw_hall(hall))


def trials_section(tables: RunTables) -> Html:
    """How trials ended, how they learned, and what they took."""
    if tables.trials.empty or tables.rules.horizon is None:
        return section("trials", tag("p", "No trial has finished yet."))
    ended = outcomes.outcomes(tables.trials, tables.rules.horizon)
    totals = ended[list(theme.OUTCOMES)].sum()
    said = ", ".join(f"{count:,} {name}" for name, count in totals.items() if count)
    kinds = classes.learning_classes(tables.trials)
    return section(
        "trials",
        tag("h3", "How they ended"),
        keys({name: theme.OUTCOMES[name] for name in theme.OUTCOMES if totals[name]}),
        plot(
            outcomes.draw_outcomes(ended),
            "outcomes",
            f"Outcomes of trials by generation; in all {said}.",
            f"Of {words.counted(len(tables.trials), 'trial')}: {said}. Censored ones had not "
            f"grokked at the horizon of {tables.rules.horizon:,} steps; failed ones are the "
            "machine's fault and count for nobody.",
        ),
        _kinds(kinds),
        tag("h3", "What they took"),
        plot(
            throughput.draw_pace(throughput.pace(tables.trials)),
            "pace",
            "Training steps by generation.",
            "Steps of all trials of a generation. Fewer steps for as many trials means that "
            "more of them grokked early, or diverged.",
        ),
        throughput.work_table(_work(tables)),
        tag(
            "p",
            tag(
                "small",
                "Trials for evolution and on new seeds together. Many slots train at once, so "
                "time in slots is more than the time that passed; that includes pauses, so a "
                "pace is a lower bound.",
            ),
        ),
    )


def _kinds(kinds: pd.DataFrame) -> Html | None:
    if kinds.empty:
        return None
    top = kinds.iloc[0]
    return join(
        tag("h3", "How they learned"),
        plot(
            classes.draw_classes(kinds),
            "classes",
            f"Learning classes; most frequent: {top['learning_class']}, "
            f"{words.share(top['count'], top['trials'])}.",
            f"Learning classes of {words.counted(int(top['trials']), 'trial')}, with 95 % "
            "intervals that take trials as independent. A Grokker memorises first and "
            "understands much later; a Smooth Learner does both together; an Underfitter does "
            "neither.",
        ),
    )


def _work(tables: RunTables) -> throughput.Work:
    every = pd.concat([tables.trials, tables.confirmed], ignore_index=True)
    return throughput.work(every, tables.manifest)


def run_section(tables: RunTables) -> Html:
    """What is needed to do it again."""
    return section(
        "run",
        provenance.draw_facts(provenance.run_facts(tables)),
        provenance.draw_config(at(tables.manifest, "config")),
    )
