"""Pauses and quotas: the arithmetic in virtual time, and the workers as real threads."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from random import Random
from threading import Event, Lock, Semaphore, Thread
from time import monotonic, sleep
from typing import TYPE_CHECKING

import pytest

from tap_cube.cube.gate import Gate, Pace
from tap_cube.sandbox.rate_limit import SlidingWindow

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Simulation:
    """Workers and a server in virtual time.

    The client takes the requests that wait in their order, as `Gate` does.

    Attributes:
        pace: What is tested.
        server: Returns the pause that it asks for, at a time; 0 if it accepts the request.
        concurrency: Number of workers.
        latency: Seconds from a request to its response.
    """

    pace: Pace
    server: Callable[[float], float]
    concurrency: int = 16
    latency: float = 0.01
    random: Random = field(default_factory=lambda: Random(0))  # noqa: S311  # no secret
    now: float = 0.0
    refused: int = 0
    most_tries: int = 0
    most_in_flight: int = 0

    def run(self, requests: int) -> Simulation:
        """Send so many requests, each until it succeeds."""
        order = count()
        waiting = [(number, 0) for number in range(min(requests, self.concurrency))]
        events: list[tuple[float, int, tuple[int, int] | None]] = []
        sent, in_flight, done = len(waiting), 0, 0
        while done < requests:
            while waiting:
                delay = self.pace.delay(self.now)
                if delay == 0:
                    self.pace.sent(self.now)
                    in_flight += 1
                    self.most_in_flight = max(self.most_in_flight, in_flight)
                    at = self.now + self.latency * self.random.uniform(0.5, 1.5)
                    heappush(events, (at, next(order), heappop(waiting)))
                    continue
                if delay is not None:
                    heappush(events, (self.now + delay, next(order), None))
                break
            self.now, _, request = heappop(events)
            if request is None:
                continue
            number, tries = request
            seconds = self.server(self.now)
            self.most_tries = max(self.most_tries, tries + 1)
            if seconds:
                self.refused += 1
                self.pace.overloaded()
                self.pace.pause(self.now + seconds * self.random.uniform(1, 1.1))
                heappush(waiting, (number, tries + 1))
            else:
                done += 1
                self.pace.succeeded()
                if sent < requests:
                    heappush(waiting, (sent, 0))
                    sent += 1
            self.pace.ended()
            in_flight -= 1
        return self


def quota(rate: float) -> Callable[[float], float]:
    """A server that asks for whole seconds, as Cube and the sandbox do."""
    window = SlidingWindow()
    return lambda now: math.ceil(window.admit(rate, now))


@pytest.mark.parametrize("latency", [0.005, 0.05])
@pytest.mark.parametrize("rate", [0.5, 1, 2, 5, 20])
def test_a_quota_costs_little_more_than_its_time(rate: float, latency: float) -> None:
    run = Simulation(Pace(16), quota(rate), latency=latency).run(66)
    allowed = (66 - max(1, math.floor(rate))) / rate
    assert run.now <= allowed * 1.2 + 66 * latency + 1.2
    assert run.most_tries <= 5, "one less than `max_tries`"


def test_so_does_a_quota_for_a_minute() -> None:
    """100 requests within any minute: `Retry-After` is long, and the pause is not much longer."""
    window = SlidingWindow()
    run = Simulation(Pace(4), lambda now: math.ceil(window.admit(100, now / 60) * 60), 4)
    assert run.run(350).now <= 3 * 60 * 1.15
    assert run.most_tries <= 2


@pytest.mark.parametrize("seed", range(5))
def test_errors_that_are_not_due_to_the_load_cost_their_pauses_only(seed: int) -> None:
    random = Random(seed)  # noqa: S311  # no secret
    server = Simulation(Pace(4), lambda _: random.random() < 0.05, 4, 0.1).run(200)
    quiet = Simulation(Pace(4), lambda _: 0, 4, 0.1).run(200)
    assert server.refused > 3
    assert server.now <= quiet.now * 1.3 + server.refused * 1.1


def test_a_pause_ends_with_one_request_and_each_success_admits_one_more() -> None:
    pace = Pace(8)
    pace.pause(5.0)
    assert pace.delay(4.0) == 1.0
    admitted = []
    for _ in range(10):
        in_flight = 0
        while pace.delay(5.0) == 0:
            pace.sent(5.0)
            in_flight += 1
        for _ in range(in_flight):
            pace.ended()
        admitted.append(in_flight)
        pace.succeeded()
    assert admitted == [1, 2, 3, 4, 5, 6, 7, 8, 8, 8]


def most_in_flight(pace: Pace) -> int:
    in_flight = 0
    while pace.delay(1e9) == 0:
        pace.sent(1e9)
        in_flight += 1
    for _ in range(in_flight):
        pace.ended()
    return in_flight


@pytest.mark.parametrize(("overloads", "most"), [(0, 8), (1, 4), (2, 2), (3, 1), (99, 1)])
def test_each_overload_halves_the_requests_in_flight(overloads: int, most: int) -> None:
    pace = Pace(8)
    for _ in range(overloads):
        pace.overloaded()
    assert most_in_flight(pace) == most


def test_they_grow_back_slowly() -> None:
    pace = Pace(8)
    pace.overloaded()
    pace.overloaded()
    pace.pause(1.0)
    growth = []
    for _ in range(40):
        growth.append(most_in_flight(pace))
        pace.succeeded()
    assert [growth.index(n) for n in range(1, 9)] == sorted({growth.index(n) for n in range(1, 9)})
    assert growth.index(3) >= 2, "a success for each request in flight"
    assert growth.index(8) >= 25
    assert growth[-1] == 8, "and no more"


def test_a_rate_holds_at_any_time() -> None:
    pace = Pace(8, 4)
    pace.sent(100.0)
    assert pace.delay(100.0) == 0.25
    assert pace.delay(100.3) == 0
    pace.pause(105.0)
    pace.ended()
    assert pace.delay(100.3) == pytest.approx(4.7)
    pace.sent(105.0)
    assert pace.delay(105.0) is None, "one by one"
    pace.succeeded()
    pace.ended()
    assert pace.delay(105.0) == 0.25


def test_a_shorter_pause_does_not_cut_a_longer_one_short() -> None:
    pace = Pace(8)
    pace.pause(2.0)
    pace.pause(1.0)
    assert pace.delay(0.0) == 2.0


# With threads. Machines may be slow: only what must not come too early is timed.


def enter(gate: Gate) -> None:
    with gate.passed(gate.number()):
        pass


def test_a_pause_is_for_all() -> None:
    gate = Gate(Pace(4))
    gate.pause(0.2)
    started = monotonic()
    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(enter, gate)
            gate.succeeded()
    assert monotonic() - started >= 0.2


def test_a_pause_also_holds_those_who_wait_already() -> None:
    gate = Gate(Pace(4))
    gate.pause(0.1)
    started = monotonic()
    worker = Thread(target=enter, args=[gate])
    worker.start()
    gate.pause(0.3)
    worker.join()
    assert monotonic() - started >= 0.29


def test_a_rate_holds_over_all_workers() -> None:
    gate = Gate(Pace(4, 50))
    started = monotonic()
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            pool.submit(enter, gate)
    assert monotonic() - started >= 19 / 50


def test_workers_pass_in_the_order_of_their_requests() -> None:
    """A request that was refused keeps its place before those that came later."""
    gate = Gate(Pace(1))
    numbers = [gate.number() for _ in range(6)]
    passed: list[int] = []

    def attempt(number: int) -> None:
        with gate.passed(number):
            passed.append(number)

    with ThreadPoolExecutor(6) as pool:
        with gate.passed(numbers[1]):
            for number in (numbers[n] for n in (4, 2, 5, 0, 3)):
                pool.submit(attempt, number)
            sleep(0.2)
        pool.shutdown()
    assert passed == [numbers[n] for n in (0, 2, 3, 4, 5)]


def test_no_more_are_inside_than_the_pace_admits() -> None:
    gate, lock = Gate(Pace(3)), Lock()
    inside = most = 0

    def send(_: int) -> None:
        nonlocal inside, most
        with gate.passed(gate.number()):
            with lock:
                inside += 1
                most = max(most, inside)
            sleep(0.005)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(60)))
    assert most == 3


def test_a_worker_that_fails_makes_room() -> None:
    gate, admitted, over = Gate(Pace(1)), Semaphore(0), Event()

    def send() -> None:
        with gate.passed(gate.number()):
            admitted.release()
            over.wait(10)

    with pytest.raises(KeyError), gate.passed(gate.number()):
        raise KeyError
    Thread(target=send, daemon=True).start()
    assert admitted.acquire(timeout=5)
    Thread(target=send, daemon=True).start()
    assert not admitted.acquire(timeout=0.2)
    over.set()
    assert admitted.acquire(timeout=5), "once another request has ended"
