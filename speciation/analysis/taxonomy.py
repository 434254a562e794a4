"""Taxonomy: which genomes are kin, in seven ranks that nest, with names that stay.

    unit vectors --standardise--> one linkage tree --seven cuts--> Domain … Genus
                  │
                  └--> principal components: a place in three dimensions

One tree (Ward 1963) is cut at seven heights, so a genus lies within one family, and that within
one order, by construction. Each rank has a band of how many species it may have, and is cut
where the tree has its widest gap within that band; the rank with the widest gap of all is the
*clearest*. HDBSCAN, which knows nothing of the tree, is heard as a second opinion, and a
bootstrap (Hennig 2007) says how surely each species would be found again.

Space, names and colours are kept when data grows. A few new genomes join the species of their
nearest kin. Once there are more of them than :data:`GROWTH` allows, a new tree is grown, on the
same axes, and each species takes name and colour from the one it overlaps most.

Axes: N genomes, D coordinates of the unit vector, L leaves of the tree.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree
from sklearn.cluster import HDBSCAN, MiniBatchKMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from speciation.genome.genome import Genomes, kind_named
from speciation.seeds import Purpose, generator

Array = NDArray[np.float64]
Labels = NDArray[np.int16]

RANKS = ("domain", "kingdom", "phylum", "class", "order", "family", "genus")
"""From the loosest kinship to the tightest."""

BANDS = ((2, 2), (3, 4), (5, 8), (9, 14), (15, 24), (25, 40), (41, 64))
"""How few and how many species each rank may have."""

LEAST_GENOMES = 4
MOST_LEAVES = 1500
"""Ward's tree takes the square of it in memory and time: about a second."""

MOST_DENSE = 3000  # genomes that HDBSCAN sees
MOST_RESAMPLED, REPLICATES = 600, 20  # genomes and draws of the bootstrap
GROWTH = 1.15  # a tree serves until there are so many times the genomes that it grew from
KEPT_GAP = 0.05  # a cut moves only for a gap so much wider than that of its old place
KEPT_OVERLAP = 1 / 3  # Jaccard index from which on a species is the one of before
MOST_NAMED = 8  # species that a sentence lists
DEVIANT = 0.35  # in standard deviations of all genomes: less is not worth a word


class TaxonomyError(ValueError):
    """Nothing can be classified: one sentence."""


@dataclass(frozen=True, eq=False)
class Space:
    """Where genomes have their places: standardised, then turned to the widest directions.

    Args:
        kind: Of the genomes.
        centre: Means of the unit coordinates that it was fitted on, ``(D,)``.
        scale: Their standard deviations, ``(D,)``; 1 where all genomes agreed.
        axes: Principal directions ``(3, D)``. The greatest weight of each is positive.
        explained: Share of the variance along each, ``(3,)``.
    """

    kind: str
    centre: Array
    scale: Array
    axes: Array
    explained: Array

    def standardise(self, units: Array) -> Array:
        """Unit coordinates ``(N, D)`` in standard deviations from the centre."""
        return (units - self.centre) / self.scale

    def place(self, genomes: Genomes) -> Array:
        """Places ``(N, 3)`` of any genomes of this kind, those of files among them.

        Raises:
            TaxonomyError: The genomes are of another kind.
        """
        if genomes.kind != self.kind:
            raise TaxonomyError(
                f"a map of {self.kind} genomes has no place for {genomes.kind} ones"
            )
        units = kind_named(self.kind).encode(genomes)
        return self.standardise(units) @ self.axes.T


@dataclass(frozen=True)
class Species:
    """Genomes that are kin at one rank.

    Args:
        rank: One of :data:`RANKS`.
        name: From its most deviant genes, such as ``High-LR / Low-Decay``.
        colour: A number that stays with it; the largest species began with the least.
        size: Its genomes.
        parent: Its species at the rank above, as an index there; -1 for a domain.
        deviations: Gene → mean distance from that of all genomes in standard deviations, the
            furthest first.
        stability: Mean Jaccard index of finding it again in resampled genomes; None if it was
            too small to be resampled. From 0.75 on it is called stable (Hennig 2007).
    """

    rank: str
    name: str
    colour: int
    size: int
    parent: int
    deviations: tuple[tuple[str, float], ...]
    stability: float | None = None


@dataclass(frozen=True, slots=True)
class Opinion:
    """What HDBSCAN finds.

    Args:
        genomes: How many it saw.
        species: How many dense regions.
        noise: Share of genomes in none.
        agreement: Adjusted Rand index with each rank, over genomes that are no noise; None
            where it found fewer than two regions.
    """

    genomes: int
    species: int
    noise: float
    agreement: tuple[float | None, ...]


@dataclass(frozen=True, eq=False)
class Taxonomy:
    """All genomes of one kind, classified.

    Args:
        ids: N genome ids, sorted.
        space: Where they have their places.
        places: ``(N, 3)``.
        labels: Index of each genome's species at each rank, ``(N, 7)``.
        species: Of each rank, in order of their index.
        heights: Where the tree was cut for each rank, ``(7,)``, in Ward's distance.
        clearest: The rank at which the tree has its widest gap.
        opinion: The second one.
        grown_from: How many genomes the tree was grown from; later ones joined.
    """

    ids: tuple[str, ...]
    space: Space
    places: Array
    labels: Labels
    species: tuple[tuple[Species, ...], ...]
    heights: tuple[float, ...]
    clearest: str
    opinion: Opinion
    grown_from: int

    def at(self, rank: str) -> tuple[Species, ...]:
        """The species of a rank."""
        return self.species[rank_index(rank)]

    def labels_at(self, rank: str) -> Labels:
        """Each genome's index into :meth:`at`, ``(N,)``."""
        return self.labels[:, rank_index(rank)]

    def members(self, rank: str, name: str) -> tuple[str, ...]:
        """Ids of a species, as one list.

        Raises:
            TaxonomyError: There is no such species at this rank.
        """
        names = [species.name for species in self.at(rank)]
        if name not in names:
            more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
            raise TaxonomyError(
                f"no {rank} is called {name!r}; there are {', '.join(names[:MOST_NAMED])}{more}"
            )
        own = np.flatnonzero(self.labels_at(rank) == names.index(name))
        return tuple(self.ids[i] for i in own)


def rank_index(rank: str) -> int:
    """A rank's place in :data:`RANKS`.

    Raises:
        TaxonomyError: It is none.
    """
    if rank not in RANKS:
        raise TaxonomyError(f"{rank!r} is no rank; ranks are {', '.join(RANKS)}")
    return RANKS.index(rank)


def classify(
    genomes: Genomes, before: Taxonomy | None = None, ids: Sequence[str] | None = None
) -> Taxonomy:
    """Classify genomes.

    Args:
        genomes: N of one kind; one that stands twice counts once.
        before: The taxonomy of fewer of them: axes, names and colours stay.
        ids: Of the genomes, where they are at hand: hashing 50,000 anew takes seconds.

    Raises:
        TaxonomyError: There are fewer than :data:`LEAST_GENOMES` different ones, or the
            taxonomy before is of another kind.
    """
    known, rows = np.unique(np.array(genomes.ids if ids is None else ids), return_index=True)
    if len(known) < LEAST_GENOMES:
        raise TaxonomyError(
            f"a taxonomy needs at least {LEAST_GENOMES} different genomes, got {len(known)}"
        )
    if before is not None and before.space.kind != genomes.kind:
        raise TaxonomyError(
            f"a taxonomy of {before.space.kind} genomes cannot go on with {genomes.kind} ones"
        )
    own = genomes[rows]
    units = kind_named(own.kind).encode(own)
    space = before.space if before else fit_space(own.kind, units)
    standard = space.standardise(units)
    if before is not None and _serves(before, known):
        return _joined(before, known, standard)
    leaf, merges = _tree(standard)
    counts = _counts(merges, before)
    cuts = [fcluster(merges, count, "maxclust") for count in counts]
    labels = np.stack([_numbered(cut[leaf]) for cut in cuts], axis=1).astype(np.int16)
    names = gene_labels(own.kind, units.shape[1])
    classified = Taxonomy(
        ids=tuple(known.tolist()),
        space=space,
        places=standard @ space.axes.T,
        labels=labels,
        species=tuple(_species(labels, rank, standard, names) for rank in range(len(RANKS))),
        heights=tuple(_height(merges, count) for count in counts),
        clearest=RANKS[_clearest(merges, counts)],
        opinion=_second_opinion(standard, labels),
        grown_from=len(known),
    )
    if before is not None:
        classified = _inherited(classified, before)
    return _with_stability(classified, standard)


def fit_space(kind: str, units: Array) -> Space:
    """Standardisation and principal axes of unit vectors ``(N, D)``, N at least 2."""
    centre, spread = units.mean(axis=0), units.std(axis=0)
    scale = np.where(spread > 1e-9, spread, 1.0)
    axes, explained = np.zeros((3, units.shape[1])), np.zeros(3)
    count = min(3, *units.shape)
    standard = (units - centre) / scale
    if standard.any():
        pca = PCA(count, svd_solver="full").fit(standard)
        axes[:count], explained[:count] = pca.components_, pca.explained_variance_ratio_
    # Signs are fixed by scikit-learn: the greatest weight of each axis is positive.
    return Space(kind, centre, scale, axes, explained)


def gene_labels(kind: str, dimension: int) -> tuple[str, ...]:
    """Short names of the coordinates of a kind's unit vector."""
    columns = kind_named(kind).columns
    if len(columns) != dimension:
        return tuple(f"Axis-{i + 1}" for i in range(dimension))
    return tuple(_SHORT.get(name, name.replace("_", "-").title()) for name in columns)


_SHORT = {
    "learning_rate": "LR",
    "weight_decay": "Decay",
    "grad_clip": "Clip",
    "adam_epsilon": "Epsilon",
    "warmup_steps": "Warmup",
    "init_attn_qk": "Init-QK",
    "init_attn_v": "Init-V",
    "init_ffn": "Init-FFN",
    "bias_scale": "Bias",
    "init_embed": "Embed",
    "embed_ratio": "Starvation",
}


# -- The tree -------------------------------------------------------------------------------


def _tree(standard: Array) -> tuple[NDArray[np.int64], Array]:
    """Ward's tree: each genome's leaf ``(N,)``, and merges ``(L - 1, 4)`` as SciPy's.

    Of more than :data:`MOST_LEAVES` genomes, leaves are the centres of as many small clusters
    (k-means), each counting once however many genomes it has.
    """
    if len(standard) <= MOST_LEAVES:
        return np.arange(len(standard)), linkage(standard, "ward")
    means = MiniBatchKMeans(
        MOST_LEAVES, batch_size=8192, n_init=1, max_iter=20, init="random", random_state=0
    ).fit(standard)
    used, leaf = np.unique(means.labels_, return_inverse=True)
    return leaf, linkage(means.cluster_centers_[used].astype(np.float64), "ward")


def _counts(merges: Array, before: Taxonomy | None) -> tuple[int, ...]:
    """How many species each rank has: the widest gap of its band, or where it was before."""
    counts = []
    for rank, (few, many) in enumerate(BANDS):
        most = len(merges) + 1
        choices = range(min(few, most), min(many, most) + 1)
        best = max(choices, key=lambda count: _gap(merges, count))
        if before is not None:
            kept = len(before.species[rank])
            if kept in choices and _gap(merges, kept) >= _gap(merges, best) - KEPT_GAP:
                best = kept
        counts.append(best)
    return tuple(counts)


def _clearest(merges: Array, counts: tuple[int, ...]) -> int:
    """The rank with the widest gap among those whose species have two genomes on average.

    Below, two near twins among loners make a gap as wide as one likes.
    """
    most = (len(merges) + 1) // 2
    return int(np.argmax([_gap(merges, own) if own <= most else -1.0 for own in counts]))


def _gap(merges: Array, count: int) -> float:
    """How much further apart the next merge is than the last one before so many clusters."""
    leaves = len(merges) + 1
    if count >= leaves:
        return 0.0
    above, below = merges[leaves - count, 2], merges[leaves - count - 1, 2]
    return float(np.log(max(above, 1e-12) / max(below, 1e-12)))


def _height(merges: Array, count: int) -> float:
    """The middle of the heights at which the tree has so many clusters."""
    leaves = len(merges) + 1
    below = merges[leaves - count - 1, 2] if count < leaves else 0.0
    return float((below + merges[leaves - count, 2]) / 2)


def _numbered(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """Labels from 0 on, the largest cluster first; of equals, that of the first genome."""
    _, first, inverse, sizes = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.lexsort((first, -sizes))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place[inverse]


# -- Species and their names ----------------------------------------------------------------


def _species(
    labels: Labels, rank: int, standard: Array, names: Sequence[str]
) -> tuple[Species, ...]:
    return tuple(_named(_counted(labels, rank, standard, names), set()))


def _counted(labels: Labels, rank: int, standard: Array, names: Sequence[str]) -> list[Species]:
    """Species of a rank, which have no names yet."""
    own = labels[:, rank]
    centre, found = standard.mean(axis=0), []
    for number in range(int(own.max()) + 1):
        members = np.flatnonzero(own == number)
        away = standard[members].mean(axis=0) - centre
        order = np.argsort(-np.abs(away), kind="stable")
        deviations = tuple((names[i], float(away[i])) for i in order)
        parent = int(labels[members[0], rank - 1]) if rank else -1
        found.append(Species(RANKS[rank], "", number, len(members), parent, deviations))
    return found


def _named(species: Sequence[Species], taken: set[str]) -> Iterator[Species]:
    """Species with names that nobody else has, the largest choosing first."""
    for own in species:
        name = own.name or next(n for n in _names(own) if n not in taken)
        taken.add(name)
        yield replace(own, name=name)


def _names(species: Species) -> Iterator[str]:
    """Ever longer names: two genes, three, four, five, then numbers."""
    words = [
        f"{'High' if away > 0 else 'Low'}-{gene}"
        for gene, away in species.deviations[:5]
        if abs(away) >= DEVIANT
    ] or ["Average"]
    for length in range(min(2, len(words)), len(words) + 1):
        yield " / ".join(words[:length])
    base = " / ".join(words[:2])
    yield from (f"{base} ({number})" for number in range(2, 2**15))


def _inherited(now: Taxonomy, before: Taxonomy) -> Taxonomy:
    """Names and colours of the species before, by greatest overlap over shared genomes."""
    _, mine, theirs = np.intersect1d(now.ids, before.ids, return_indices=True)
    ranks = []
    for rank, (new, old) in enumerate(zip(now.species, before.species, strict=True)):
        overlap = _jaccard(
            now.labels[mine, rank], before.labels[theirs, rank], len(new), len(old)
        )
        pairs = zip(*linear_sum_assignment(-overlap), strict=True)
        heir = {int(i): old[j] for i, j in pairs if overlap[i, j] >= KEPT_OVERLAP}
        used = {own.colour for own in heir.values()}
        free = iter(n for n in range(len(new) + len(old)) if n not in used)
        renamed = [
            replace(own, name=heir[i].name, colour=heir[i].colour)
            if i in heir
            else replace(own, name="", colour=next(free))
            for i, own in enumerate(new)
        ]
        ranks.append(tuple(_named(renamed, {own.name for own in heir.values()})))
    return replace(now, species=tuple(ranks))


def _jaccard(a: Labels, b: Labels, of_a: int, of_b: int) -> Array:
    """Jaccard index of each label of ``a`` with each of ``b``: ``(of_a, of_b)``."""
    both = np.zeros((of_a, of_b))
    np.add.at(both, (a, b), 1.0)
    either = both.sum(axis=1)[:, None] + both.sum(axis=0)[None] - both
    return np.divide(both, either, out=np.zeros_like(both), where=either > 0)


def _serves(before: Taxonomy, ids: NDArray[np.str_]) -> bool:
    """Whether a tree still serves: all its genomes are there, and not too many more."""
    within = len(ids) <= GROWTH * before.grown_from
    return within and bool(np.isin(np.array(before.ids), ids).all())


def _joined(before: Taxonomy, ids: NDArray[np.str_], standard: Array) -> Taxonomy:
    """New genomes in the species of their nearest kin; everybody else stays."""
    known = np.isin(ids, np.array(before.ids))
    labels = np.empty((len(ids), len(RANKS)), dtype=np.int16)
    labels[known] = before.labels
    if not known.all():
        _, kin = KDTree(standard[known]).query(standard[~known])
        labels[~known] = before.labels[kin]
    names = gene_labels(before.space.kind, standard.shape[1])
    species = [
        tuple(
            replace(own, name=old.name, colour=old.colour, stability=old.stability)
            for own, old in zip(_counted(labels, rank, standard, names), olds, strict=True)
        )
        for rank, olds in enumerate(before.species)
    ]
    return replace(
        before,
        ids=tuple(ids.tolist()),
        places=standard @ before.space.axes.T,
        labels=labels,
        species=tuple(species),
    )


# -- Second thoughts ------------------------------------------------------------------------


def _sample(count: int, most: int) -> NDArray[np.int64]:
    """Evenly spaced rows; ids are sorted hashes, so these are a fair draw."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def _second_opinion(standard: Array, labels: Labels) -> Opinion:
    rows = _sample(len(standard), MOST_DENSE)
    least = max(5, len(rows) // 50)
    if len(rows) < 2 * least:
        return Opinion(len(rows), 0, 1.0, (None,) * len(RANKS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of its default for ``copy``
        with np.errstate(divide="ignore", invalid="ignore"):
            dense = HDBSCAN(min_cluster_size=least).fit_predict(standard[rows])
    inside = dense >= 0
    found = len(np.unique(dense[inside]))
    agreement = tuple(
        float(adjusted_rand_score(labels[rows[inside], rank], dense[inside]))
        if found > 1
        else None
        for rank in range(len(RANKS))
    )
    return Opinion(len(rows), found, float(1 - inside.mean()), agreement)


def _with_stability(taxonomy: Taxonomy, standard: Array) -> Taxonomy:
    """Resample genomes with replacement, classify anew, and see who is found again."""
    rows = _sample(len(standard), MOST_RESAMPLED)
    rng = generator(0, Purpose.BOOTSTRAP)
    found: list[list[Array]] = [[] for _ in RANKS]
    for _ in range(REPLICATES):
        drawn = rows[np.unique(rng.integers(len(rows), size=len(rows)))]
        merges = linkage(standard[drawn], "ward")
        for rank, own in enumerate(taxonomy.species):
            again = fcluster(merges, len(own), "maxclust") - 1
            mine = taxonomy.labels[drawn, rank]
            overlap = _jaccard(mine, again.astype(np.int16), len(own), int(again.max()) + 1)
            there = np.bincount(mine, minlength=len(own)) >= 2
            found[rank].append(np.where(there, overlap.max(axis=1), np.nan))
    ranks = []
    for rank, own in enumerate(taxonomy.species):
        values = np.array(found[rank])
        seen = np.isfinite(values)
        total = np.where(seen, values, 0.0).sum(axis=0)
        count = seen.sum(axis=0)
        ranks.append(
            tuple(
                replace(one, stability=float(t / c) if c else None)
                for one, t, c in zip(own, total, count, strict=True)
            )
        )
    return replace(taxonomy, species=tuple(ranks))
