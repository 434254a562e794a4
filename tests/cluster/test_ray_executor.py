"""The executor on Ray: a small Ray of the test's own, with two cores and two pretended GPUs."""

from __future__ import annotations

import os
import signal
import socket
import stat
import time
from collections.abc import Callable, Iterator

import pytest

ray = pytest.importorskip("ray", reason="the executor on Ray needs ray")

from cluster import ray_address  # noqa: E402
from cluster.campaign import ActorLost, Cause, Finished  # noqa: E402
from cluster.crew import Crew  # noqa: E402
from cluster.driver import run  # noqa: E402
from cluster.executor import Executor, ExecutorError  # noqa: E402
from cluster.places import NO_ROOM, Pace  # noqa: E402
from cluster.ray_executor import LOOK_SECONDS, MAX_FAILED_STARTS, RayExecutor  # noqa: E402
from cluster.roster import Roster  # noqa: E402
from speciation.tables.store import Store  # noqa: E402
from tests.cluster.runs import config  # noqa: E402
from tests.cluster.synthetic import PLAN, Behaviour, trial, trials  # noqa: E402
from tests.contracts.executor import ExecutorContract, collect, finished, until  # noqa: E402

pytestmark = [
    pytest.mark.ray,
    # Ray leaves sockets and pipes of the processes it started to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def own_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Ray in this process, as a notebook might have; no token of the user's is touched."""
    patch = pytest.MonkeyPatch()
    patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    patch.delenv("RAY_ADDRESS", raising=False)
    ray_address.ensure_token()
    ray.init(
        address="local",
        num_cpus=2,
        num_gpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield
    ray.shutdown()
    patch.undo()


@pytest.fixture
def make(own_ray) -> Iterator[Callable[..., RayExecutor]]:
    made: list[RayExecutor] = []

    def start(behaviour: Behaviour, device: str = "cpu", **options: object) -> RayExecutor:
        plan = PLAN.__class__(PLAN.task, PLAN.model, device=device)
        executor = RayExecutor(plan, make=behaviour, work_seconds=0.1, **options)
        made.append(executor)
        return executor

    yield start
    for executor in made:
        executor.close()


class TestRayExecutor(ExecutorContract):
    @pytest.fixture
    def make(self, make) -> Callable[[Behaviour], Executor]:
        return lambda behaviour: make(behaviour, most_actors=1)


def test_every_core_gets_an_actor_and_all_of_them_work(make):
    executor = make(Behaviour(slots=4, seconds=0.01))
    executor.submit(trials(200))
    collect(executor, 200)
    assert (executor.actors, executor.capacity) == (2, 8)


@pytest.mark.slow
def test_every_gpu_gets_an_actor_where_there_are_any(make):
    executor = make(Behaviour(slots=4, seconds=0.01), device="auto", label="fast")
    executor.submit(trials(100))
    collect(executor, 100)
    names = {entry["name"] for entry in ray.util.list_named_actors(all_namespaces=True)}
    assert {"fast gpu-0", "fast gpu-1"} <= names


@pytest.mark.slow
def test_actors_run_one_thread_each(make):
    executor = make(Behaviour())
    until(executor, lambda _: executor.actors == 2)
    place = executor._places["cpu-0"]
    environment = ray.get(place.actor.__ray_call__.remote(lambda _: dict(os.environ)))
    assert environment["OMP_NUM_THREADS"] == "1"


def test_a_killed_process_is_a_loss_of_what_it_held_and_nothing_else(make):
    bad = trial(5)
    executor = make(Behaviour(slots=4, killer=frozenset({bad.id})))
    work = trials(16)
    executor.submit(work)
    events = until(executor, lambda events: _count(events) == 16)
    losses = [e for e in events if isinstance(e, ActorLost)]
    assert len(losses) == 1
    assert bad in losses[0].trials
    done = {own for e in events if isinstance(e, Finished) for own in e.results.ids}
    held = {t.id for t in losses[0].trials}
    assert done | held == {t.id for t in work}
    assert not done & held


@pytest.mark.slow
def test_what_dies_on_a_machine_that_is_being_drained_blames_nobody(make, monkeypatch):
    executor = make(Behaviour(slots=4, seconds=0.2), most_actors=1)
    executor.submit(trials(100))
    collect(executor, 1)
    [place] = executor._places.values()
    monkeypatch.setattr(
        "cluster.ray_executor._machines", lambda _: ({place.node: 2.0}, {place.node})
    )
    executor._looked_at = -LOOK_SECONDS  # before what it holds is through
    until(executor, lambda _: place.leaving)
    ray.kill(place.actor)
    events = until(executor, lambda events: any(isinstance(e, ActorLost) for e in events))
    assert (events[-1].cause, events[-1].innocent) == (Cause.LEFT, True)
    assert events[-1].trials


@pytest.mark.slow
def test_a_lost_actor_is_replaced_under_a_name_of_its_own(make):
    executor = make(Behaviour(slots=4), most_actors=1)
    executor.submit(trials(3))
    collect(executor, 3)
    pid = ray.get(executor._places["cpu-0"].actor.__ray_call__.remote(lambda _: os.getpid()))
    os.kill(pid, signal.SIGKILL)
    executor.submit(trials(3))
    events = until(executor, lambda events: any(isinstance(e, ActorLost) for e in events))
    assert len(events[-1].trials) == 3
    executor.submit([trial(9)])
    assert collect(executor, 1)[0]["trial_id"] == trial(9).id
    assert executor._places["cpu-0"].starts == 2


def test_an_actor_that_hangs_is_given_up(make, monkeypatch):
    monkeypatch.setattr("cluster.ray_executor.FIRST_DEADLINE", 1.0)
    bad = trial(0)
    executor = make(Behaviour(hanging=frozenset({bad.id})), most_actors=1)
    executor.submit([bad])
    events = until(executor, lambda events: any(isinstance(e, ActorLost) for e in events))
    assert events[-1].trials == (bad,)
    assert "no answer for" in events[-1].reason


def _raises(plan: object) -> object:
    raise ValueError("device 'cuda' is not there")


@pytest.mark.slow
def test_engines_that_never_start_end_the_executor(own_ray):
    plan = PLAN.__class__(PLAN.task, PLAN.model, device="cpu")
    executor = RayExecutor(plan, make=_raises, most_actors=1)
    try:
        with pytest.raises(ExecutorError, match=r"no engine .* device 'cuda' is not there"):
            until(executor, lambda _: False)
    finally:
        executor.close()


@pytest.mark.slow
def test_a_reply_with_many_results_arrives(make):
    executor = make(Behaviour(slots=3000), most_actors=1)
    executor.submit(trials(3000, horizon=25))
    assert len(collect(executor, 3000)) == 3000


# -- GPUs on which no engine ever gets ready, or that somebody else has ---------------------

HUNG = 5.0  # seconds that are too long for a start in these tests


def _left_alone(executor: RayExecutor) -> list[str]:
    return [place.name for place in executor._places.values() if place.left_alone]


@pytest.fixture
def impatient(monkeypatch) -> None:
    monkeypatch.setattr("cluster.ray_executor.FIRST_START", HUNG)
    monkeypatch.setattr("cluster.ray_executor.LEAST_START", HUNG)


@pytest.mark.slow
def test_a_gpu_that_hangs_at_every_start_is_given_up_and_blames_no_genome(make, tmp_path):
    behaviour = Behaviour(slots=4, seconds=0.02, sick=frozenset({"1"}))
    executor = make(behaviour, device="auto")
    until(executor, lambda _: executor.actors == 1)  # however long a healthy start takes
    executor._start_pace = Pace(HUNG, HUNG)
    said = run(
        config(evolution={"generations": 1000}),
        Store(tmp_path),
        executor,
        stop=lambda: bool(_left_alone(executor)),
    )
    assert said.stopped
    assert said.faults == {"actor hung while starting": MAX_FAILED_STARTS}
    assert said.finished > 0
    assert said.failed == 0


@pytest.mark.slow
def test_who_hangs_keeps_its_gpu_so_that_the_next_one_starts_elsewhere(make, impatient):
    executor = make(Behaviour(sick=frozenset({"0"})), device="auto", most_actors=1)
    executor.submit(trials(4))
    # Ray may take the other GPU before the third try, which is as good an end.
    events = until(executor, lambda so_far: bool(_left_alone(executor) or finished(so_far)))
    executor._start_pace = Pace()  # however long a healthy start takes
    events += until(executor, lambda more: len(finished(events + more)) == 4)
    losses = [event for event in events if isinstance(event, ActorLost)]
    assert {(e.cause, e.trials, e.innocent) for e in losses} == {(Cause.STARTING, (), True)}
    assert len(losses) == 3 if _left_alone(executor) else len(losses) < 3
    assert executor.actors == 1


@pytest.mark.slow
def test_where_every_gpu_hangs_the_end_is_one_sentence(make, impatient):
    executor = make(Behaviour(sick=frozenset({"0", "1"})), device="auto")
    executor.submit(trials(4))
    with pytest.raises(ExecutorError, match=r"^no engine .* was still starting after \d+ s$"):
        until(executor, lambda _: False)


@pytest.mark.slow
def test_an_actor_that_no_machine_has_room_for_is_waited_for_and_that_is_said(
    make, impatient, monkeypatch
):
    monkeypatch.setattr("cluster.ray_executor.WAITING_SECONDS", 0.5)
    others = ray.remote(num_gpus=2)(Roster).remote()
    ray.get(others.add.remote([]))
    said: list[str] = []
    executor = make(Behaviour(), device="auto", most_actors=1, tell=said.append)
    executor.submit(trials(2))
    began = time.monotonic()
    events = until(executor, lambda _: time.monotonic() - began > 3 * HUNG)
    assert (events, executor.waiting, executor.capacity) == ([], 1, 0)
    executor._start_pace = Pace()
    ray.kill(others)
    collect(executor, 2)
    assert executor.waiting == 0
    assert said == [NO_ROOM]


# -- Addresses, without any Ray -----------------------------------------------------------


@pytest.mark.parametrize("address", ["nonsense", "host:", "host:99999", ":x", "http://a/b"])
def test_what_is_no_address_is_told(address):
    with pytest.raises(ExecutorError, match="use host:port"):
        ray_address.probe(address)


def test_an_address_where_nobody_listens_is_told_at_once():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(ExecutorError, match=f"nothing answers at 127.0.0.1:{port}"):
        ray_address.probe(f"127.0.0.1:{port}")
    assert time.monotonic() - began < 5


def test_an_address_that_swallows_everything_is_told_in_seconds():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        host, port = silent.getsockname()
        fits = socket.create_connection((host, port))  # and fills the queue
        with fits, pytest.raises(ExecutorError, match="nothing answers"):
            ray_address.probe(f"{host}:{port}", seconds=0.2)


def test_an_address_is_an_argument_or_the_environment(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "there:6379")
    assert ray_address.wanted_address(None) == "there:6379"
    assert ray_address.wanted_address("here:1") == "here:1"
    assert ray_address.wanted_address("local") is None
    monkeypatch.delenv("RAY_ADDRESS")
    assert ray_address.wanted_address(None) is None


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_token_is_ours_alone_and_kept(home):
    ray_address.ensure_token()
    path = home / ".ray" / "auth_token"
    token = path.read_text()
    assert len(token) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    ray_address.ensure_token()
    assert path.read_text() == token


def test_a_decision_about_tokens_is_respected(home, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    ray_address.ensure_token()
    assert not (home / ".ray").exists()


def test_a_home_that_cannot_be_written_to_still_gets_a_token(home, monkeypatch):
    (home / ".ray").write_text("a file in the way")
    ray_address.ensure_token()
    path = os.environ["RAY_AUTH_TOKEN_PATH"]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    os.unlink(path)
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH")


def _count(events: list[object]) -> int:
    return sum(
        len(e.results) if isinstance(e, Finished) else len(e.trials)
        for e in events
        if isinstance(e, Finished | ActorLost)
    )


@pytest.mark.slow
def test_a_crew_shares_a_gpu_and_is_asked_all_at_once(own_ray):
    crew = Crew(Roster, 4)
    try:
        assert crew.ask(2, "hire", "me") == [None, None]
        assert crew.ask(2, "hand", "me") == [(), ()]
        with pytest.raises(ExecutorError, match="KeyError"):
            crew.ask(3, "hand", "me")  # the third came later
    finally:
        crew.close()
    assert ray.is_initialized()
