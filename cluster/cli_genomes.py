"""Commands on genomes: ``library · forge · taxonomy · lineage · interpret · lab``.

All but ``interpret`` work where neither torch nor Ray is installed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from cluster.terminal import (
    PORT,
    Whole,
    bars,
    model_option,
    print_json,
    say,
    show_page,
    show_table,
    target,
)

if TYPE_CHECKING:
    from speciation.analysis.circuits import Anatomy
    from speciation.analysis.forge import Forged, Party
    from speciation.analysis.surrogate import Prediction, Surrogate
    from speciation.analysis.taxonomy import Taxonomy
    from speciation.genome.collection import Taken
    from speciation.genome.library import StoredGenome
    from speciation.tables.store import Store

DEFAULT_STORE = "results"

root_option = click.option(
    "--library",
    "root",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the library; by default, the project's.",
)
store_option = click.option(
    "--store", "uri", metavar="URI", help=f"Where results are; by default, {DEFAULT_STORE}."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
output_option = click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page: an HTML file.",
)
open_option = click.option("--open", "show", is_flag=True, help="Open the page in a browser.")


# -- Library --------------------------------------------------------------------------------


@click.group()
def library() -> None:
    """Keep genomes: list, name, tag, bring in, give out, join two libraries.

    Example:  [bold cyan]speciation library list adamw[/]
    """


@library.command("list")
@click.argument("text", required=False, default="")
@click.option("--tag", metavar="TAG", help="Only genomes with this tag.")
@click.option("--shelf", metavar="SHELF", help="Only genomes of this shelf.")
@root_option
@json_option
def list_genomes(
    text: str, tag: str | None, shelf: str | None, root: Path | None, as_json: bool
) -> None:
    """List genomes whose id begins with TEXT, or whose name, tags or source hold it.

    Example:  [bold cyan]speciation library list --shelf reference[/]
    """
    from cluster.parties import library_at
    from dashboards import words
    from speciation.genome.collection import search

    place = library_at(root)
    found = search(place, text, tag, shelf)
    if as_json:
        print_json([_stored(own) for own in found])
        return
    rows = [
        [
            own.genome.id[:8],
            own.name,
            place.shelf_of(own),
            ", ".join(own.tags),
            words.performance(own.provenance.get("selected")),
            words.performance(own.provenance.get("confirmed")),
        ]
        for own in found
    ]
    header = ["id", "name", "shelf", "tags", "selected", "confirmed"]
    show_table(f"library {place.root}", header, rows, worded=4)
    for sentence in place.refused:
        say(f"left out: {sentence}")


@library.command()
@click.argument("genome")
@root_option
def show(genome: str, root: Path | None) -> None:
    """Print a genome's file: its genes, its tags, and where it came from.

    Example:  [bold cyan]speciation library show tuned-adamw[/]
    """
    from cluster.parties import library_at
    from speciation.genome.collection import find

    print_json(_stored(find(library_at(root), genome)))


@library.command()
@click.argument("genome")
@click.argument("name")
@root_option
def rename(genome: str, name: str, root: Path | None) -> None:
    """Give a genome another name. Its file stays where it is.

    Example:  [bold cyan]speciation library rename c7771f82 'Old faithful'[/]
    """
    from cluster.parties import library_at
    from speciation.genome import collection

    stored = collection.rename(collection.find(library_at(root), genome), name)
    say(f"{stored.genome.id[:8]} is called {stored.name} now; its file is {stored.path}")


@library.command()
@click.argument("genome")
@click.argument("tags", nargs=-1, required=True)
@click.option("--drop", is_flag=True, help="Take these tags off.")
@root_option
def tag(genome: str, tags: tuple[str, ...], drop: bool, root: Path | None) -> None:
    """Put tags on a genome, or take them off.

    Example:  [bold cyan]speciation library tag tuned-adamw baseline[/]
    """
    from cluster.parties import library_at
    from speciation.genome import collection

    own = collection.find(library_at(root), genome)
    stored = collection.tag(own, add=() if drop else tags, drop=tags if drop else ())
    say(f"{stored.name}: {', '.join(stored.tags) or 'no tags'}")


@library.command("import")
@click.argument("sources", nargs=-1, required=True, metavar="FILE|FOLDER|ID…")
@click.option("--shelf", default="custom", show_default=True, help="Where to put them.")
@click.option("--name", help="What to call it, where it is one.")
@root_option
@store_option
@json_option
def import_genomes(
    sources: tuple[str, ...],
    shelf: str,
    name: str | None,
    root: Path | None,
    uri: str | None,
    as_json: bool,
) -> None:
    """Take in genome files, folders of them, or genomes of a store by the beginning of an id.

    What is here already stays as it is. A genome of a store brings with it where it came from:
    run, parents, operator, and its selected and confirmed figures.

    Example:  [bold cyan]speciation library import results/runs/mine/champion.json[/]
    """
    from cluster.launch import existing_store
    from cluster.parties import birth, library_at
    from speciation.genome import collection
    from speciation.tables.readers import genome_of

    taken = []
    for source in sources:
        place = library_at(root)
        if Path(source).exists() or source.endswith(".json"):
            taken.append(collection.take_in(place, source, shelf))
            continue
        store = existing_store(uri or DEFAULT_STORE)
        genome = genome_of(store, source)
        called = name or f"{genome.id[:8]} of {Path(store.uri).name}"
        told = birth(store, genome)
        stored, new = collection.add(place, genome, called, told, shelf=shelf)
        taken.append(collection.Taken((stored,) * new, (stored,) * (not new)))
    if name and len(taken) == 1 and len(taken[0].added) == 1:
        renamed = collection.rename(taken[0].added[0], name)
        taken = [collection.Taken((renamed,), ())]
    _show_taken(taken, as_json)


@library.command("export")
@click.argument("genomes", nargs=-1, required=True, metavar="GENOME…")
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder, made if need be.",
)
@root_option
def export_genomes(genomes: tuple[str, ...], folder: Path, root: Path | None) -> None:
    """Copy genomes as files to a folder.

    Example:  [bold cyan]speciation library export tuned-adamw --to /tmp/genomes[/]
    """
    from cluster.parties import library_at
    from speciation.genome.collection import find, put_out

    place = library_at(root)
    for path in put_out([find(place, word) for word in genomes], folder):
        say(f"wrote  {path}")


@library.command("merge")
@click.argument("other", type=click.Path(file_okay=False, path_type=Path))
@root_option
@json_option
def merge_libraries(other: Path, root: Path | None, as_json: bool) -> None:
    """Take everything that another library has, shelves and tags included. Twice does no harm.

    Example:  [bold cyan]speciation library merge /mnt/laptop/genomes[/]
    """
    from cluster.parties import library_at
    from speciation.genome.collection import take_in
    from speciation.genome.envelope import GenomeError

    if not other.is_dir():
        raise GenomeError(f"{other}: expected the folder of a library, and there is none")
    _show_taken([take_in(library_at(root), other)], as_json)


# -- Forge ----------------------------------------------------------------------------------


@click.group()
def forge() -> None:
    """The Gene Forge: compare genomes, and make new ones of their genes.

    A genome is a JSON file, a genome of the library, or the beginning of an id in the store.

    Example:  [bold cyan]speciation forge transfer stock-adamw tuned-adamw 'metabolic rate'[/]
    """


def forge_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where genomes are looked up, and what becomes of a child."""
    for option in reversed(
        (
            click.option("--save", is_flag=True, help="Keep the child as a custom genome."),
            click.option("--name", help="What to call the child."),
            click.option(
                "--predict", is_flag=True, help="Predict its steps from stored trials."
            ),
            root_option,
            store_option,
            json_option,
        )
    ):
        command = option(command)
    return command


@forge.command()
@click.argument("recipient")
@click.argument("donors", nargs=-1)
@click.option("--predict", is_flag=True, help="Predict their steps from stored trials.")
@root_option
@store_option
@output_option
@open_option
@json_option
def compare(
    recipient: str,
    donors: tuple[str, ...],
    predict: bool,
    root: Path | None,
    uri: str | None,
    output: Path | None,
    show: bool,
    as_json: bool,
) -> None:
    """Lay genomes side by side, gene by gene; as a page, on a radar too.

    Example:  [bold cyan]speciation forge compare tuned-adamw stock-adamw --open[/]
    """
    from speciation.analysis.forge import compare as side_by_side

    parties, store = _parties((recipient, *donors), root, uri)
    found = side_by_side(parties[0], parties[1:])
    guess = _predictions(parties, store) if predict else None
    if output or show:
        from dashboards.forge import report

        page = target(output or Path("forge.html"))
        report(found, page, *(guess or (None, None)))
        _page_written(page, show, as_json)
    if as_json:
        print_json(
            {
                "genomes": dict(zip(found.names, found.ids, strict=True)),
                "distances": found.distances.tolist(),
                "differing": list(found.differing()),
                "genes": {
                    gene.name: {
                        "values": found.values[:, i].tolist(),
                        "units": found.units[:, i].tolist(),
                    }
                    for i, gene in enumerate(found.genes)
                },
                **_prediction_json(guess),
            }
        )
        return
    from dashboards.figures.genes import value_in_words

    rows = [
        [gene.name, *(value_in_words(gene, float(v)) for v in found.values[:, i])]
        for i, gene in enumerate(found.genes)
    ]
    rows.append(["distance", *(f"{own:.2f}" for own in found.distances)])
    show_table("side by side", ["gene", *found.names], rows)
    _show_predictions(guess)


@forge.command()
@click.argument("recipient")
@click.argument("donor")
@click.argument("genes", nargs=-1, required=True)
@forge_options
def transfer(recipient: str, donor: str, genes: tuple[str, ...], **told: Any) -> None:
    """Put genes, or whole gene groups, of DONOR into RECIPIENT.

    Example:  [bold cyan]speciation forge transfer stock-adamw tuned-adamw beta1 sensory[/]
    """
    from speciation.analysis import forge as workshop

    parties, store = _parties((recipient, donor), told["root"], told["uri"])
    _forged([workshop.transfer(parties[0], parties[1], genes)], store, told)


@forge.command()
@click.argument("recipient")
@click.argument("values", nargs=-1, required=True, metavar="GENE=VALUE…")
@forge_options
def splice(recipient: str, values: tuple[str, ...], **told: Any) -> None:
    """Set genes of RECIPIENT to chosen values.

    Example:  [bold cyan]speciation forge splice tuned-adamw embed_ratio=14 --save[/]
    """
    from speciation.analysis import forge as workshop

    parties, store = _parties((recipient,), told["root"], told["uri"])
    table = workshop.gene_table(parties[0].genome)
    wanted = {}
    for text in values:
        name, _, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            raise click.UsageError(
                f"{text[:60]!r} should be GENE=VALUE, such as dropout=0.1"
            ) from None
        (gene,) = workshop.genes_named(table, [name], groups=False)
        wanted[gene] = value
    _forged([workshop.splice(parties[0], wanted)], store, told)


@forge.command()
@click.argument("recipient")
@click.option("--dose", default=0.1, show_default=True, help="How far a gene moves, of 1.")
@click.option("--rate", default=0.3, show_default=True, help="How likely a gene is hit.")
@click.option("--count", default=1, show_default=True, help="How many mutants.")
@click.option("--seed", type=Whole(0), default=0, show_default=True, help="Of chance.")
@forge_options
def mutate(
    recipient: str, dose: float, rate: float, count: int, seed: int, **told: Any
) -> None:
    """Irradiate RECIPIENT. The same seed gives the same mutants.

    Example:  [bold cyan]speciation forge mutate tuned-adamw --dose 0.05 --count 5[/]
    """
    import numpy as np

    from speciation.analysis import forge as workshop

    parties, store = _parties((recipient,), told["root"], told["uri"])
    mutants = workshop.mutate(parties[0], dose, rate, np.random.default_rng(seed), count)
    _forged(list(mutants), store, told)


# -- Taxonomy -------------------------------------------------------------------------------


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE|FOLDER…]")
@click.option("--run", metavar="RUN", help="Only genomes of this run, with their lineage.")
@click.option("--rank", metavar="RANK", help="Domain to genus; by default, the clearest.")
@click.option("--species", metavar="NAME", help="Print the ids of a species, one a line.")
@store_option
@output_option
@open_option
@json_option
def taxonomy(
    files: tuple[str, ...],
    run: str | None,
    rank: str | None,
    species: str | None,
    uri: str | None,
    output: Path | None,
    show: bool,
    as_json: bool,
) -> None:
    """Sort a store's genomes into species at seven ranks, with names that stay.

    FILES are genomes of your own, put into the same space. The taxonomy is kept beside the
    store, and the next one takes over its axes, names and colours.

    Example:  [bold cyan]speciation taxonomy --rank family --open[/]
    """
    from cluster.launch import existing_store
    from cluster.species import taxonomy_of

    store = existing_store(uri or DEFAULT_STORE)
    found = taxonomy_of(store, files, run)
    level = (rank or found.clearest).lower()
    if species is not None:
        say("\n".join(found.members(level, species)))
        return
    if output or show:
        from cluster.species import lived_in
        from dashboards.taxonomy import report

        page = target(output or Path("taxonomy.html"))
        report(found, level, page, lived_in(store, found, level, run))
        _page_written(page, show, as_json)
    _show_taxonomy(found, level, as_json)


@click.command()
@click.argument("genome")
@store_option
@output_option
@open_option
@json_option
def lineage(
    genome: str, uri: str | None, output: Path | None, show: bool, as_json: bool
) -> None:
    """Tell a genome's ancestry, back to its founders.

    GENOME is the beginning of its id in the store.

    Example:  [bold cyan]speciation lineage c97d6404 --open[/]
    """
    from cluster.launch import existing_store
    from speciation.analysis.lineage import ancestry
    from speciation.tables.readers import genome_of, genomes_frame

    store = existing_store(uri or DEFAULT_STORE)
    found = ancestry(genomes_frame(store), genome_of(store, genome).id)
    if output or show:
        from dashboards.taxonomy import lineage_report

        page = target(output or Path("lineage.html"))
        lineage_report(found, page)
        _page_written(page, show, as_json)
    if as_json:
        from cluster.summary import plain

        print_json(plain(found))
        return
    rows = [
        [
            own.genome_id[:8],
            "?" if own.generation < 0 else f"{own.generation + 1}",
            own.origin.replace("_", " "),
            " × ".join(parent[:8] for parent in own.parents),
            ", ".join(own.donor_genes),
        ]
        for own in found.ancestors
    ]
    header = ["genome", "generation", "origin", "parents", "genes of the father"]
    show_table(f"ancestry of {found.genome_id}", header, rows, worded=5)
    if not found.complete:
        say("some lines could not be followed to their founder")


# -- Inside ---------------------------------------------------------------------------------


@click.command()
@click.argument("trials", nargs=-1, required=True, metavar="TRIAL|GENOME|SPECIES…")
@click.option("--seed", type=Whole(0), default=1, show_default=True, help="Of genomes.")
@click.option("--steps", type=Whole(1), metavar="N", help="How far; else the horizon.")
@click.option("--track", metavar="NAME", help="Task and horizon of genomes, by name.")
@model_option
@root_option
@store_option
@output_option
@open_option
@json_option
def interpret(
    trials: tuple[str, ...],
    seed: int,
    steps: int | None,
    track: str | None,
    model: str | None,
    root: Path | None,
    uri: str | None,
    output: Path | None,
    show: bool,
    as_json: bool,
) -> None:
    """Train trials again, slowly, and look inside: waves, attention, neurons, clock or pizza.

    TRIAL is the beginning of a trial's id in the store; GENOME is one of the library, a file,
    or the beginning of a genome's id, tried from one seed; species:NAME stands for its two
    most typical genomes. About 20 seconds each.

    Example:  [bold cyan]speciation interpret tuned-adamw stock-adamw --open[/]
    """
    from cluster.config import make_config, sizes
    from cluster.launch import require
    from cluster.parties import library_at, trials_named

    require("torch")
    from dashboards.anatomy import HEADER, report, row
    from speciation.analysis.interpret import observe

    page = target(output or Path("interpret.html"))
    config = make_config({"name": "interpret"}, "interpret", {"track": track} | sizes(model))
    wanted = trials_named(trials, library_at(root), _store(uri), config, seed)
    seen: dict[str, Anatomy] = {}
    with bars(as_json, "steps to train") as tell:
        for name, own in wanted.items():
            seen[name] = observe(own, steps, tell=partial(tell, name))
    report(seen, page)
    _page_written(page, show, as_json)
    if as_json:
        print_json({name: _anatomy(own) for name, own in seen.items()})
    else:
        show_table("inside", list(HEADER), [row(name, own) for name, own in seen.items()])


# -- The Lab --------------------------------------------------------------------------------


@click.command()
@click.option(
    "--port",
    type=PORT,
    default=8050,
    show_default=True,
    help="Where it listens.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="An address of this machine; beyond loopback the Lab wants a token, which it prints.",
)
@root_option
@store_option
@click.option("--open", "show", is_flag=True, help="Open it in a browser.")
def lab(port: int, host: str, root: Path | None, uri: str | None, show: bool) -> None:
    """Open the Lab in a browser: evolution live, runs and queue, species, the library.

    Looking needs neither torch nor Ray; starting a run needs torch. Ctrl-C closes it, and what
    it started goes on.

    Example:  [bold cyan]speciation lab --open[/]
    """
    import secrets

    from cluster.doctor import has_extra, install_hint
    from cluster.launch import LaunchError
    from cluster.naming import LIBRARY

    if not has_extra("dash"):
        raise LaunchError(f"the Lab needs dash, which is not installed: {install_hint('dash')}")
    from dashboards.lab.app import listen, make_app, server_of, warm
    from dashboards.lab.guard import LOOPBACK
    from dashboards.lab.sources import Sources

    if host in ("0.0.0.0", "::", "[::]"):
        raise LaunchError(
            f"--host {host} is every address; name the one it is to be reached by"
        )
    if "://" in (uri or ""):
        raise LaunchError(f"the Lab looks at a folder of this machine, and {uri} is none")
    token = None if host in LOOPBACK else secrets.token_urlsafe(24)
    sources = Sources(Path(uri or DEFAULT_STORE), root or LIBRARY)
    try:
        listening = listen(host, port)
    except OSError as error:
        raise LaunchError(
            f"the Lab cannot listen on {host}:{port} ({_why(error)}); name another --port, "
            "or a --host of this machine"
        ) from error
    server = server_of(make_app(sources, port, host, token), listening)
    warm(sources)
    address = f"http://{host}:{port}/" + (f"?token={token}" if token else "")
    say(f"the Lab is at {address}; Ctrl-C closes it")
    if show:
        show_page(address)
    server.run()


COMMANDS = (library, forge, taxonomy, lineage, interpret, lab)


# -- Inside of commands ---------------------------------------------------------------------


def _why(error: OSError) -> str:
    """The system's own words; Python adds its own to those of sockets."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror)


def _store(uri: str | None) -> Store | None:
    """The store that was named, or the usual one if it is there."""
    from cluster.launch import LaunchError, existing_store

    try:
        return existing_store(uri or DEFAULT_STORE)
    except LaunchError:
        if uri is not None:
            raise
        return None


def _parties(
    words: tuple[str, ...], root: Path | None, uri: str | None
) -> tuple[list[Party], Store | None]:
    from cluster.parties import library_at, party

    place, store = library_at(root), _store(uri)
    return [party(word, place, store) for word in words], store


def _forged(children: list[Forged], store: Store | None, told: dict[str, Any]) -> None:
    """Show children, predict of them and keep them, as was asked."""
    from dataclasses import replace

    from cluster.parties import library_at
    from speciation.analysis.forge import Party
    from speciation.genome.collection import add

    if told["name"] and len(children) == 1:
        children = [replace(children[0], name=told["name"])]
    guess = None
    if told["predict"]:
        guess = _predictions([Party(own.name, own.genome) for own in children], store)
    files: dict[str, str] = {}
    if told["save"]:
        for own in children:
            place = library_at(told["root"])
            stored, _ = add(place, own.genome, own.name, own.provenance())
            files[own.genome.id] = str(stored.path)
    if told["as_json"]:
        print_json(
            {
                "children": [
                    {
                        "id": own.genome.id,
                        "name": own.name,
                        "genes": dict(own.genome.genes),
                        "provenance": own.provenance(),
                        "file": files.get(own.genome.id),
                    }
                    for own in children
                ],
                **_prediction_json(guess),
            }
        )
        return
    rows = [
        [own.genome.id[:8], own.name, ", ".join(own.changed) or "nothing"] for own in children
    ]
    show_table("forged", ["id", "name", "changed"], rows, worded=3)
    _show_predictions(guess)
    for path in files.values():
        say(f"saved  {path}")
    if not files:
        say("not kept; add --save to keep it as a custom genome")


def _predictions(
    parties: list[Party], store: Store | None
) -> tuple[Surrogate, dict[str, Prediction]]:
    from speciation.analysis.parties import PartyError
    from speciation.analysis.surrogate import of_store
    from speciation.genome.genome import Genomes

    if store is None:
        raise PartyError("a prediction needs a store of trials; name one with --store")
    learned = of_store(store)
    found = learned.predict(Genomes.of([party.genome for party in parties]))
    return learned, {party.name: own for party, own in zip(parties, found, strict=True)}


def _prediction_json(guess: tuple[Surrogate, dict[str, Prediction]] | None) -> dict[str, Any]:
    if guess is None:
        return {}
    from cluster.summary import plain

    learned, found = guess
    return {
        "predicted": {name: plain(own) for name, own in found.items()},
        "trust": plain(learned.trust),
    }


def _show_predictions(guess: tuple[Surrogate, dict[str, Prediction]] | None) -> None:
    if guess is None:
        return
    from dashboards.forge import PREDICTED, trust_in_words

    learned, found = guess
    rows = [
        [name, f"{own.median:,.0f}", f"{own.low:,.0f} to {own.high:,.0f}", f"{own.nearest:.2f}"]
        for name, own in found.items()
    ]
    show_table("predicted, not measured", list(PREDICTED), rows)
    say(trust_in_words(learned))


def _show_taxonomy(found: Taxonomy, level: str, as_json: bool) -> None:
    from cluster.summary import plain
    from speciation.analysis.taxonomy import RANKS
    from speciation.analysis.wording import signed

    if as_json:
        print_json(
            {
                "kind": found.space.kind,
                "genomes": len(found.ids),
                "clearest": found.clearest,
                "explained": found.space.explained.tolist(),
                "ranks": {rank: plain(found.at(rank)) for rank in RANKS},
                "opinion": plain(found.opinion),
                "species_of": {
                    own: found.at(level)[label].name
                    for own, label in zip(found.ids, found.labels_at(level), strict=True)
                },
            }
        )
        return
    rows = [
        [
            own.name,
            f"{own.size:,}",
            "–" if own.stability is None else f"{own.stability:.2f}",
            ", ".join(f"{gene} {signed(away, 1)}" for gene, away in own.deviations[:4]),
        ]
        for own in found.at(level)
    ]
    title = f"{len(found.ids):,} genomes at the rank of {level}; clearest is {found.clearest}"
    show_table(title, ["species", "genomes", "stability", "genes"], rows)
    say("ids of one: speciation taxonomy --rank RANK --species NAME")


def _show_taken(taken: list[Taken], as_json: bool) -> None:
    added = [own for one in taken for own in one.added]
    known = [own for one in taken for own in one.known]
    refused = [sentence for one in taken for sentence in one.refused]
    if as_json:
        print_json(
            {
                "added": [_stored(own) for own in added],
                "known": [_stored(own) for own in known],
                "refused": refused,
            }
        )
        return
    for own in added:
        say(f"added  {own.genome.id[:8]}  {own.name}  {own.path}")
    say(f"{len(added)} added, {len(known)} known already, {len(refused)} refused")
    for sentence in refused:
        say(f"left out: {sentence}")


def _stored(own: StoredGenome) -> dict[str, Any]:
    return {
        "id": own.genome.id,
        "name": own.name,
        "shelf": own.path.parent.name,
        "tags": list(own.tags),
        "kind": own.genome.kind,
        "genes": dict(own.genome.genes),
        "provenance": dict(own.provenance),
        "file": str(own.path),
    }


def _anatomy(own: Anatomy) -> dict[str, Any]:
    """What was seen, without the maps."""
    from cluster.summary import plain

    return {
        "trial": own.trial_id,
        "genome": own.genome_id,
        "seed": own.seed,
        "modulus": own.modulus,
        "first_99": own.first_99,
        "key": list(own.key),
        "gradient_symmetry": own.gradient_symmetry,
        "distance_irrelevance": own.distance_irrelevance,
        "nearer_to": own.resembles,
        **{
            name: plain(getattr(own, name).tolist())
            for name in (
                "steps",
                "train_loss",
                "validation_loss",
                "validation_accuracy",
                "restricted_loss",
                "excluded_loss",
                "explained",
                "gini",
                "power",
                "neuron_frequency",
                "neuron_share",
            )
        },
    }


def _page_written(page: Path, show: bool, quiet: bool) -> None:
    click.echo(f"page  {page}", err=quiet)
    if show:
        show_page(page)
